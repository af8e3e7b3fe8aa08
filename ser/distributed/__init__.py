"""All code that uses Ray. Sets the environment variables that Ray reads when it is imported."""

import os
from pathlib import Path

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Tune must not limit the number of trials that start at once, because `SweepSearch` limits it to the free resources.
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

# `ray start` requires a token as soon as one exists, but a driver process sends it only in this mode.
if (
    any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    or (Path.home() / ".ray" / "auth_token").exists()
):
    os.environ.setdefault("RAY_AUTH_MODE", "token")
