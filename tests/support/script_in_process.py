"""Scripts of `tune/` in the process of the tests, which has their libraries loaded already: seconds less for each."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from tests.support.command_runner import FROM_OUTSIDE, Finished

RunHere = Callable[..., Finished]


def script_runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs a script to its end in a folder; it must not start Ray."""

    def run_here(script: Path, *words: object, folder: Path) -> Finished:
        for variable in FROM_OUTSIDE:
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
        assert not ray.is_initialized()
        return Finished(ended.value.code, *capsys.readouterr())  # type: ignore[arg-type]

    return run_here
