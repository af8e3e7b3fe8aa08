"""Arguments of `run_sweep.py` and the request made of them."""

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from ser.commands.exit_codes import REFUSED
from ser.commands.sweep_request import SweepRequest, parse_seconds
from ser.corpora.download.cremad import OFFICIAL
from ser.errors import UserError

TUNE = Path(__file__).resolve().parents[2] / "tune"
PLANS = TUNE / "plans"


def parsed(monkeypatch: pytest.MonkeyPatch, *words: str) -> SweepRequest:
    spec = importlib.util.spec_from_file_location("run_sweep_script", TUNE / "run_sweep.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, "argv", ["run_sweep.py", *words])
    return SweepRequest(command="test", plans=PLANS, **vars(script.parse_arguments()))


def test_nothing_given_is_nothing_changed(monkeypatch):
    request = parsed(monkeypatch)
    assert list(request.settings) == []
    defaults = SweepRequest(command="test", plans=PLANS)
    assert [f.name for f in fields(SweepRequest) if getattr(request, f.name) != getattr(defaults, f.name)] == [
        "settings"
    ]


def test_options_and_settings_may_be_mixed(monkeypatch):
    options = ["--plan", "demo", "--cells", "lenet5-1d,vgg16-2d", "--trials-per-cell", "3", "--max-epochs", "7"]
    options += ["--search", "global", "--seed", "5", "--time-budget", "30m", "--corpus-dir", "x", "--dry-run"]
    first, second, third = "training.lr=0.001", "model.dropout=0.2", "split.fold=2"
    request = parsed(monkeypatch, first, *options[:4], second, *options[4:], "--register", "champion", third)
    assert list(request.settings) == [first, second, third]
    assert (request.trials_per_cell, request.max_epochs, request.seed) == (3, 7, 5)
    assert (request.search, request.register, request.time_budget) == ("global", "champion", "30m")
    assert (request.dry_run, request.corpus_dir) == (True, "x")


def test_a_download_is_from_github_or_from_elsewhere(monkeypatch):
    assert parsed(monkeypatch, "--download", "training.lr=0.001").download_from == OFFICIAL
    assert parsed(monkeypatch, "--download-from", "http://a,http://b").download_from == "http://a,http://b"
    assert parsed(monkeypatch, "--corpus-dir", "s3://bucket/cremad").corpus_dir == "s3://bucket/cremad"


@pytest.mark.parametrize("words", [["--trials-per-cell", "many"], ["--max-bad", "101"], ["--epochs", "3"]])
def test_what_the_parser_does_not_know_ends_with_code_2(monkeypatch, capsys, words):
    with pytest.raises(SystemExit) as ended:
        parsed(monkeypatch, *words)
    assert ended.value.code == REFUSED
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("90s", 90.0), ("30m", 1800.0), ("1.5h", 5400.0), ("0.5s", 0.5)])
def test_a_time_budget_is_read_with_its_unit(text, value):
    assert parse_seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "30", "m", "30 m", "-5m", "0m", "1.2.3h", "1e3s", "²m", "infh", "nans", "5d", ".s"]
)
def test_any_other_time_budget_is_refused(text):
    with pytest.raises(UserError, match="--time-budget must be a number with s, m or h, as in 30m, got"):
        parse_seconds(text)
