"""One recording under two names, in the real corpus: excluded by default, and refused where a split separates them."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ser.commands.sweep_corpus import prepare_sweep_corpus
from ser.corpora.cremad import CremaD
from ser.distributed.cluster import connect
from ser.distributed.shared_trial_data import share_trial_data
from ser.errors import UserError
from ser.features.spaces import name_stored_features
from ser.splits.split import Split, partition
from ser.sweep.plan import Plan

pytestmark = pytest.mark.integration

PAIR = ("1045_ITH_DIS_XX", "1045_IWL_DIS_XX")


def test_a_duplicate_is_excluded_or_refused(shared_dir: Path, tmp_path: Path) -> None:
    clips = tuple(clip for clip in CremaD().scan(shared_dir / "cremad").clips if clip.speaker == "1045")

    def crosses(seed: int) -> bool:
        cut = partition(clips, Split(seed=seed))
        return len({part for part, at in cut.parts.items() if {clips[n].name for n in at} & set(PAIR)}) == 2

    seed = next(seed for seed in range(100) if crosses(seed))
    plans = [
        Plan(cells=("lenet5-2d",), settings={"split.seed": seed, "corpus.known_faults": faults})
        for faults in ("drop", "keep")
    ]
    out = io.StringIO()
    how: dict[str, Any] = {
        "corpus_dir": shared_dir / "cremad",
        "home": tmp_path,
        "max_bad": 0.0,
        "console": Console(file=out, width=200),
    }
    with connect(None):
        prepared, _ = prepare_sweep_corpus(plans[0], clips, **how)
        assert {clip.name for clip in clips} - {clip.name for clip in prepared.clips} == {PAIR[1]}
        assert f"{PAIR[1]}: the same recording as {PAIR[0]} (disgust), labelled disgust" in out.getvalue()
        (experiment,) = plans[0].experiments.values()
        assert list(share_trial_data(prepared, [experiment], how["console"])) == [
            name_stored_features(experiment.features)
        ]
        with pytest.raises(
            UserError, match=r"assignment leaks: 1045_I\w+ in \w+ and 1045_I\w+ in \w+ are the same recording"
        ):
            prepare_sweep_corpus(plans[1], clips, **how)
