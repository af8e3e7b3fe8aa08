"""The data of trials in Ray's object store, where every worker reads it without a copy."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import ray
from rich.console import Console

from ser.corpora.cremad_tables import vote_shares
from ser.distributed.extraction import RayExtractor
from ser.distributed.tasks import get_result
from ser.experiment.experiment import Experiment
from ser.experiment.preparation import PreparedCorpus, build_pipeline, extract_features
from ser.experiment.trial_data import TrialData, load_trial_data
from ser.features.spaces import stored_name


def _load_and_count(dimensions: int, **given: Any) -> tuple[TrialData, int]:
    """The data, and the number of its clips: a small result to wait for, which fails where the data does."""
    data = load_trial_data(dimensions, **given)
    return data, len(data.clips)


# No core: when a machine is lost with its copy, this runs again while trials hold every core and wait for it.
_load: Any = ray.remote(num_cpus=0, num_returns=2, max_retries=-1)(_load_and_count)


def share_trial_data(
    prepared: PreparedCorpus, experiments: Iterable[Experiment], console: Console
) -> dict[str, ray.ObjectRef[TrialData]]:
    """Put the data of trials into Ray's object store, by `stored_name` of the feature space.

    Features that a variant of an ablation needs and that are not in the store yet are computed first.

    Raises:
        CorpusError: listeners' votes are needed, and are not there.
        UserError: an entry has gone since the extraction.
    """
    listed = list(experiments)
    wants_votes = any(experiment.training.vote_share for experiment in listed)
    votes = vote_shares(prepared.choice, prepared.folder, prepared.clips) if wants_votes else None
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
    for name, experiment in {stored_name(experiment.features): experiment for experiment in listed}.items():
        pipeline = prepared.pipeline
        if name not in (stored_name(pipeline.frame_space), stored_name(pipeline.mel_space)):
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
