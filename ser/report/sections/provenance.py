"""Where the figures come from: commands, versions, digests."""

from datetime import UTC, datetime

from ser.redaction import redact
from ser.report.content import Facts, Section
from ser.report.report_data import ReportData


def section(study: ReportData) -> Section:
    """What it takes to make it again."""
    facts = study.record.facts
    pairs = [
        ("Sweep", f"{study.record.name} (id {facts.sweep_id})"),
        ("Command of the sweep", redact(facts.command)),
        ("Command of this report", redact(study.command)),
        ("Commit of ser", facts.git_commit),
        (
            "Versions",
            ", ".join(f"{name} {version}" for name, version in facts.versions.items()) or "not in the journal",
        ),
        ("Corpus digest", facts.corpus_digest),
        ("Split digest", facts.split_digest),
        ("Tracker", redact(facts.tracking_uri)),
        ("Ended", _ended(study)),
    ]
    return Section("provenance", "Provenance", "What it takes to make this again.", (Facts(tuple(pairs)),))


def _ended(study: ReportData) -> str:
    closed = study.record.closed
    if closed is None:
        return "not yet: the sweep is under way, or was cut off"
    return f"{datetime.fromtimestamp(closed.time_s, UTC):%Y-%m-%d %H:%M} UTC, {closed.outcome}"
