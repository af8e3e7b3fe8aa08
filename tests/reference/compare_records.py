"""The comparison of two records of `record_behaviour.py`, as a table of what is equal to the last bit."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHOWN = 3
# A network of the 2-D space is trained on the mel spectrogram alone.
_2D_FAMILY = "mel"
# The baseline that is not a constant is an SVM on these.
_BASELINE_FAMILY = "mfcc"


@dataclass(frozen=True)
class Compared:
    """One line of the table: how many things of a kind are equal, how many there are, and what differs."""

    part: str
    kind: str
    n: int
    different: tuple[str, ...]
    remark: str = ""

    def __str__(self) -> str:
        """As it is printed."""
        n_equal = self.n - len(self.different)
        listed = ", ".join(self.different[:_SHOWN]) + (", ..." if len(self.different) > _SHOWN else "")
        found = f"DIFFERENT: {listed}{self.remark}" if self.different else f"equal{self.remark}"
        return f"{self.part:<10} {self.kind:<20} {n_equal:>4} of {self.n:<4} {found}"


def compare(first: Path, second: Path, parts: list[str], *, omitted: str | None) -> int:
    """Print the comparison of two folders; 0 where all is equal, 1 otherwise.

    Args:
        first: a folder that `make` wrote.
        second: another.
        parts: which of their files to compare.
        omitted: a feature whose arrays are not compared, nor the cells that are trained on it; None for none.
    """
    lines = [line for part in parts for line in compare_part(part, read(first, part), read(second, part), omitted)]
    for line in lines:
        print(line)
    n_different = sum(len(line.different) for line in lines)
    n_compared = sum(line.n for line in lines)
    print(f"{n_compared - n_different} of {n_compared} equal to the last bit")
    return 1 if n_different else 0


def read(folder: Path, part: str) -> dict[str, Any]:
    """One part of a record."""
    path = folder / f"{part}.json"
    if not path.exists():
        sys.exit(f"error: {path} is missing: make it first, or compare another --part")
    return dict(json.loads(path.read_text()))


def compare_part(part: str, first: dict[str, Any], second: dict[str, Any], omitted: str | None) -> Iterator[Compared]:
    """Lines of the table of one part."""
    if first["machine"] != second["machine"]:
        print(f"note: the records of {part} were made with {first['machine']} and {second['machine']}")
    if part == "features":
        yield from compare_features(part, first["clips"], second["clips"], omitted)
    else:
        yield from compare_trials(part, first["trials"], second["trials"], omitted)
        if omitted != _BASELINE_FAMILY:
            yield compare_values(part, "baselines", first["baselines"], second["baselines"])


def compare_trials(
    part: str, first: Mapping[str, Any], second: Mapping[str, Any], omitted: str | None
) -> Iterator[Compared]:
    """A line for each thing that a record says of a trial."""
    left_out = {cell_of(key) for trials in (first, second) for key, trial in trials.items() if uses(trial, omitted)}
    first, second = (
        {key: trial for key, trial in trials.items() if cell_of(key) not in left_out} for trials in (first, second)
    )
    remark = f" (omitted: {', '.join(sorted(left_out))})" if left_out else ""
    yield compare_values(part, "trials", dict.fromkeys(first), dict.fromkeys(second), remark)
    kinds = {kind for trials in (first, second) for trial in trials.values() for kind in trial}
    for kind in sorted(kinds - {"epochs"}):
        yield compare_values(part, kind, pick(first, kind), pick(second, kind))
    for kind in ("metrics", "confusion", "last"):
        yield compare_values(part, f"{kind} by epoch", of_epochs(first, kind), of_epochs(second, kind))


def compare_features(
    part: str, first: Mapping[str, Any], second: Mapping[str, Any], omitted: str | None
) -> Iterator[Compared]:
    """A line for each feature, with the largest difference of minimum, mean and maximum."""
    names = {name for clips in (first, second) for features in clips.values() for name in features}
    for name in sorted(names - {omitted, *(["2d"] if omitted == _2D_FAMILY else [])}):
        of_first, of_second = (
            {clip: features[name] for clip, features in clips.items() if name in features} for clips in (first, second)
        )
        pairs = [(of_first[clip], of_second[clip]) for clip in of_first.keys() & of_second.keys()]
        largest = max((abs(a[figure] - b[figure]) for a, b in pairs for figure in ("min", "mean", "max")), default=0.0)
        remark = f" (figures differ by up to {largest:.3g})" if largest else ""
        yield compare_values(part, name, digests_of(of_first), digests_of(of_second), remark)


def compare_values(
    part: str, kind: str, first: Mapping[str, Any], second: Mapping[str, Any], remark: str = ""
) -> Compared:
    """A line of values that both should have under the same names."""
    names = sorted(first.keys() | second.keys())
    absent = object()
    different = tuple(name for name in names if first.get(name, absent) != second.get(name, absent))
    return Compared(part, kind, len(names), different, remark)


def digests_of(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Digests of one feature of each clip."""
    return {clip: array["sha256"] for clip, array in arrays.items()}


def pick(trials: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One thing of those trials that have it."""
    return {key: trial[kind] for key, trial in trials.items() if kind in trial}


def of_epochs(trials: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One thing of every epoch of every trial."""
    return {f"{key} epoch {epoch}": r[kind] for key, trial in trials.items() for epoch, r in trial["epochs"].items()}


def uses(trial: Mapping[str, Any], feature: str | None) -> bool:
    """True if a trial is trained on a feature."""
    families = str(trial["settings"].get("features.families", _2D_FAMILY))
    return feature is not None and (families == "all" or feature in families.split("+"))


def cell_of(key: str) -> str:
    """Cell of the trial of this key."""
    return key.partition("/")[0]
