"""Sweeps and their tracker moved to another folder, which is named in them from then on."""

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

# Where MLflow keeps places of files.
_PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
    "datasets": "dataset_source",
}


def relocate(folder: Path, *, made_in: str) -> None:
    """Put `folder` for `made_in` in the journals and the tracker that were copied to it.

    Args:
        folder: has `.ser` and `mlflow.db`.
        made_in: the folder that they were made in, with a slash at its end.
    """
    for journal in folder.glob(".ser/sweeps/*/journal.jsonl"):
        _relocate_journal(journal, made_in, f"{folder}/")
    _relocate_tracker(folder / "mlflow.db", made_in, f"{folder}/")


def _relocate_journal(journal: Path, old: str, new: str) -> None:
    """The offset up to which it was sent is mended too."""
    marker = journal.with_name("journal.sent")
    sent = json.loads(marker.read_text())
    lines, offset = [], 0
    for line in journal.read_bytes().splitlines(keepends=True):
        offset += len(line)
        body = line.partition(b" ")[2].rstrip(b"\n").replace(old.encode(), new.encode())
        lines.append(b"%08x %b\n" % (zlib.crc32(body), body))
        if offset == sent["offset"]:
            moved = sum(map(len, lines))
    journal.write_bytes(b"".join(lines))
    marker.write_text(json.dumps({"uri": sent["uri"].replace(old, new), "offset": moved}))


def _relocate_tracker(database: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for table, column in _PLACES.items():
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))
        connection.commit()
        connection.execute("VACUUM")
    assert old.encode() not in database.read_bytes()
