"""Names of the MLflow tags that are set and read here. They are stored with every run: a changed one loses old runs."""

SWEEP = "ser.sweep"
"""Name of the sweep."""

SWEEP_ID = "ser.sweep_id"
"""Random id of the sweep: distinguishes sweeps of one name."""

TRIAL = "ser.trial"
"""Key of the trial as text; 'parent' on the sweep's parent run."""

CELL = "ser.cell"
"""Architecture and dimensionality, such as sercnn-2d."""

STAGE = "ser.stage"
"""Stage of the trial: search, ablation or final evaluation."""

VARIANT = "ser.variant"
"""Name of the variant that a trial of an ablation trains."""

VARIANTS = "ser.variants"
"""Variants of an ablation, on its parent run, separated by commas."""

SPLIT = "ser.split"
"""Name of the split."""

SPLIT_DIGEST = "ser.split_digest"
"""Digest of the parts of the split."""

SPLIT_MANIFEST = "ser.split_manifest"
"""Digest of the manifest that defines the split."""

FOLD = "ser.fold"
"""Number of the fold of the split."""

SEED = "ser.seed"
"""Random seed of the training."""

CORPUS_DIGEST = "ser.corpus_digest"
"""Digest of the bytes of all clips."""

FEATURES_VERSION = "ser.features_version"
"""Version of the feature space that the trial was trained on; missing before version 3."""

OUTCOME = "ser.outcome"
"""Outcome of the trial or the sweep."""

REASON = "ser.reason"
"""Reason of the outcome, in words."""

BEST_OF_CELL = "ser.best_of_cell"
"""'true' on the best completed trial of a cell, 'false' on its other completed trials."""

DRIVER = "ser.driver"
"""Driver process that ran the sweep last, on its parent run."""

COMMAND = "ser.command"
"""Command line of the sweep, without secrets, on its parent run."""

GIT_COMMIT = "ser.git_commit"
"""Commit of the code, on the parent run and on a registered version."""

FINAL_SEEDS = "ser.final_seeds"
"""Number of seeds of the final evaluation, on the parent run; may change when the sweep is resumed."""

FINAL_FOLDS = "ser.final_folds"
"""Number of folds of the final evaluation, on the parent run; may change when the sweep is resumed."""

FINAL_SPLITS = "ser.final_splits"
"""Splits of the final evaluation, on the parent run, separated by commas; may change when the sweep is resumed."""

REPEATS = "ser.repeats"
"""Id of the run that this run repeats."""

CHAMPION_BEFORE = "ser.champion_before"
"""Number of the version that was champion before this version."""

ROLLED_BACK = "ser.rolled_back"
"""Time at which this version was champion and was rolled back."""

PARENT_RUN_ID = "mlflow.parentRunId"
"""Id of the parent run; MLflow's UI draws the run below it."""

DESCRIPTION = "mlflow.note.content"
"""Description of a run as Markdown, shown by MLflow's UI."""

DATASET_CONTEXT = "mlflow.data.context"
"""Use of a logged data set, a tag of the run's input."""
