"""One training from data to bundle: what a trial of a sweep does, without Ray."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ser.evaluation.calibration import expected_calibration_error
from ser.evaluation.inference import InferenceResult, compute_as_served, evaluate, probabilities
from ser.evaluation.metrics import Confusion, accuracy, macro_f1, unweighted_average_recall
from ser.evaluation.predictions_file import PartPredictions, write_predictions
from ser.evaluation.temperature import fit_temperature
from ser.experiment.bundle import Bundle, build_network
from ser.experiment.experiment import Experiment
from ser.experiment.input_range import measure_input_range
from ser.experiment.trial_data import TrialData
from ser.features.dataset import ClipSet, fit_normalisation
from ser.splits.leaks import check_fitted
from ser.splits.manifests import load_manifests
from ser.splits.split import partition
from ser.training.checkpoint import TrainingState, save_state
from ser.training.loop import Epoch, fit

TEST_FILE = "test.json"
PREDICTIONS_FILE = "predictions.csv"


class Trial:
    """A training under way.

    Args:
        experiment: what to train, and how.
        data: on which clips; the experiment's split says which of them train, validate and test.
        device: where.
        resume: state after some epoch, or None for the beginning.

    Raises:
        UserError: the split does not fit the clips, or leaks.
    """

    def __init__(
        self,
        experiment: Experiment,
        data: TrialData,
        *,
        device: torch.device | str = "cpu",
        resume: TrainingState | None = None,
    ) -> None:
        self._experiment = experiment
        self._data = data
        self._device = device
        digests = {clip.name: facts.digest for clip, facts in zip(data.clips, data.facts, strict=True)}
        self.partition = partition(data.clips, experiment.split, digests=digests, duplicates=data.duplicates)
        space = experiment.features
        train = np.asarray(self.partition.train)
        self._normalisation = fit_normalisation(data.matrix, train, space.selected_rows)
        self.n_train_clips = len(train)
        self._validation = self._clips(np.asarray(self.partition.validation))
        self._fit = fit(
            build_network(experiment),
            train=self._clips(train),
            validation=self._validation,
            n_classes=len(data.emotions),
            settings=experiment.training,
            augment=experiment.augment,
            votes=None if data.votes is None else data.votes[train],
            device=device,
            resume=resume,
        )

    def epochs(self) -> Iterator[Epoch]:
        """Train epoch by epoch; the last one says so."""
        return iter(self._fit)

    def stop(self) -> None:
        """Have another thread's `epochs` raise `StopTraining` at its next batch."""
        self._fit.stop()

    def save_state(self, folder: Path) -> None:
        """Write what `resume` needs."""
        save_state(self._fit.state(), folder)

    def finish(self, folder: Path, *, keep_model: bool = True, test: bool = True) -> dict[str, Any]:
        """Test the best weights, once, and write test results, predictions and, to keep the model, the bundle.

        Without `test` no test clip is heard: predictions and results are of the validation clips alone.

        Returns:
            The results, as `test.json` in `folder` holds them: of test clips UAR, accuracy, macro-F1 and confusion
            matrix; number of parameters, seconds of training, version and digest of the split, and figures of the
            calibration by the names that MLflow shows.

        Raises:
            UserError: the network owes something to test clips.
        """
        check_fitted(self.partition, self._data.clips, self._fitted())
        weights = self._fit.best_weights()
        # As it will be served: a network that knows nothing of how its training was computed.
        model = build_network(self._experiment).to(self._device)
        model.load_state_dict(weights)
        with compute_as_served():
            parts = ("validation", "test") if test else ("validation",)
            made = {part: self._evaluate(model, self.partition.parts[part]) for part in parts}
        temperature = fit_temperature(made["validation"].logits, self._validation.labels)
        calibration = {"temperature": temperature}
        for part, short in (("validation", "val"), ("test", "test")):
            if part in made:
                calibration |= self._calibration_errors(short, made[part], self.partition.parts[part], temperature)
        results = {
            **(_figures(made["test"].confusion) if test else {}),
            "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "train_seconds": self._fit.seconds,
            "split_manifest": str(load_manifests()[self.partition.name]),
            "split_digest": self.partition.digest,
            "calibration": calibration,
        }
        if keep_model:
            self._bundle(weights, temperature).save(folder)
        (folder / TEST_FILE).write_text(json.dumps(results))
        predicted = {
            part: PartPredictions(
                np.asarray(self.partition.parts[part]),
                evaluation.predictions,
                probabilities(evaluation.logits, temperature=temperature),
            )
            for part, evaluation in made.items()
        }
        write_predictions(folder / PREDICTIONS_FILE, predicted, clips=self._data.clips, emotions=self._data.emotions)
        return results

    def _bundle(self, weights: dict[str, torch.Tensor], temperature: float) -> Bundle:
        return Bundle(
            experiment=self._experiment,
            emotions=self._data.emotions,
            normalisation=self._normalisation,
            temperature=temperature,
            input_range=measure_input_range([self._data.facts[position] for position in self.partition.train]),
            weights=weights,
        )

    def _fitted(self) -> dict[str, NDArray[np.int64]]:
        """Positions of the clips that each part of the result was fitted on or chosen by."""
        assert self._normalisation.clips is not None
        chosen_by = self._validation.clips
        return {"normalisation": self._normalisation.clips, "selection": chosen_by, "calibration": chosen_by}

    def _labels(self, positions: Sequence[int]) -> NDArray[np.int64]:
        return self._data.labels[list(positions)]

    def _clips(self, positions: NDArray[np.int64]) -> ClipSet:
        space = self._experiment.features
        return ClipSet(
            matrix=self._data.matrix,
            clips=positions,
            labels=self._data.labels[positions],
            space=space,
            normalisation=self._normalisation,
        )

    def _evaluate(self, model: nn.Module, positions: tuple[int, ...]) -> InferenceResult:
        clips = self._clips(np.asarray(positions))
        # One by one: within a batch the sums have another order, and the last bits differ from the served ones.
        return evaluate(model, clips, n_classes=len(self._data.emotions), batch_size=1, device=self._device)

    def _calibration_errors(
        self, part: str, evaluation: InferenceResult, positions: Sequence[int], temperature: float
    ) -> dict[str, float]:
        labels = self._labels(positions)
        return {
            f"{part}_ece{suffix}": expected_calibration_error(probabilities(evaluation.logits, temperature=by), labels)
            for suffix, by in (("_uncalibrated", 1.0), ("", temperature))
        }


def _figures(confusion: Confusion) -> dict[str, Any]:
    return {
        "uar": unweighted_average_recall(confusion),
        "accuracy": accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "confusion": confusion.tolist(),
    }


def validation_metrics(epoch: Epoch) -> dict[str, float]:
    """What is reported of an epoch, by the names that MLflow shows."""
    names = ("train_loss", "val_loss", "val_uar", "val_accuracy", "val_macro_f1")
    return {name: float(getattr(epoch, name)) for name in names}
