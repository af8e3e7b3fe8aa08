"""Report of a sweep, built from its journal and the predictions of its trials."""

from collections.abc import Callable
from pathlib import Path

from ser.errors import UserError
from ser.evaluation.bootstrap import N_RESAMPLES
from ser.report.content import Facts, Report, Section, Table
from ser.report.report_data import ReportData, read_report_data
from ser.report.sections import (
    ablation,
    calibration,
    confusions,
    costs,
    curves,
    leaderboard,
    paired_tests,
    protocol,
    provenance,
    robustness,
    search,
    slices,
    speaker_dependence,
)

_SECTIONS: tuple[Callable[[ReportData], Section], ...] = (
    leaderboard.build_section,
    speaker_dependence.build_section,
    paired_tests.build_section,
    confusions.build_section,
    slices.build_section,
    robustness.build_section,
    costs.build_section,
    curves.build_section,
    search.build_section,
    calibration.build_section,
    protocol.build_section,
    provenance.build_section,
)


def build_report(journal: Path, *, command: str, n_resamples: int = N_RESAMPLES) -> Report:
    """Build the report of a sweep.

    Args:
        journal: path of the journal.
        command: command line that makes the report, for its last section.
        n_resamples: resamples of every interval and test.

    Raises:
        UserError: no completed trial has predictions that can be read.
        JournalError: the journal is damaged.
    """
    data = read_report_data(journal, n_resamples=n_resamples, command=command)
    if data.record.plan.is_ablation:
        return _build_ablation_report(data)
    if not data.split_results:
        raise UserError(
            f"the sweep of {journal} has no completed trial whose predictions can be read",
            "make the report once a trial has completed",
        )
    return Report(
        title=f"{data.record.name}: {len(data.cells)} networks on {data.record.facts.corpus}",
        subtitle=_choose_subtitle(data),
        facts=_collect_facts(data),
        sections=tuple(section(data) for section in _SECTIONS),
    )


def _build_ablation_report(data: ReportData) -> Report:
    section = ablation.build_section(data)
    if not any(isinstance(block, Table) for block in section.blocks):
        raise UserError(
            f"no variant of the ablation {data.record.name} has been trained on every fold yet",
            "make the report once one has, or resume the sweep",
        )
    n_trainings = sum(trial.outcome == "completed" for trial in data.record.ablation_trials())
    facts = data.record.facts
    pairs = [("clips", f"{facts.n_clips:,}"), ("speakers", f"{facts.n_speakers:,}")]
    pairs += [("variants", str(len(data.record.plan.variants))), ("trainings", f"{n_trainings:,}")]
    return Report(
        title=f"{data.record.name}: ablation of {', '.join(data.cells)} on {facts.corpus}",
        subtitle=_choose_subtitle(data),
        facts=Facts(tuple(pairs)),
        sections=(section, provenance.build_section(data)),
    )


def _choose_subtitle(data: ReportData) -> str:
    if data.record.facts.corpus == "synthetic":
        return (
            "Speech emotion recognition on synthetic voices: a test of the software, without meaning for real speech."
        )
    return "Speech emotion recognition: which network recognises emotion best?"


def _collect_facts(data: ReportData) -> Facts:
    facts = data.record.facts
    n_runs = sum(trial.outcome == "completed" for trial in data.record.trials.values())
    return Facts(
        (
            ("clips", f"{facts.n_clips:,}"),
            ("speakers", f"{facts.n_speakers:,}"),
            ("networks", str(len(data.cells))),
            ("emotions", str(len(data.emotions))),
            ("split", data.split_results[0].split),
            ("completed runs", f"{n_runs:,}"),
        )
    )
