"""Extract the features of a corpus into the feature store; verify and prune the store on request."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ser.commands.corpus_acquisition import acquire_corpus
from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.commands.feature_pruning import prune
from ser.commands.feature_verification import verify_features
from ser.corpora.base import CorpusChoice
from ser.corpora.locations import Location
from ser.distributed.cluster import connect
from ser.distributed.extraction import RayExtractor
from ser.experiment.preparation import extract_features, find_clips
from ser.features.pipeline import Pipeline
from ser.features.quarantine import Quarantine
from ser.features.store import FeatureStore
from ser.paths import default_corpus_dir


@dataclass(frozen=True)
class ExtractionRequest:
    """The command line of `extract_features.py`; None is 'not given'."""

    corpus: str
    corpus_dir: Location | None
    download_from: str | None
    home: Path
    store: Path | None
    max_bad: float
    prune: bool
    verify: int | None
    ray_address: str | None


def run_extraction(request: ExtractionRequest, console: Console) -> int:
    """Find the clips and extract their features; verify and prune the store on request.

    Returns:
        Exit code, `NOT_MET` where features deviate from librosa's.

    Raises:
        UserError: corpus, feature store or Ray cannot be used.
    """
    folder = request.corpus_dir or default_corpus_dir(request.corpus)
    acquire_corpus(request.corpus, folder, download_from=request.download_from, console=console)
    choice, pipeline = CorpusChoice(name=request.corpus), Pipeline()
    store = FeatureStore((request.store or request.home / "features").resolve())
    clips = find_clips(choice, folder, console)
    with connect(request.ray_address):
        extract_features(
            clips,
            store,
            pipeline,
            extractor=RayExtractor(),
            quarantine=Quarantine.beside(store, choice.name, request.max_bad),
            whole=False,
            console=console,
        )
    if request.verify is not None:
        agrees = verify_features(clips, store, pipeline, n_clips=request.verify, console=console)
        if not agrees:
            return NOT_MET
    if request.prune:
        prune(store, request.home, pipeline, console)
    return FINISHED
