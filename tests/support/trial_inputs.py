"""The data of trials without Ray: what a sweep shares with its trials, made in this process."""

from pathlib import Path

from ser.audio import decode, digest_of, facts
from ser.corpora.base import CORPORA
from ser.corpora.faults import known_faults
from ser.corpora.locations import read_bytes
from ser.experiment.experiment import Experiment
from ser.experiment.trial_data import TrialData
from ser.features.dataset import join
from ser.features.pipeline import Pipeline


def trial_data(experiment: Experiment, corpus_dir: Path) -> TrialData:
    """The clips in `corpus_dir` in the feature space of `experiment`."""
    corpus = CORPORA[experiment.corpus.name]
    clips = corpus().scan(corpus_dir).clips
    audio = {clip.name: read_bytes(clip.location) for clip in clips}
    waves = {name: decode(data) for name, data in audio.items()}
    found = {name: facts(wave, digest=digest_of(audio[name])) for name, wave in waves.items()}
    if experiment.corpus.known_faults == "drop":
        faulty = known_faults(clips, found)
        clips = tuple(clip for clip in clips if clip.name not in faulty)
    pipeline, space = Pipeline(), f"{experiment.cell.dimensions}d"
    return TrialData(
        matrix=join([pipeline.compute(waves[clip.name])[space] for clip in clips]),
        clips=clips,
        facts=tuple(found[clip.name] for clip in clips),
        emotions=corpus.emotions,
    )
