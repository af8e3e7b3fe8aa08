"""Ranges, settings and their dotted names."""

import math
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, field
from typing import Annotated

import pytest

from ser.settings.declaration import Setting, all_settings, narrow_range, parse_value, settings, with_values
from ser.settings.ranges import Choice, Floats, Ints, SettingError, Subset, Text

FAMILIES = Subset(("energy", "mfcc", "mel"), ("all", "mel", "mfcc+mel"))


@settings
class Band:
    n_bands: Annotated[int, Ints(4, 12, step=4)] = 8


@settings
class Optimiser:
    lr: Annotated[float, Floats(1e-5, 1e-2, log=True)] = 1e-3
    amsgrad: Annotated[bool, Choice((False, True))] = False
    name: Annotated[str, Choice(("adam", "sgd"))] = "adam"


@settings
class Network:
    """One of each kind: a range, a part, a mapping of names to parts."""

    dropout: Annotated[float, Floats(0.0, 0.6)] = 0.2
    families: Annotated[str, FAMILIES] = "all"
    note: Annotated[str, Text()] = "none"
    optimiser: Optimiser = Optimiser()
    band: Mapping[str, Band] = field(default_factory=lambda: {"low": Band(), "high": Band(n_bands=12)})


def setting_of(name: str) -> Setting:
    return next(setting for setting in all_settings(Network()) if setting.name == name)


@pytest.mark.parametrize(
    ("allowed", "good", "bad"),
    [
        (
            Floats(0.0, 0.6),
            [0.0, 0.6, 0, 0.3],
            [-1e-9, 0.6000001, 1, True, False, "0.3", math.nan, math.inf, -math.inf],
        ),
        (Floats(-math.inf, math.inf), [1e308, -5], [math.nan, math.inf, -math.inf]),
        (Ints(4, 12, step=4), [4, 8, 12], [0, 3, 5, 13, 16, 8.0, True, "8", math.nan]),
        (Ints(0, 1), [0, 1], [False, True, 0.0]),
        (Choice((1, 2)), [1, 2], [3, True, 1.0, "1"]),
        (Choice((True, False)), [True, False], [1, 0, "true"]),
        (Choice(("adam", "sgd")), ["adam", "sgd"], ["Adam", "", 0, True]),
        (
            FAMILIES,
            ["all", "mel", "mel+mfcc", "energy+mfcc+mel"],
            ["", "all+mel", "mel+mel", "mel+", "chroma", 3, True],
        ),
        (Text(), ["", "anything"], [3, 0.5, True]),
    ],
)
def test_each_range_holds_its_values_and_no_other(allowed, good, bad):
    assert [value for value in good if allowed.find_broken_rule(value) is not None] == []
    assert [value for value in bad if allowed.find_broken_rule(value) is None] == []


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (Floats(1e-5, 0.01, log=True), "[1e-05, 0.01] log"),
        (Ints(4, 12, step=4), "{4..12} step 4"),
        (Ints(1, 8), "{1..8}"),
        (Choice((False, True)), "{False, True}"),
        (FAMILIES, "{all, mel, mfcc+mel}"),
        (Text(), "text"),
    ],
)
def test_ranges_show_themselves(allowed, text):
    assert str(allowed) == text


def test_only_text_is_never_searched():
    assert [kind.searched for kind in (Floats(0, 1), Ints(0, 1), Choice((1,)), FAMILIES, Text())] == [True] * 4 + [
        False
    ]


def test_chosen_members_come_in_the_order_of_the_members():
    assert FAMILIES.select_members("mel+energy") == ("energy", "mel")
    assert FAMILIES.select_members("all") == ("energy", "mfcc", "mel")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.5}, r"^dropout must lie in \[0, 0.6\], got 1.5$"),
        ({"dropout": math.nan}, r"^dropout must lie in \[0, 0.6\], got nan$"),
        ({"dropout": True}, r"^dropout must lie in \[0, 0.6\], got True$"),
        ({"families": "mel+chroma"}, "^families must be 'all' or names joined by '\\+' out of energy, mfcc, mel, got"),
        ({"note": 3}, "^note must be text, got 3$"),
    ],
)
def test_a_value_out_of_range_says_rule_and_value(values, message):
    with pytest.raises(SettingError, match=message):
        Network(**values)


@pytest.mark.parametrize(("value", "rule"), [(9, "lie in {4..12} step 4"), (8.0, "be a whole number")])
def test_whole_numbers_are_checked_when_made(value, rule):
    with pytest.raises(SettingError, match=f"n_bands must {rule}"):
        Band(n_bands=value)


def test_settings_are_frozen_and_named():
    with pytest.raises(FrozenInstanceError):
        Network().dropout = 0.3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Network(0.3)  # type: ignore[call-arg]


def test_a_check_of_the_class_itself_runs_after_the_ranges():
    @settings
    class Window:
        n_low: Annotated[int, Ints(0, 9)] = 1
        n_high: Annotated[int, Ints(0, 9)] = 5

        def __post_init__(self) -> None:
            if self.n_low > self.n_high:
                raise SettingError("n_low must not exceed n_high")

    assert Window(n_low=5).n_high == 5
    with pytest.raises(SettingError, match="must not exceed"):
        Window(n_low=6)
    with pytest.raises(SettingError, match=r"n_low must lie in \{0..9\}, got 10"):
        Window(n_low=10)


def test_dotted_names_go_through_parts_and_mappings():
    found = {setting.name: setting.value for setting in all_settings(Network())}
    assert found == {
        "dropout": 0.2,
        "families": "all",
        "note": "none",
        "optimiser.lr": 1e-3,
        "optimiser.amsgrad": False,
        "optimiser.name": "adam",
        "band.low.n_bands": 8,
        "band.high.n_bands": 12,
    }


def test_values_are_set_by_dotted_name_in_a_copy():
    before = Network()
    after = with_values(before, {"dropout": 0.5, "optimiser.lr": "1e-4", "band.high.n_bands": "4"})
    assert (after.dropout, after.optimiser.lr, after.band["high"].n_bands) == (0.5, 1e-4, 4)
    assert (after.band["low"], after.optimiser.name) == (Band(), "adam")
    assert before == Network()


def test_setting_what_is_there_changes_nothing():
    flat = {setting.name: setting.value for setting in all_settings(Network())}
    assert with_values(Network(), flat) == with_values(Network(), {k: str(v) for k, v in flat.items()}) == Network()


@pytest.mark.parametrize(
    ("name", "meant"),
    [("drop_out", "dropout"), ("optimizer.lr", "optimiser.lr"), ("band.low.bands", "band.low.n_bands")],
)
def test_an_unknown_name_gets_the_nearest(name, meant):
    with pytest.raises(SettingError, match=f"unknown setting '{name}': did you mean '{meant}'"):
        with_values(Network(), {name: 1})


def test_a_part_is_no_setting():
    with pytest.raises(SettingError, match="unknown setting 'optimiser'"):
        with_values(Network(), {"optimiser": 1})


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("dropout", "0.25", 0.25),
        ("dropout", "5e-1", 0.5),
        ("dropout", 0, 0.0),
        ("band.low.n_bands", "12", 12),
        ("band.low.n_bands", 12.0, 12),
        ("optimiser.amsgrad", "True", True),
        ("optimiser.amsgrad", "false", False),
        ("optimiser.amsgrad", True, True),
        ("optimiser.name", "sgd", "sgd"),
        ("families", "mel+mfcc", "mel+mfcc"),
        ("note", "", ""),
    ],
)
def test_text_is_read_as_the_type_of_its_setting(name, given, value):
    made = parse_value(setting_of(name), given)
    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given", "rule"),
    [
        ("dropout", "half", "dropout must be float, got 'half'"),
        ("dropout", "nan", r"dropout must lie in \[0, 0.6\], got nan"),
        ("dropout", "inf", r"dropout must lie in \[0, 0.6\], got inf"),
        ("dropout", True, "dropout must be float"),
        ("dropout", [0.1], "dropout must be float"),
        ("dropout", 10**400, "dropout must be float"),
        ("band.low.n_bands", "8.0", "band.low.n_bands must be int"),
        ("band.low.n_bands", 8.5, "band.low.n_bands must be int"),
        ("band.low.n_bands", math.inf, "band.low.n_bands must be int"),
        ("band.low.n_bands", True, "band.low.n_bands must be int"),
        ("band.low.n_bands", "9", r"band.low.n_bands must lie in \{4..12\} step 4, got 9"),
        ("optimiser.amsgrad", "yes", "optimiser.amsgrad must be bool, got 'yes'"),
        ("optimiser.amsgrad", 1, "optimiser.amsgrad must be bool"),
        ("optimiser.name", "adamw", "optimiser.name must be one of {adam, sgd}, got 'adamw'"),
    ],
)
def test_what_does_not_fit_says_rule_and_value(name, given, rule):
    with pytest.raises(SettingError, match=rule):
        with_values(Network(), {name: given})


@pytest.mark.parametrize(
    ("name", "part", "made"),
    [
        ("dropout", [0.1, 0.3], Floats(0.1, 0.3)),
        ("dropout", ["0", "0.2"], Floats(0.0, 0.2)),
        ("optimiser.lr", [1e-3, 1e-2], Floats(1e-3, 1e-2, log=True)),
        ("band.low.n_bands", [8, 12], Ints(8, 12, step=4)),
        ("optimiser.name", ["adam"], Choice(("adam",))),
        ("families", ["all", "energy"], Subset(FAMILIES.members, ("all", "energy"))),
    ],
)
def test_a_range_is_narrowed_and_keeps_its_kind(name, part, made):
    assert narrow_range(setting_of(name), part) == made


@pytest.mark.parametrize(
    ("name", "part", "rule"),
    [
        ("dropout", [0.1, 0.9], r"must lie in \[0, 0.6\], got 0.9"),
        ("dropout", [0.3, 0.5], r"the range \[0.3, 0.5\] of dropout must hold the value it starts from, 0.2"),
        ("dropout", [0.5, 0.1], "must hold the value it starts from"),
        ("dropout", [0.1, 0.2, 0.3], r"narrowed by \[low, high\] or by options"),
        ("dropout", [], r"narrowed by \[low, high\]"),
        ("band.low.n_bands", [8, 11], "must lie in"),
        ("optimiser.name", ["sgd"], "must hold the value it starts from, adam"),
        ("optimiser.name", [], "must hold the value it starts from"),
        ("optimiser.name", ["rms"], "must be one of"),
        ("families", ["mel", "mfcc+mel"], "must hold the value it starts from, all"),
        ("families", [], "must hold the value it starts from, all"),
        ("note", ["a", "b"], "is narrowed by"),
    ],
)
def test_a_range_is_not_narrowed_to_what_no_search_could_start_from(name, part, rule):
    with pytest.raises(SettingError, match=rule):
        narrow_range(setting_of(name), part)
