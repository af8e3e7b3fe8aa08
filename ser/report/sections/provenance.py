"""Where the figures come from: commands, versions, digests."""

from datetime import UTC, datetime

from ser.redaction import shown
from ser.report.content import Facts, Section
from ser.report.report_data import Study


def section(study: Study) -> Section:
    """What it takes to make it again."""
    facts = study.record.facts
    versions: dict[str, str] = facts.get("versions", {})
    pairs = [
        ("Sweep", f"{study.record.name} (id {facts['sweep_id']})"),
        ("Command of the sweep", shown(str(facts.get("ser.command", "unknown")))),
        ("Command of this report", shown(study.command)),
        ("Commit of ser", str(facts.get("ser.git_commit", "unknown"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or "not in the journal"),
        ("Corpus digest", str(facts["corpus_digest"])),
        ("Split digest", str(facts["split_digest"])),
        ("Tracker", shown(str(facts.get("tracking_uri", "unknown")))),
        ("Ended", _ended(study)),
    ]
    return Section("origin", "Origin", "What it takes to make this again.", (Facts(tuple(pairs)),))


def _ended(study: Study) -> str:
    closed = study.record.closed
    if closed is None:
        return "not yet: the sweep is under way, or was cut off"
    return f"{datetime.fromtimestamp(closed.time_s, UTC):%Y-%m-%d %H:%M} UTC, {closed.outcome}"
