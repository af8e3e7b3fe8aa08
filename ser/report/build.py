"""A sweep's journal and what lies beside it, made into a report."""

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
    leaderboard.section,
    speaker_dependence.section,
    paired_tests.section,
    confusions.section,
    slices.section,
    robustness.section,
    costs.section,
    curves.section,
    search.section,
    calibration.section,
    protocol.section,
    provenance.section,
)


def build_report(journal: Path, *, command: str, n_resamples: int = N_RESAMPLES) -> Report:
    """The report of the sweep at `journal`.

    Args:
        journal: path of its journal.
        command: that makes the report, for its last section.
        n_resamples: of every interval and test.

    Raises:
        UserError: no completed trial has predictions that can be read.
        JournalError: the journal is damaged.
    """
    study = read_report_data(journal, n_resamples=n_resamples, command=command)
    if study.record.plan.is_ablation:
        return _ablation_report(study)
    if not study.boards:
        raise UserError(
            f"the sweep of {journal} has no completed trial whose predictions can be read: let one complete, "
            "then make the report"
        )
    return Report(
        title=f"{study.record.name}: {len(study.cells)} networks on {study.record.facts.corpus}",
        subtitle=_subtitle(study),
        facts=_facts(study),
        sections=tuple(section(study) for section in _SECTIONS),
    )


def _ablation_report(study: ReportData) -> Report:
    section = ablation.section(study)
    if not any(isinstance(block, Table) for block in section.blocks):
        raise UserError(
            f"no variant of the ablation {study.record.name} has been trained on every fold yet: let it go on, then "
            "make the report"
        )
    n_trainings = sum(trial.outcome == "completed" for trial in study.record.ablation_trials())
    facts = study.record.facts
    pairs = [("clips", f"{facts.n_clips:,}"), ("speakers", f"{facts.n_speakers:,}")]
    pairs += [("variants", str(len(study.record.plan.variants))), ("trainings", f"{n_trainings:,}")]
    return Report(
        title=f"{study.record.name}: ablation of {', '.join(study.cells)} on {facts.corpus}",
        subtitle=_subtitle(study),
        facts=Facts(tuple(pairs)),
        sections=(section, provenance.section(study)),
    )


def _subtitle(study: ReportData) -> str:
    if study.record.facts.corpus == "synthetic":
        return "Speech emotion recognition on made-up voices: figures say that everything works, nothing about emotion."
    return "Speech emotion recognition: which network hears emotion best?"


def _facts(study: ReportData) -> Facts:
    facts = study.record.facts
    n_runs = sum(trial.outcome == "completed" for trial in study.record.trials.values())
    return Facts(
        (
            ("clips", f"{facts.n_clips:,}"),
            ("speakers", f"{facts.n_speakers:,}"),
            ("networks", str(len(study.cells))),
            ("emotions", str(len(study.emotions))),
            ("split", study.boards[0].split),
            ("completed runs", f"{n_runs:,}"),
        )
    )
