"""Plans from what people write: TOML files, journals and the words of a command line."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ser.errors import UserError
from ser.experiment.experiment import all_cells
from ser.paths import list_plan_names
from ser.settings.ranges import Value
from ser.settings.registry import describe_unknown_name
from ser.sweep.plan import ALL_FOLDS, LIST_KEYS, Plan


def plan_from(values: Mapping[str, Any]) -> Plan:
    """The plan that `values` (of a TOML file or a journal) describe.

    Raises:
        UserError: an unknown key, a value that does not fit, or settings that are no table.
    """
    known = [f.name for f in fields(Plan)]
    for name in values:
        if name not in known:
            raise describe_unknown_name("plan key", name, known)
    for name in ("settings", "cell_settings", "ranges", "variants"):
        if not isinstance(values.get(name, {}), dict):
            raise UserError(f"{name} must be a table, got {values[name]!r}")
    for name, kind, what in (
        ("cell_settings", dict, "a table of settings"),
        ("ranges", list, "a list: [low, high]"),
        ("variants", dict, "a table of settings"),
    ):
        for key, value in values.get(name, {}).items():
            if not isinstance(value, kind):
                raise UserError(f"{name}.{key} must be {what}, got {value!r}")
    lists: dict[str, Any] = {name: tuple(values[name]) for name in LIST_KEYS if isinstance(values.get(name), list)}
    for name, read in (("final_folds", fold_numbers), ("final_splits", _split_names)):
        if isinstance(values.get(name), str):
            lists[name] = read(values[name])
    return Plan(**{**values, **lists, "cells": cell_names(values.get("cells", "all"))})


def fold_numbers(text: str) -> str | tuple[int, ...]:
    """The folds meant by 'all', or by numbers joined by commas.

    Raises:
        UserError: neither.
    """
    if text == ALL_FOLDS:
        return text
    if not all(number.isdecimal() for number in text.split(",")):
        raise UserError(
            f"final_folds or --folds must be '{ALL_FOLDS}' or numbers joined by commas, as in 0,2; got '{text}'"
        )
    return tuple(dict.fromkeys(map(int, text.split(","))))


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def cell_names(cells: str | Sequence[str]) -> tuple[str, ...]:
    """The cells meant by 'all', by names joined by commas, or by a list; each once."""
    if cells == "all":
        return tuple(all_cells())
    return tuple(dict.fromkeys(cells.split(",") if isinstance(cells, str) else cells))


def read_plan(name: str, *, folder: Path) -> Plan:
    """The plan `name` of `folder`, or of the file that `name` is the path of.

    Raises:
        UserError: no such plan, or not a plan.
    """
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        raise describe_unknown_name("plan", name, list_plan_names(folder))
    try:
        return plan_from(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UserError(f"{path} is not a plan: {error}") from None


def with_settings(plan: Plan, settings: Mapping[str, Value]) -> Plan:
    """The plan with more settings fixed for every cell; they win over the plan's own."""
    cell_settings = {
        cell: {name: value for name, value in values.items() if name not in settings}
        for cell, values in plan.cell_settings.items()
    }
    return replace(plan, settings={**plan.settings, **settings}, cell_settings=cell_settings)
