"""Exit codes of the commands, each declared once."""

FINISHED = 0
"""The command did everything: every planned trial ended, every cell has a result."""

NOT_MET = 1
"""The command ran, and the answer is no: a cell without a result, a problem found, a run that does not agree."""

REFUSED = 2
"""Refused with a one-line error that says why and what to do."""

UNSENT = 3
"""The tracker did not accept everything; `--resume` sends the rest."""

UNREGISTERED = 4
"""Everything was trained and sent, but the best models could not be registered."""

CLUSTER_LOST = 5
"""The cluster that the sweep runs on was lost; `--resume` follows it again, or resumes it."""

STOPPED = 130
"""Stopped by a signal; `--resume` resumes the sweep."""
