"""Parse plans from TOML files, journals and options of the command line."""

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


def parse_plan(values: Mapping[str, Any]) -> Plan:
    """Parse the plan from `values`, the content of a TOML file or of a journal's event.

    Raises:
        UserError: a value that does not fit, or settings that are not a table.
        SettingError: a key or the name of a cell is unknown.
    """
    known = [f.name for f in fields(Plan)]
    for name in values:
        if name not in known:
            raise describe_unknown_name("plan key", name, known)
    for name in ("settings", "cell_settings", "ranges", "variants"):
        if not isinstance(values.get(name, {}), dict):
            raise UserError(f"{name} must be a table, got {values[name]!r}")
    for name, kind, form in (
        ("cell_settings", dict, "a table of settings"),
        ("ranges", list, "a list: [low, high]"),
        ("variants", dict, "a table of settings"),
    ):
        for key, value in values.get(name, {}).items():
            if not isinstance(value, kind):
                raise UserError(f"{name}.{key} must be {form}, got {value!r}")
    lists: dict[str, Any] = {name: tuple(values[name]) for name in LIST_KEYS if isinstance(values.get(name), list)}
    for name, parse in (("final_folds", parse_folds), ("final_splits", _parse_splits)):
        if isinstance(values.get(name), str):
            lists[name] = parse(values[name])
    return Plan(**{**values, **lists, "cells": parse_cells(values.get("cells", "all"))})


def parse_folds(text: str) -> str | tuple[int, ...]:
    """Parse folds: 'all', which is kept, or numbers joined by commas, each counted once.

    Raises:
        UserError: any other text.
    """
    if text == ALL_FOLDS:
        return text
    if not all(number.isdecimal() for number in text.split(",")):
        raise UserError(
            f"final_folds or --folds must be '{ALL_FOLDS}' or numbers joined by commas, as in 0,2; got '{text}'"
        )
    return tuple(dict.fromkeys(map(int, text.split(","))))


def _parse_splits(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def parse_cells(cells: str | Sequence[str]) -> tuple[str, ...]:
    """Parse names of cells: 'all', names joined by commas, or a list, each counted once."""
    if cells == "all":
        return tuple(all_cells())
    return tuple(dict.fromkeys(cells.split(",") if isinstance(cells, str) else cells))


def read_plan(name: str, *, folder: Path) -> Plan:
    """Read a plan.

    Args:
        name: name of a plan in `folder`, or path of a file that ends in .toml.
        folder: folder of the plans that come with the platform.

    Raises:
        UserError: the file is not a plan.
        SettingError: there is no such plan.
    """
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        raise describe_unknown_name("plan", name, list_plan_names(folder))
    try:
        return parse_plan(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UserError(f"{path} is not a plan ({error})", "correct the file") from None


def with_settings(plan: Plan, settings: Mapping[str, Value]) -> Plan:
    """Fix more settings for every cell of a plan; they override the plan's own."""
    cell_settings = {
        cell: {name: value for name, value in values.items() if name not in settings}
        for cell, values in plan.cell_settings.items()
    }
    return replace(plan, settings={**plan.settings, **settings}, cell_settings=cell_settings)
