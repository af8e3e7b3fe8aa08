"""Settings: frozen values whose fields carry their own range.

A setting is one annotated field, `dropout: Annotated[float, Floats(0.0, 0.6)] = 0.2`. The range is checked when the
object is created. A search samples from it (unless `searched=False`), and `--dry-run` shows it. Settings nest:
a field that is itself settings, or a mapping of names to settings, adds its name to the dotted name of its fields.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, TypeVar, cast, dataclass_transform, get_args, get_origin, get_type_hints

from ser.settings.ranges import Choice, Floats, Ints, Range, SettingError, Subset, Value
from ser.settings.registry import describe_unknown_name

S = TypeVar("S")


@dataclass(frozen=True)
class Setting:
    """One setting: dotted name, type, range and present value."""

    name: str
    type: type
    range: Range
    value: Value


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[S]) -> type[S]:
    """Class decorator: a frozen, keyword-only dataclass that checks its annotated fields when an object is created.

    Raises:
        SettingError: at creation, for a value outside the range of its field.
    """
    own_check = getattr(cls, "__post_init__", None)

    def check(self: S) -> None:
        for setting in _list_own_settings(self):
            _check(setting.name, setting.value, setting.range)
        if own_check is not None:
            own_check(self)

    cls.__post_init__ = check  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


def all_settings(holder: object, prefix: str = "") -> Iterator[Setting]:
    """All settings of `holder` and of the settings nested in it, in the order of their declaration.

    Args:
        holder: an object whose class is decorated with `settings`.
        prefix: beginning of the dotted names.
    """
    for setting in _list_own_settings(holder):
        yield replace(setting, name=prefix + setting.name)
    for name, part in _list_parts(holder):
        yield from all_settings(part, f"{prefix}{name}.")


def with_values(holder: S, values: Mapping[str, Value | str]) -> S:
    """Copy of `holder` with some values replaced by dotted name; text is parsed as the type of its setting.

    Raises:
        SettingError: unknown name, or a value that does not fit its setting.
    """
    known = {setting.name: setting for setting in all_settings(holder)}
    for name in values:
        if name not in known:
            raise describe_unknown_name("setting", name, list(known))
    return _replace_values(holder, {name: parse_value(known[name], value) for name, value in values.items()}, "")


def parse_value(setting: Setting, value: Value) -> Value:
    """Convert `value` to the type of `setting` and check it: text is parsed, an integer may stand for a real number.

    Raises:
        SettingError: text that is not of this type, or a value outside the range.
    """
    try:
        typed = _READERS[setting.type](value)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise SettingError(f"{setting.name} must be {setting.type.__name__}, got '{value}'") from None
    _check(setting.name, typed, setting.range)
    return typed


def narrow_range(setting: Setting, part: Sequence[Value]) -> Range:
    """Narrow the range of `setting` to [low, high], or to the listed options of a choice.

    Args:
        setting: a setting that is searched.
        part: low and high, or options.

    Raises:
        SettingError: not a part of the range, or a part without the present value, which every search tries first.
    """
    inside = [parse_value(setting, value) for value in part]
    allowed = setting.range
    if isinstance(allowed, Choice):
        narrowed: Range = replace(allowed, options=tuple(inside))
    elif isinstance(allowed, Subset):
        narrowed = replace(allowed, searched_options=tuple(map(str, inside)))
    elif isinstance(allowed, Floats | Ints) and len(inside) == 2:
        low, high = inside
        narrowed = replace(cast(Any, allowed), low=low, high=high)
    else:
        raise SettingError(f"the range of {setting.name} is narrowed by [low, high] or by options, got {list(part)}")
    if isinstance(allowed, Subset):
        holds_present = setting.value in inside
    else:
        holds_present = narrowed.find_broken_rule(setting.value) is None
    if not holds_present:
        raise SettingError(
            f"the range {narrowed} of {setting.name} must hold the value it starts from, {setting.value}"
        )
    return narrowed


def _read_bool(value: Value) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def _read_int(value: Value) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _read_float(value: Value) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


_READERS: dict[type, Callable[[Value], Value]] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    str: str,
}


def _check(name: str, value: Value, allowed: Range) -> None:
    rule = allowed.find_broken_rule(value)
    if rule is not None:
        raise SettingError(f"{name} must {rule}, got {value!r}")


def _read_annotations(holder: object) -> dict[str, tuple[type, Range]]:
    return _read_annotations_of_class(cast(Any, type(holder)))


@cache
def _read_annotations_of_class(cls: Any) -> dict[str, tuple[type, Range]]:
    """Type and range of each field of `cls` that is a setting, in order."""
    hints = get_type_hints(cls, include_extras=True)
    found = {field.name: hints[field.name] for field in fields(cls)}
    return {name: get_args(hint)[:2] for name, hint in found.items() if get_origin(hint) is Annotated}


def _list_own_settings(holder: object) -> Iterator[Setting]:
    for name, (kind, allowed) in _read_annotations(holder).items():
        yield Setting(name, kind, allowed, getattr(holder, name))


def _list_parts(holder: object) -> Iterator[tuple[str, Any]]:
    own = _read_annotations(holder)
    for field in fields(cast(Any, holder)):
        value = getattr(holder, field.name)
        if isinstance(value, Mapping):
            yield from ((f"{field.name}.{name}", part) for name, part in value.items())
        elif field.name not in own:
            yield field.name, value


def _replace_values(holder: S, values: Mapping[str, Value], prefix: str) -> S:
    changes: dict[str, Any] = {
        setting.name: values[prefix + setting.name]
        for setting in _list_own_settings(holder)
        if prefix + setting.name in values
    }
    for field in fields(cast(Any, holder)):
        value = getattr(holder, field.name)
        if isinstance(value, Mapping):
            changes[field.name] = {
                n: _replace_values(p, values, f"{prefix}{field.name}.{n}.") for n, p in value.items()
            }
        elif field.name not in _read_annotations(holder):
            changes[field.name] = _replace_values(value, values, f"{prefix}{field.name}.")
    return cast(S, replace(cast(Any, holder), **changes))
