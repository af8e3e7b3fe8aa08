"""A sweep that is to run elsewhere: the words that are sent, and what is refused before anything is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ser.commands.exit_codes import REFUSED
from ser.commands.job_submission import command_words, refuse_temporary_places
from ser.commands.main import run_command
from ser.commands.run_sweep import run_sweep
from ser.commands.sweep_request import SweepRequest
from ser.corpora.download.cremad import OFFICIAL
from ser.distributed.cluster import resolve_job_server
from ser.paths import DEFAULT_HOME, default_corpus_dir

PLANS = Path(__file__).resolve().parents[2] / "tune" / "plans"
SERVER = "http://127.0.0.1:9"  # nobody is asked there


def exit_code(request: SweepRequest) -> int:
    """Exit code of the command for a request."""
    with pytest.raises(SystemExit) as ended:
        run_command(lambda console: run_sweep(request, console), stopped="Stopped.")
    return int(ended.value.code or 0)


def request_of(**given: Any) -> SweepRequest:
    return SweepRequest(command="test", plans=PLANS, **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        ({"home": DEFAULT_HOME, "dry_run": True}, ["--dry-run"]),
        ({"plan": "demo", "name": "mine", "max_epochs": 3}, ["--plan=demo", "--max-epochs=3", "--name=mine"]),
        ({"plan": "/here/plans/mine.toml", "seed": 0}, ["--plan=mine.toml", "--seed=0"]),
        ({"resume": "mine", "home": Path("/shared/ser")}, ["--resume=mine", "--home=/shared/ser"]),
        ({"corpus_dir": "s3://bucket/cremad", "max_bad": 2.5}, ["--corpus-dir=s3://bucket/cremad", "--max-bad=2.5"]),
        ({"download_from": OFFICIAL}, [f"--download-from={OFFICIAL}"]),
        ({"ray_address": SERVER, "settings": ["training.lr=0.001"]}, [f"--ray-address={SERVER}", "training.lr=0.001"]),
    ],
    ids=str,
)
def test_the_words_say_what_was_given(given: dict[str, Any], words: list[str]) -> None:
    assert command_words(request_of(**given)) == words


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (
            {"home": Path(".ser")},
            "--home of a submitted sweep must be an absolute path or a URL on the cluster, got '.ser'",
        ),
        (
            {"corpus_dir": "data/cremad"},
            "got 'data/cremad': correct it, or omit it and set SER_DATA where the cluster's head starts",
        ),
        (
            {"tracking_uri": "sqlite:////tmp/mlflow.db"},
            "must be the address of an MLflow server that the cluster reaches, got 'sqlite:////tmp/mlflow.db'",
        ),
        ({"tracking_uri": "http://me:s3cret@host"}, "must hold no password, which Ray's dashboard would show"),
        ({"plan": "quik"}, "unknown plan 'quik': did you mean 'quick'?"),
        ({"settings": ["training.rl=1"]}, "unknown setting 'training.rl': did you mean 'training.lr'?"),
        ({"name": "my sweep"}, "a sweep's name must consist of letters, digits, '.', '_' and '-', got 'my sweep'"),
        ({"time_budget": "soon"}, "--time-budget must be a number with s, m or h"),
        ({"resume": "mine", "seed": 0}, "omit --seed"),
        ({"final_seeds": 1, "folds": "2"}, "final_folds (--folds) must be below 1"),
        ({"dry_run": True, "cells": "lenet-1d"}, "unknown cell 'lenet-1d': did you mean 'lenet5-1d'?"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    given: dict[str, Any], rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(request_of(ray_address=SERVER, **given)) == REFUSED
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("error: ")
    assert rule in line
    assert "s3cret" not in line


def test_places_that_stay_are_taken() -> None:
    refuse_temporary_places(home=None, corpus_dir=None, tracking_uri=None)
    for place in ("/data/cremad", "s3://bucket/cremad"):
        refuse_temporary_places(home=Path("/shared/ser"), corpus_dir=place, tracking_uri="https://tracker")


def test_a_job_without_lasting_places_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a cluster whose head was started without them."""
    monkeypatch.setenv("SER_SUBMITTED", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("SER_DATA", str(tmp_path))
    for home, variable in ((Path(".ser"), "SER_HOME"), (tmp_path, "MLFLOW_TRACKING_URI")):
        assert exit_code(request_of(ray_address=SERVER, home=home)) == REFUSED
        assert f"set {variable} where the cluster's head starts" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["http://head:8265", "https://head", None])
def test_a_job_server_is_known_by_its_scheme(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://other:8265")
    assert resolve_job_server(address) == (address or "http://other:8265")
    for other in ("auto", "ray://head:10001", "10.0.0.1:6379"):
        assert resolve_job_server(other) is None


def test_places_have_one_default_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SER_DATA", raising=False)
    assert default_corpus_dir("cremad") == "data/cremad"
    monkeypatch.setenv("SER_DATA", "s3://bucket/corpora/")
    assert default_corpus_dir("tess") == "s3://bucket/corpora/tess"
    show = [sys.executable, "-c", "from ser.paths import DEFAULT_HOME; print(DEFAULT_HOME)"]
    for given, home in (("", ".ser"), ("/shared/ser", "/shared/ser")):
        shown = subprocess.run(show, env={"SER_HOME": given}, capture_output=True, text=True, check=True)
        assert shown.stdout == f"{home}\n"
