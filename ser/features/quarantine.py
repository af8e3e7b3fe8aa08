"""Clips that cannot be used: their report, and how many of them are too many.

What counts is sound that cannot be read or computed with. A silent clip can: its features are in the store, and a sweep
leaves it out as a known fault of its corpus.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.base import Clip, CorpusError
from ser.features.batch import Extraction
from ser.features.store import FeatureStore, describe_store_error
from ser.files import replace_file


@dataclass(frozen=True)
class Quarantine:
    """What is done with clips that cannot be used.

    Attributes:
        report: the CSV file that lists them; it is there only while there are some.
        max_bad: percent of the clips; with more, nothing goes on.
    """

    report: Path
    max_bad: float

    @classmethod
    def beside(cls, store: FeatureStore, corpus: str, max_bad: float) -> "Quarantine":
        """A report for each corpus beside the feature store."""
        return cls(store.root.parent / f"quarantine-{corpus}.csv", max_bad)

    def most(self, n_clips: int) -> float:
        """Clips, of so many, that may be bad."""
        return n_clips * self.max_bad / 100

    def write(self, clips: Sequence[Clip], extraction: Extraction) -> None:
        """Make the report say what was found in `clips`.

        Raises:
            UserError: it cannot be written.
        """
        try:
            if not extraction.unusable:
                self.report.unlink(missing_ok=True)
                return
            with replace_file(self.report) as written, written.open("w", newline="") as file:
                table = csv.writer(file)
                table.writerow(("clip", "file", "reason"))
                table.writerows(
                    (clip.name, clip.location, extraction.unusable[clip.name])
                    for clip in clips
                    if clip.name in extraction.unusable
                )
        except OSError as error:
            raise describe_store_error(error, self.report.parent) from None

    def refuse_too_many(self, extraction: Extraction, n_clips: int) -> None:
        """Go on only with enough of the clips.

        Raises:
            CorpusError: more of them are bad than may be, or all.
        """
        n_bad = len(extraction.unusable)
        if n_bad <= self.most(n_clips) and extraction.facts:
            return
        reason, _ = Counter(extraction.unusable.values()).most_common(1)[0]
        too_many = (
            f"{n_bad:,} of the first {extraction.n_clips:,} of {n_clips:,} clips cannot be used, more than "
            f"{self.max_bad:g} % of all (--max-bad)"
        )
        found = too_many if n_bad > self.most(n_clips) else f"none of {n_clips:,} clips can be used"
        raise CorpusError(f"{found}; {self.report} lists them; the commonest reason: {reason}")
