"""The scan that all corpora share: the layouts in which they are published, and what to say where none is found."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ser.corpora.base import Clip, CorpusError, Scan
from ser.corpora.locations import Entry, Location, entries, is_remote, join_location, resolve_location

_SUFFIXES = (".wav", ".flac")
NOT_A_FILE = "named like a sound file, but none"


@dataclass(frozen=True)
class LeftOut:
    """Why a file that fits the grammar is no clip of the corpus's classes."""

    reason: str


@dataclass(frozen=True)
class Layouts:
    """How the files of one corpus lie and are named.

    Attributes:
        title: of the corpus, as people call it.
        source: where to get it.
        folders: relative to the given one, "." for itself; the fullest is taken, the first of equals.
        parse: what a file stands for, by its name without suffix and its location; None where it breaks the grammar.
        rule: the grammar, in a sentence.
        below: names of folders in a layout whose files belong to it.
    """

    title: str
    source: str
    folders: tuple[str, ...]
    parse: Callable[[str, str], Clip | LeftOut | None]
    rule: str
    below: re.Pattern[str] | None = None

    def scan(self, folder: Location) -> Scan:
        """The clips in the fullest layout below `folder`; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, nothing in it that fits, or a clip that is there twice.
        """
        place = resolve_location(folder)
        held = self._listed(place)
        scans = {layout: self._scan_one(found) for layout, found in self._found(place, held)}
        best = max(scans, key=lambda layout: len(scans[layout].clips))
        if not scans[best].clips:
            raise CorpusError(self._nothing_fits(place, held, list(scans.values())))
        _refuse_twins(scans[best].clips, join_location(place, best) if best != "." else place)
        return scans[best]

    def _listed(self, place: str) -> list[Entry]:
        try:
            return _read_folder(place)
        except (FileNotFoundError, NotADirectoryError):
            raise CorpusError(
                f"{place} is not a folder: give the folder that holds {_named(self.folders, 'or')} "
                f"({self.title}: {self.source})"
            ) from None

    def _found(self, place: str, held: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
        """The layouts that are there, each with all that lies in it."""
        folders = {entry.name for entry in held if entry.kind == "folder"}
        for layout in self.folders:
            if layout == ".":
                yield layout, [*self._opened(held)]
            elif layout.partition("/")[0] in folders:
                try:
                    inside = _read_folder(join_location(place, layout))
                except (FileNotFoundError, NotADirectoryError):
                    continue
                yield layout, [*self._opened(inside)]

    def _opened(self, held: Sequence[Entry]) -> Iterator[Entry]:
        """What lies in a layout, with what lies in its folders in their place."""
        for entry in held:
            if entry.kind == "folder" and self.below is not None and self.below.fullmatch(entry.name):
                yield from _read_folder(entry.location)
            else:
                yield entry

    def _scan_one(self, found: Sequence[Entry]) -> Scan:
        clips: list[Clip] = []
        misnamed: list[str] = []
        left_out: defaultdict[str, list[str]] = defaultdict(list)
        for entry in found:
            stem, dot, suffix = entry.name.rpartition(".")
            # Names that begin with a dot are the notes that macOS leaves beside each file.
            if f"{dot}{suffix}".lower() not in _SUFFIXES or entry.name.startswith("."):
                continue
            parsed = self.parse(stem, entry.location)
            if entry.kind != "file":
                left_out[NOT_A_FILE].append(entry.name)
            elif parsed is None:
                misnamed.append(entry.name)
            elif isinstance(parsed, LeftOut):
                left_out[parsed.reason].append(entry.name)
            else:
                clips.append(parsed)
        clips.sort(key=lambda clip: (clip.name, clip.location))
        reasons = {reason: tuple(sorted(names)) for reason, names in sorted(left_out.items())}
        return Scan(tuple(clips), tuple(sorted(misnamed)), reasons)

    def _nothing_fits(self, place: str, held: Sequence[Entry], scans: Sequence[Scan]) -> str:
        if not held:
            return f"{place} is empty: download {self.title} into it ({self.source}) or give another folder"
        misnamed = [name for scan in scans for name in scan.misnamed]
        left_out = [name for scan in scans for names in scan.left_out.values() for name in names]
        if misnamed or left_out:
            names = misnamed + left_out
            some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            return f"none of the {len(names):,} sound files in {place} fits ({some}): {self.rule}"
        below = _named(self.folders, "and")
        return f"{place} holds no WAV or FLAC file, nor do {below} below it: {self.rule}"


def _read_folder(folder: str) -> list[Entry]:
    try:
        return entries(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        remedy = "check address, credentials and network" if is_remote(folder) else "mend its permissions"
        raise CorpusError(
            f"{folder} cannot be read ({error.strerror}): {remedy}, or give another --corpus-dir"
        ) from None


def _named(folders: Sequence[str], conjunction: str) -> str:
    *most, last = [folder for folder in folders if folder != "."]
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def _refuse_twins(clips: Sequence[Clip], folder: str) -> None:
    for one, other in pairwise(clips):
        if one.name == other.name:
            here, there = (clip.location.removeprefix(f"{folder}/") for clip in (one, other))
            raise CorpusError(f"{folder} holds {one.name} twice, as {here} and {there}: keep one")
