"""The data of trials in Ray's object store, where every worker reads it."""

from collections.abc import Iterable
from typing import cast

import numpy as np
import ray
from numpy.typing import NDArray
from rich.console import Console

from ser.corpora.cremad_tables import vote_shares
from ser.distributed.feature_loading import load_data
from ser.distributed.preparation import Prepared, extract_all, pipeline_of
from ser.distributed.tasks import get
from ser.experiment.experiment import Experiment
from ser.experiment.trial import TrialData
from ser.features.spaces import stored_name


def share(
    prepared: Prepared, experiments: Iterable[Experiment], console: Console
) -> dict[str, ray.ObjectRef[TrialData]]:
    """The data of trials in Ray's object store, by `stored_name` of the feature space.

    Features that a variant of an ablation needs and that are not in the store yet are computed first.

    Raises:
        CorpusError: listeners' votes are needed, and are not there.
        UserError: an entry has gone since the extraction.
    """
    listed = list(experiments)
    wanted = any(experiment.training.vote_share for experiment in listed)
    votes = vote_shares(prepared.choice, prepared.folder, prepared.clips) if wanted else None
    loading = {
        name: _loading(prepared, experiment, votes, console)
        for name, experiment in {stored_name(experiment.features): experiment for experiment in listed}.items()
    }
    for _, n_clips in loading.values():
        get(n_clips)
    return {name: data for name, (data, _) in loading.items()}


def _loading(
    prepared: Prepared, experiment: Experiment, votes: NDArray[np.float32] | None, console: Console
) -> "tuple[ray.ObjectRef[TrialData], ray.ObjectRef[int]]":
    name, pipeline = stored_name(experiment.features), prepared.pipeline
    if name not in (stored_name(pipeline.frame_space), stored_name(pipeline.mel_space)):
        pipeline = pipeline_of({"": experiment})
        extract_all(prepared.clips, prepared.store, pipeline, console, quarantine=None, whole=True)
    return cast(
        "tuple[ray.ObjectRef[TrialData], ray.ObjectRef[int]]",
        load_data.remote(
            experiment.cell.dimensions,
            prepared.clips,
            prepared.digests,
            prepared.twins,
            prepared.emotions,
            prepared.store,
            pipeline,
            votes,
        ),
    )
