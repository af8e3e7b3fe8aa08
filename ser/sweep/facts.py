"""Facts of a sweep, fixed when a driver process starts or resumes it: corpus, split, code, command and machine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ser.errors import UserError
from ser.experiment.preparation import PreparedCorpus
from ser.features.spaces import FrameSpace, MelSpace
from ser.splits.manifests import load_manifests
from ser.splits.partition import Partition
from ser.sweep.plan import Plan

# In the journal these carry the names of their tags.
_TAGGED = {"command": "ser.command", "git_commit": "ser.git_commit", "driver": "ser.driver"}


@dataclass(frozen=True, kw_only=True)
class SweepFacts:
    """Typed content of `Started.facts`; a fact that an earlier version did not record has its default.

    Attributes:
        sweep_id: distinguishes the sweep from others of the same name.
        command: command line of the driver process.
        git_commit: commit of `ser`.
        driver: the driver process, as `user@host pid 123`.
        versions: version of Python and of each package that results depend on.
        tracking_uri: URI of the tracker.
        corpus: name of the corpus.
        corpus_dir: its folder or URL.
        corpus_digest: digest of all names and bytes.
        split_digest: digest of which clip is in which part.
        split_manifest: name and version of the split.
        n_clips: clips that are used.
        n_speakers: their speakers.
        n_train: training clips.
        n_validation: validation clips.
        n_test: test clips.
        emotions: names of the classes, in the order of their labels.
        features_versions: version of each feature space, which changes with its definition.
    """

    sweep_id: str = ""
    command: str = "unknown"
    git_commit: str = "unknown"
    driver: str = "an unknown driver"
    versions: Mapping[str, str] = field(default_factory=dict)
    tracking_uri: str = ""
    corpus: str = ""
    corpus_dir: str = ""
    corpus_digest: str = ""
    split_digest: str = ""
    split_manifest: str = ""
    n_clips: int = 0
    n_speakers: int = 0
    n_train: int = 0
    n_validation: int = 0
    n_test: int = 0
    emotions: tuple[str, ...] = ()
    # Journals without this fact were written with version 2.
    features_versions: Mapping[str, int] = field(default_factory=lambda: {"1d": 2, "2d": 2})

    def as_dict(self) -> dict[str, Any]:
        """Facts in the form of the journal; `read_facts` reads them back."""
        values = {_TAGGED.get(name, name): value for name, value in asdict(self).items()}
        return {**values, "emotions": list(self.emotions)}


def read_facts(values: Mapping[str, Any]) -> SweepFacts:
    """Read the facts of a `Started` event; keys that this version does not know are ignored."""
    names = {_TAGGED.get(f.name, f.name): f.name for f in fields(SweepFacts)}
    known = {names[key]: value for key, value in values.items() if key in names}
    return SweepFacts(**{**known, "emotions": tuple(known.get("emotions", ()))})


def describe_corpus(prepared: PreparedCorpus, parts: Partition) -> dict[str, Any]:
    """Fields of `SweepFacts` that describe the corpus and its split.

    Args:
        prepared: clips of the sweep.
        parts: their training, validation and test part.
    """
    return {
        "corpus": prepared.choice.name,
        "corpus_dir": prepared.folder,
        "corpus_digest": prepared.digest,
        "split_digest": parts.digest,
        "split_manifest": str(load_manifests()[parts.name]),
        "n_clips": len(prepared.clips),
        "n_speakers": len({clip.speaker for clip in prepared.clips}),
        "n_train": len(parts.train),
        "n_validation": len(parts.validation),
        "n_test": len(parts.test),
        "emotions": prepared.emotions,
        "features_versions": {"1d": FrameSpace.version, "2d": MelSpace.version},
    }


def refuse_other_features(sweep: str, facts: SweepFacts, plan: Plan) -> None:
    """Refuse to resume a sweep after the definition of its features has changed.

    Args:
        sweep: name of the sweep.
        facts: facts from its journal.
        plan: plan from its journal.

    Raises:
        UserError: a feature space of the plan has another version than when the sweep began.
    """
    for cell, experiment in plan.experiments.items():
        space = experiment.features
        before = facts.features_versions[f"{space.dimensions}d"]
        if before != space.version:
            raise UserError(
                f"sweep '{sweep}' trains {cell} on version {before} of the {space.dimensions}-D features, this is "
                f"version {space.version}",
                f"resume it with the code that it began with (commit {facts.git_commit}), or start a new sweep",
            )


def refuse_other_clips(sweep: str, before: SweepFacts, prepared: PreparedCorpus, parts: Partition) -> None:
    """Refuse to resume a sweep on other clips than it began with.

    Args:
        sweep: name of the sweep.
        before: facts from its journal.
        prepared: clips that were found now.
        parts: their training, validation and test part.

    Raises:
        UserError: clips, their bytes or the split have changed.
    """
    if (before.corpus_digest, before.split_digest) != (prepared.digest, parts.digest):
        raise UserError(
            f"{prepared.folder} does not hold the {before.n_clips:,} clips that sweep '{sweep}' began with, but "
            f"{len(prepared.clips):,} that can be used",
            "give their folder with --corpus-dir; if this is their folder, its files have changed, or another version "
            "of ser selected other clips: start a new sweep",
        )
