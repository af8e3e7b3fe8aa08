"""Versions of a registered model and their aliases; a run has at most one version."""

from dataclasses import dataclass

from mlflow.entities import LoggedModel, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.errors import UserError
from ser.tracking import tags
from ser.tracking.models import find_model
from ser.tracking.registry.lock import GONE, TAKEN, lock_model
from ser.tracking.registry.model_card import write_model_card

_COPIED_TAGS = (tags.SWEEP, tags.CELL, tags.TRIAL, tags.SPLIT, tags.SPLIT_DIGEST, tags.CORPUS_DIGEST)


def registered_model_name(corpus: str) -> str:
    """Name of the registered model of a corpus."""
    return f"ser-{corpus}"


@dataclass(frozen=True)
class Versions:
    """Versions of one registered model.

    Attributes:
        client: of the tracker.
        name: of the registered model.
    """

    client: MlflowClient
    name: str

    def find_by_alias(self, alias: str) -> ModelVersion | None:
        """Find the version under an alias; None if there is none."""
        model = self._find_model()
        number = model.aliases.get(alias) if model else None
        return self.find_by_number(str(number)) if number else None

    def find_by_number(self, number: str) -> ModelVersion | None:
        """Find a version by its number; None if it was deleted."""
        try:
            return self.client.get_model_version(self.name, number)
        except MlflowException as error:
            if error.error_code != GONE:
                raise
            return None

    def point_alias(self, alias: str, version: ModelVersion) -> None:
        """Point an alias to a version."""
        self.client.set_registered_model_alias(self.name, alias, str(version.version))

    def read_run(self, run_id: str) -> Run:
        """Read a run by its id.

        Raises:
            UserError: there is no such run.
        """
        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise UserError(
                f"the tracker has no run '{run_id}' ({error.message})", "copy its id from MLflow's UI"
            ) from None

    def read_aliased_run(self, alias: str) -> Run:
        """Read the run of the version under an alias.

        Raises:
            UserError: there is no such alias, or its run was deleted.
        """
        version = self.find_by_alias(alias)
        if version is None:
            raise UserError(
                f"{self.name} has no version under the alias {alias}", "run a sweep, or name the run (--run ID)"
            )
        return self.read_run(str(version.run_id))

    def register_run(self, run: Run) -> ModelVersion:
        """Return the version of a run, which is created with tags, metrics and model card if there is none.

        Raises:
            UserError: the run has no model, or was trained on another corpus.
            PredictionsError: the run has no predictions, or another version wrote them.
        """
        corpus = run.data.params.get("corpus.name", "unknown")
        if registered_model_name(corpus) != self.name:
            raise UserError(
                f"run {run.info.run_id} was trained on the corpus {corpus}, {self.name} is of another",
                f"name another run, or promote this one by --corpus {corpus}",
            )
        version = self.find_by_run(run)
        if version is not None:
            return version
        model = find_model(self.client, run.info.experiment_id, run.info.run_id)
        if model is None:
            raise UserError(
                f"run {run.info.run_id} has no model, only completed trials of a search have one", "name one of those"
            )
        commit = _read_commit(self.client, run)
        card = write_model_card(self.client, run, model, name=self.name, commit=commit)
        copied = {name: run.data.tags[name] for name in _COPIED_TAGS if name in run.data.tags}
        metrics = _copy_metrics(self.client, run, model)
        with lock_model(self.client, self.name):
            self._ensure_model(run)
            version = self.find_by_run(run)
            if version is not None:
                return version
            # All of this may be repeated, so it needs no confirmation of the lock.
            self.client.log_batch(run.info.run_id, metrics=metrics)
            self._ensure_params(model, run)
            created = self.client.create_model_version(
                self.name,
                source=f"models:/{model.model_id}",
                run_id=run.info.run_id,
                model_id=model.model_id,
                tags={**copied, tags.GIT_COMMIT: commit},
                description=card,
            )
            return self._keep_first(run, created)

    def find_by_run(self, run: Run) -> ModelVersion | None:
        """Find the version of a run, the first if there are two for a moment; None if there is none."""
        found = self.client.search_model_versions(f"name = '{self.name}' and run_id = '{run.info.run_id}'")
        return min(found, key=lambda version: int(version.version), default=None)

    def _ensure_model(self, run: Run) -> None:
        if self._find_model() is None:
            description = f"Speech emotion recognition, trained on {run.data.params['corpus.name']}."
            try:
                self.client.create_registered_model(self.name, description=description)
            except MlflowException as error:
                if error.error_code != TAKEN:
                    raise

    def _ensure_params(self, model: LoggedModel, run: Run) -> None:
        """Log the parameters of a model, which MLflow refuses a second time."""
        if self.client.get_logged_model(model.model_id).params:
            return
        try:
            self.client.log_model_params(model.model_id, run.data.params)
        except MlflowException:
            if not self.client.get_logged_model(model.model_id).params:
                raise

    def _keep_first(self, run: Run, created: ModelVersion) -> ModelVersion:
        """Return the first version of a run, and delete the created one if it is a second."""
        first = self.find_by_run(run)
        if first is None or str(first.version) == str(created.version):
            return created
        self.client.delete_model_version(self.name, str(created.version))
        return first

    def _find_model(self) -> RegisteredModel | None:
        try:
            return self.client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != GONE:
                raise
            return None


def _read_commit(client: MlflowClient, run: Run) -> str:
    """Read the commit of the code that trained a run, from the run or its parent."""
    parent_id = run.data.tags.get(tags.PARENT_RUN_ID)
    values = {**(client.get_run(parent_id).data.tags if parent_id else {}), **run.data.tags}
    return str(values.get(tags.GIT_COMMIT, "unknown"))


def _copy_metrics(client: MlflowClient, run: Run, model: LoggedModel) -> list[Metric]:
    """Copy the metrics that a run logged once to its model, whose metrics the registry's pages show.

    Step and time are kept, so that the run does not get second points.
    """
    run_id = run.info.run_id
    histories = (client.get_metric_history(run_id, name) for name in run.data.metrics)
    points = (history[0] for history in histories if len(history) == 1)
    return [
        Metric(point.key, point.value, point.timestamp, point.step, model_id=model.model_id, run_id=run_id)
        for point in points
    ]
