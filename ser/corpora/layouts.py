"""Scan that all corpora share: it finds the layout in which a corpus was published, or explains that there is none."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ser.corpora.base import Clip, CorpusError, Scan
from ser.corpora.locations import Entry, Location, is_remote, join_location, list_folder, resolve_location

_SUFFIXES = (".wav", ".flac")
_NOT_A_FILE = "named like a sound file, but none"


@dataclass(frozen=True)
class Excluded:
    """Reason to exclude a file whose name fits the grammar but that is not in one of the corpus's classes."""

    reason: str


@dataclass(frozen=True)
class Layouts:
    """Folders and file names of one corpus, in each form in which it is published.

    Attributes:
        title: usual name of the corpus.
        source: address to get it from.
        folders: relative to the given one, "." for itself; the one with most clips is used, the first of equals.
        parse: function of a file's name without suffix and its location; returns its clip, the reason to exclude it,
            or None if the name breaks the grammar.
        rule: the grammar in words, for error messages.
        subfolders: names of the folders in a layout whose files belong to it.
    """

    title: str
    source: str
    folders: tuple[str, ...]
    parse: Callable[[str, str], Clip | Excluded | None]
    rule: str
    subfolders: re.Pattern[str] | None = None

    def scan(self, folder: Location) -> Scan:
        """Clips of the layout below `folder` that has most of them; the sound is not read.

        Raises:
            CorpusError: missing or empty folder, no file in it that fits, or a clip that is there twice.
        """
        place = resolve_location(folder)
        content = self._list_top(place)
        scans = {layout: self._scan_layout(entries) for layout, entries in self._find_layouts(place, content)}
        best = max(scans, key=lambda layout: len(scans[layout].clips))
        if not scans[best].clips:
            raise self._describe_misfit(place, content, list(scans.values()))
        _refuse_duplicates(scans[best].clips, join_location(place, best) if best != "." else place)
        return scans[best]

    def _list_top(self, place: str) -> list[Entry]:
        try:
            return _read_folder(place)
        except (FileNotFoundError, NotADirectoryError):
            raise CorpusError(
                f"{place} is not a folder",
                f"give the folder that holds {_join_names(self.folders, 'or')} ({self.title}: {self.source})",
            ) from None

    def _find_layouts(self, place: str, content: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
        """Find the layouts that are there, each with its entries."""
        folders = {entry.name for entry in content if entry.kind == "folder"}
        for layout in self.folders:
            if layout == ".":
                yield layout, [*self._expand_subfolders(content)]
            elif layout.partition("/")[0] in folders:
                try:
                    inside = _read_folder(join_location(place, layout))
                except (FileNotFoundError, NotADirectoryError):
                    continue
                yield layout, [*self._expand_subfolders(inside)]

    def _expand_subfolders(self, content: Sequence[Entry]) -> Iterator[Entry]:
        """Replace the subfolders of a layout by their entries."""
        for entry in content:
            if entry.kind == "folder" and self.subfolders is not None and self.subfolders.fullmatch(entry.name):
                yield from _read_folder(entry.location)
            else:
                yield entry

    def _scan_layout(self, entries: Sequence[Entry]) -> Scan:
        clips: list[Clip] = []
        misnamed: list[str] = []
        excluded: defaultdict[str, list[str]] = defaultdict(list)
        for entry in entries:
            stem, dot, suffix = entry.name.rpartition(".")
            # macOS adds a file of metadata beside each file, with a name that begins with a dot.
            if f"{dot}{suffix}".lower() not in _SUFFIXES or entry.name.startswith("."):
                continue
            parsed = self.parse(stem, entry.location)
            if entry.kind != "file":
                excluded[_NOT_A_FILE].append(entry.name)
            elif parsed is None:
                misnamed.append(entry.name)
            elif isinstance(parsed, Excluded):
                excluded[parsed.reason].append(entry.name)
            else:
                clips.append(parsed)
        clips.sort(key=lambda clip: (clip.name, clip.location))
        reasons = {reason: tuple(sorted(names)) for reason, names in sorted(excluded.items())}
        return Scan(tuple(clips), tuple(sorted(misnamed)), reasons)

    def _describe_misfit(self, place: str, content: Sequence[Entry], scans: Sequence[Scan]) -> CorpusError:
        if not content:
            return CorpusError(
                f"{place} is empty", f"download {self.title} into it ({self.source}) or give another folder"
            )
        names = [name for scan in scans for name in scan.misnamed]
        names += [name for scan in scans for excluded in scan.excluded.values() for name in excluded]
        if names:
            some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            return CorpusError(f"none of the {len(names):,} sound files in {place} fits ({some})", self.rule)
        below = _join_names(self.folders, "and")
        return CorpusError(f"{place} holds no WAV or FLAC file, nor do {below} below it", self.rule)


def _read_folder(folder: str) -> list[Entry]:
    try:
        return list_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        remedy = "check address, credentials and network" if is_remote(folder) else "mend its permissions"
        raise CorpusError(
            f"{folder} cannot be read ({error.strerror})", f"{remedy}, or give another --corpus-dir"
        ) from None


def _join_names(folders: Sequence[str], conjunction: str) -> str:
    *most, last = [folder for folder in folders if folder != "."]
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def _refuse_duplicates(clips: Sequence[Clip], folder: str) -> None:
    for one, other in pairwise(clips):
        if one.name == other.name:
            here, there = (clip.location.removeprefix(f"{folder}/") for clip in (one, other))
            raise CorpusError(f"{folder} holds {one.name} twice, as {here} and {there}", "keep one")
