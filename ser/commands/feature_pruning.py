"""Removing from the feature store what no settings in use name."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ser.errors import UserError
from ser.experiment.preparation import build_pipeline
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.sweep.journal import JOURNAL
from ser.sweep.state import replay

# A sweep that begins says in the store what it needs before its journal names it: between them lie a calibration and
# at most a minute's silence.
_SPARED_S = 3600.0


def prune(store: FeatureStore, home: Path, pipeline: Pipeline, console: Console) -> None:
    """Remove the entries of all pipelines but `pipeline`, those of the sweeps in `home`, and any that is used now.

    Args:
        store: of features.
        home: of the sweeps.
        pipeline: of the command that asks.
        console: where to tell what went.

    Raises:
        UserError: the store cannot be written, or what a sweep needs is not known.
    """
    in_use = {pipeline.digest, *_of_sweeps(home)}
    n_entries = n_bytes = n_spared = 0
    for digest in store.pipelines():
        if digest in in_use:
            continue
        if store.unused_s(digest) < _SPARED_S:
            n_spared += 1
            continue
        sizes = [store.path(key).stat().st_size for key in store.keys(digest)]
        store.remove(digest)
        n_entries += len(sizes)
        n_bytes += sum(sizes)
    console.print(f"Removed {n_entries:,} entries, {n_bytes / 1e6:,.1f} MB, that no settings in use name")
    if n_spared:
        console.print(
            f"Left those of {n_spared} other settings, which a command has used within {_SPARED_S / 3600:g} h: "
            "it may need them still"
        )


def _of_sweeps(home: Path) -> Iterator[str]:
    """Digests of the pipelines that the sweeps of a home have used."""
    for journal in sorted((home / "sweeps").glob(f"*/{JOURNAL}")):
        try:
            state = replay(journal)
            if state.name:
                yield build_pipeline(state.plan.experiments.values()).digest
                yield from (build_pipeline([variant]).digest for variant in state.plan.variant_experiments.values())
        except (UserError, OSError) as error:
            raise UserError(
                f"nothing is pruned, because it is not known what sweep {journal.parent.name} needs ({error}): "
                f"mend its journal, or give the sweep up by removing {journal.parent}"
            ) from None
