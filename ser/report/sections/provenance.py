"""Section on provenance: commands, versions and digests."""

from datetime import UTC, datetime

from ser.redaction import redact
from ser.report.content import Facts, Section
from ser.report.report_data import ReportData


def build_section(data: ReportData) -> Section:
    """Build a list of the facts needed to reproduce the sweep."""
    facts = data.record.facts
    pairs = [
        ("Sweep", f"{data.record.name} (id {facts.sweep_id})"),
        ("Command of the sweep", redact(facts.command)),
        ("Command of this report", redact(data.command)),
        ("Commit of ser", facts.git_commit),
        (
            "Versions",
            ", ".join(f"{name} {version}" for name, version in facts.versions.items()) or "not in the journal",
        ),
        ("Corpus digest", facts.corpus_digest),
        ("Split digest", facts.split_digest),
        ("Tracker", redact(facts.tracking_uri)),
        ("Ended", _describe_end(data)),
    ]
    return Section(
        "provenance", "Provenance", "Commands, versions and digests to reproduce this report.", (Facts(tuple(pairs)),)
    )


def _describe_end(data: ReportData) -> str:
    closed = data.record.closed
    if closed is None:
        return "not yet: the sweep is running or was interrupted"
    return f"{datetime.fromtimestamp(closed.time_s, UTC):%Y-%m-%d %H:%M} UTC, {closed.outcome}"
