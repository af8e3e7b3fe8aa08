"""Quarantine of unusable clips: their report, and the limit on their number.

A clip is unusable if its sound cannot be read, or features cannot be computed from it. A silent clip is usable: its
features are stored, and a sweep excludes it as a known fault of its corpus.
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
    """Report of unusable clips, and limit on their number.

    Attributes:
        report: CSV file that lists them; it exists only while there are any.
        max_bad: largest accepted share of unusable clips, in percent.
    """

    report: Path
    max_bad: float

    @classmethod
    def beside(cls, store: FeatureStore, corpus: str, max_bad: float) -> "Quarantine":
        """Quarantine with a report for this corpus beside the feature store."""
        return cls(store.root.parent / f"quarantine-{corpus}.csv", max_bad)

    def limit(self, n_clips: int) -> float:
        """Largest accepted number of unusable clips out of `n_clips`."""
        return n_clips * self.max_bad / 100

    def write(self, clips: Sequence[Clip], extraction: Extraction) -> None:
        """Write the report of an extraction, or remove it if all clips are usable.

        Raises:
            UserError: it cannot be written.
        """
        try:
            if not extraction.unusable:
                self.report.unlink(missing_ok=True)
                return
            with replace_file(self.report) as temporary, temporary.open("w", newline="") as file:
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
        """Check that enough of the clips can be used.

        Raises:
            CorpusError: more clips are unusable than `max_bad` allows, or all.
        """
        n_bad = len(extraction.unusable)
        if n_bad <= self.limit(n_clips) and extraction.facts:
            return
        reason, _ = Counter(extraction.unusable.values()).most_common(1)[0]
        too_many = (
            f"{n_bad:,} of the first {extraction.n_clips:,} of {n_clips:,} clips cannot be used, more than "
            f"{self.max_bad:g} % of all (--max-bad)"
        )
        found = too_many if n_bad > self.limit(n_clips) else f"none of {n_clips:,} clips can be used"
        raise CorpusError(f"{found}; {self.report} lists them; the most frequent reason: {reason}")
