"""Choice of the stored state from which a training resumes."""

from pathlib import Path

import torch

from ser.training.checkpoint import FILE_NAME, Progress, TrainingState, find_newest_state, save_state


def stored(folder: Path, epoch: int) -> Path:
    save_state(TrainingState({"w": torch.full((3,), float(epoch))}, progress=Progress(epoch=epoch)), folder)
    return folder


def test_a_state_ahead_of_what_was_reported_is_passed_over(tmp_path: Path) -> None:
    folders = [stored(tmp_path / str(epoch), epoch) for epoch in (7, 5, 3)]
    for last_epoch, expected in ((9, 7), (7, 7), (6, 5), (4, 3)):
        state = find_newest_state(folders, last_epoch=last_epoch)
        assert state is not None
        assert state.progress.epoch == expected
        assert state.weights["w"][0] == expected
    assert find_newest_state(folders, last_epoch=2) is None


def test_a_torn_state_and_a_folder_without_one_are_passed_over(tmp_path: Path) -> None:
    torn, empty, whole = stored(tmp_path / "torn", 5), tmp_path / "empty", stored(tmp_path / "whole", 4)
    empty.mkdir()
    content = (torn / FILE_NAME).read_bytes()
    (torn / FILE_NAME).write_bytes(content[: len(content) // 2])
    state = find_newest_state([torn, empty, whole], last_epoch=5)
    assert state is not None
    assert state.progress.epoch == 4
    assert find_newest_state([torn, empty], last_epoch=5) is None
