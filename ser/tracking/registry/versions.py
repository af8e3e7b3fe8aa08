"""The versions of a registered model and the aliases that point to them: one version a run, however often asked for."""

from dataclasses import dataclass

from mlflow.entities import LoggedModel, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.corpora.base import CorpusError
from ser.errors import UserError
from ser.evaluation.predictions import PredictionsError
from ser.tracking.models import find_model
from ser.tracking.registry.lock import GONE, TAKEN, lock_model
from ser.tracking.registry.model_card import model_card
from ser.tracking.registry.run_evaluations import PARENT_ID

_TAGS = ("ser.sweep", "ser.cell", "ser.trial", "ser.split", "ser.split_digest", "ser.corpus_digest")
_COMMIT = "ser.git_commit"


# What keeps a run from becoming a version, however often it is asked for: no fault of the tracker.
UNREGISTERED = (UserError, PredictionsError, UserError, CorpusError)


def registered_model_name(corpus: str) -> str:
    """Name of the registered model of a corpus."""
    return f"ser-{corpus}"


@dataclass(frozen=True)
class Versions:
    """The versions of the registered model `name`."""

    client: MlflowClient
    name: str

    def at(self, alias: str) -> ModelVersion | None:
        """The version under an alias; None where there is none."""
        model = self._model()
        number = model.aliases.get(alias) if model else None
        return self.number(str(number)) if number else None

    def number(self, number: str) -> ModelVersion | None:
        """A version by its number; None where it was deleted."""
        try:
            return self.client.get_model_version(self.name, number)
        except MlflowException as error:
            if error.error_code != GONE:
                raise
            return None

    def point(self, alias: str, version: ModelVersion) -> None:
        """Have an alias mean a version."""
        self.client.set_registered_model_alias(self.name, alias, str(version.version))

    def run(self, run_id: str) -> Run:
        """A run by its id.

        Raises:
            UserError: there is no such run.
        """
        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise UserError(
                f"the tracker has no run '{run_id}' ({error.message}): copy its id from MLflow's UI"
            ) from None

    def run_at(self, alias: str) -> Run:
        """The run of the version under an alias.

        Raises:
            UserError: no such alias, or its run is gone.
        """
        version = self.at(alias)
        if version is None:
            raise UserError(
                f"{self.name} has no version under the alias {alias}: run a sweep, or name the run (--run ID)"
            )
        return self.run(str(version.run_id))

    def of_run(self, run: Run) -> ModelVersion:
        """The version of a run, made where it is not there yet, with tags, metrics and model card.

        Raises:
            UserError: the run has no model, or is of another corpus.
        """
        corpus = run.data.params.get("corpus.name", "unknown")
        if registered_model_name(corpus) != self.name:
            raise UserError(
                f"run {run.info.run_id} was trained on the corpus {corpus}, which {self.name} is not of: name a run of "
                "that corpus, or promote this one by --corpus"
            )
        found = self.known(run)
        if found is not None:
            return found
        model = find_model(self.client, run.info.experiment_id, run.info.run_id)
        if model is None:
            raise UserError(
                f"run {run.info.run_id} has no model: only completed trials of a search have one; name one of those"
            )
        commit = _commit(self.client, run)
        card = model_card(self.client, run, model, name=self.name, commit=commit)
        tags = {name: run.data.tags[name] for name in _TAGS if name in run.data.tags} | {_COMMIT: commit}
        figures = _figures(self.client, run, model)
        with lock_model(self.client, self.name):
            self._ensure_model(run)
            found = self.known(run)
            if found is not None:
                return found
            # All of this may be repeated, so it needs no confirmation of the lock.
            self.client.log_batch(run.info.run_id, metrics=figures)
            self._ensure_params(model, run)
            made = self.client.create_model_version(
                self.name,
                source=f"models:/{model.model_id}",
                run_id=run.info.run_id,
                model_id=model.model_id,
                tags=tags,
                description=card,
            )
            return self._keep_first(run, made)

    def known(self, run: Run) -> ModelVersion | None:
        """The version of a run, or None; the first where there are two for a moment."""
        found = self.client.search_model_versions(f"name = '{self.name}' and run_id = '{run.info.run_id}'")
        return min(found, key=lambda version: int(version.version), default=None)

    def _ensure_model(self, run: Run) -> None:
        if self._model() is None:
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

    def _keep_first(self, run: Run, made: ModelVersion) -> ModelVersion:
        """The version of a run, once a version that was made later than another one is deleted again."""
        first = self.known(run)
        if first is None or str(first.version) == str(made.version):
            return made
        self.client.delete_model_version(self.name, str(made.version))
        return first

    def _model(self) -> RegisteredModel | None:
        try:
            return self.client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != GONE:
                raise
            return None


def _commit(client: MlflowClient, run: Run) -> str:
    """Of the code that trained: the sweep's run knows."""
    parent = run.data.tags.get(PARENT_ID)
    tags = {**(client.get_run(parent).data.tags if parent else {}), **run.data.tags}
    return str(tags.get(_COMMIT, "unknown"))


def _figures(client: MlflowClient, run: Run, model: LoggedModel) -> list[Metric]:
    """What the run logged once, for its model too: the registry's pages show the model's metrics, not the run's.

    The same points, so that the run keeps one of each.
    """
    run_id = run.info.run_id
    histories = (client.get_metric_history(run_id, name) for name in run.data.metrics)
    points = (history[0] for history in histories if len(history) == 1)
    return [
        Metric(point.key, point.value, point.timestamp, point.step, model_id=model.model_id, run_id=run_id)
        for point in points
    ]
