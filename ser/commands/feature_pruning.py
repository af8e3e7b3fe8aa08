"""Pruning of the feature store: remove the entries of settings that are no longer in use."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ser.errors import UserError
from ser.experiment.preparation import build_pipeline
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.sweep.journal import JOURNAL
from ser.sweep.state import replay

# A new sweep marks its pipeline as used in the store before its journal names it. Between the two lie the measurement
# of step times and at most a minute without a mark.
_RECENTLY_USED_S = 3600.0


def prune(store: FeatureStore, home: Path, pipeline: Pipeline, console: Console) -> None:
    """Remove the entries of all pipelines except those in use.

    In use are `pipeline`, the pipelines of the sweeps in `home`, and any that a command has used within the last hour.

    Args:
        store: the feature store.
        home: folder whose sweeps keep their features.
        pipeline: the pipeline of the calling command.
        console: where to print the number of removed entries.

    Raises:
        UserError: the store cannot be written, or the pipelines of a sweep cannot be read from its journal.
    """
    in_use = {pipeline.digest, *_read_digests(home)}
    n_entries = n_bytes = n_recently_used = 0
    for digest in store.pipelines():
        if digest in in_use:
            continue
        if store.unused_s(digest) < _RECENTLY_USED_S:
            n_recently_used += 1
            continue
        sizes = [store.path(key).stat().st_size for key in store.keys(digest)]
        store.remove(digest)
        n_entries += len(sizes)
        n_bytes += sum(sizes)
    console.print(f"Removed {n_entries:,} entries, {n_bytes / 1e6:,.1f} MB, of settings that are not in use")
    if n_recently_used:
        console.print(
            f"Kept the entries of {n_recently_used} other settings: a command has used them within "
            f"{_RECENTLY_USED_S / 3600:g} h and may still need them"
        )


def _read_digests(home: Path) -> Iterator[str]:
    """Read the digests of the pipelines that the sweeps of a home folder use."""
    for journal in sorted((home / "sweeps").glob(f"*/{JOURNAL}")):
        try:
            state = replay(journal)
            if state.name:
                yield build_pipeline(state.plan.experiments.values()).digest
                yield from (build_pipeline([variant]).digest for variant in state.plan.variant_experiments.values())
        except (UserError, OSError) as error:
            reason = error.problem if isinstance(error, UserError) else error
            raise UserError(
                f"nothing is pruned: the features that sweep {journal.parent.name} needs are not known ({reason})",
                f"repair its journal, or abandon the sweep by removing {journal.parent}",
            ) from None
