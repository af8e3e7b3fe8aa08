"""Data of trials in Ray's object store, where every worker reads it without a copy."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import ray
from rich.console import Console

from ser.corpora.cremad_tables import read_vote_shares
from ser.distributed.extraction import RayExtractor
from ser.distributed.tasks import get_result
from ser.experiment.experiment import Experiment
from ser.experiment.preparation import PreparedCorpus, build_pipeline, extract_features
from ser.experiment.trial_data import TrialData, load_trial_data
from ser.features.spaces import name_stored_features


def _load_and_count(dimensions: int, **given: Any) -> tuple[TrialData, int]:
    """Load the data; its number of clips is a small second result, on which the driver process can wait."""
    data = load_trial_data(dimensions, **given)
    return data, len(data.clips)


# Needs no core: when a machine is lost with its copy, this must run again while trials hold every core and wait.
_load: Any = ray.remote(num_cpus=0, num_returns=2, max_retries=-1)(_load_and_count)


def share_trial_data(
    prepared: PreparedCorpus, experiments: Iterable[Experiment], console: Console
) -> dict[str, ray.ObjectRef[TrialData]]:
    """Put the data of trials into Ray's object store.

    Features that a variant of an ablation needs and that are not in the store yet are computed first.

    Args:
        prepared: clips of the sweep.
        experiments: experiments of all trials.
        console: for progress.

    Returns:
        References to the data, by `name_stored_features` of the feature space.

    Raises:
        CorpusError: listeners' votes are needed, but missing.
        UserError: features have been deleted since they were extracted.
    """
    experiments = list(experiments)
    by_space = {name_stored_features(experiment.features): experiment for experiment in experiments}
    needs_votes = any(experiment.training.vote_share for experiment in experiments)
    votes = read_vote_shares(prepared.choice, prepared.folder, prepared.clips) if needs_votes else None
    load = partial(
        _load.remote,
        clips=prepared.clips,
        digests=prepared.digests,
        duplicates=prepared.duplicates,
        emotions=prepared.emotions,
        store=prepared.store,
        votes=votes,
    )
    loading: dict[str, tuple[ray.ObjectRef[TrialData], ray.ObjectRef[int]]] = {}
    for name, experiment in by_space.items():
        pipeline = prepared.pipeline
        if name not in (name_stored_features(pipeline.frame_space), name_stored_features(pipeline.mel_space)):
            pipeline = build_pipeline([experiment])
            extract_features(
                prepared.clips,
                prepared.store,
                pipeline,
                extractor=RayExtractor(),
                quarantine=None,
                whole=True,
                console=console,
            )
        loading[name] = load(experiment.cell.dimensions, pipeline=pipeline)
    for _, n_clips in loading.values():
        get_result(n_clips)
    return {name: data for name, (data, _) in loading.items()}
