"""What the trials of a journal reported, epoch by epoch: a `SweepState` keeps only the best and the last."""

from pathlib import Path

from ser.sweep.journal import Reported, TrialKey, read_events
from ser.sweep.state import SweepState


def reports_of(path: Path) -> dict[TrialKey, dict[int, Reported]]:
    """The reports of each trial that was asked for, by epoch."""
    record = SweepState()
    reports: dict[TrialKey, dict[int, Reported]] = {}
    for _, event in read_events(path):
        record.apply(event)
        if isinstance(event, Reported):
            epochs = reports[record.trial(event).key]
            assert event.epoch not in epochs, f"{record.trial(event).key} reported epoch {event.epoch} twice"
            epochs[event.epoch] = event
        for key in record.trials.keys() - reports.keys():
            reports[key] = {}
    return reports
