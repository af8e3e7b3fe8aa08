"""One training from data to bundle, as in a trial of a sweep, but without Ray."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ser.evaluation.calibration import expected_calibration_error
from ser.evaluation.inference import InferenceResult, compute_as_served, compute_probabilities, evaluate
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
_SHORT_NAMES = {"validation": "val", "test": "test"}


class Trial:
    """Training in progress, and its evaluation.

    Args:
        experiment: description of the training.
        data: clips and features, of which the experiment's split selects those for training, validation and test.
        device: for training and evaluation.
        resume: state after some epoch; None to start at the beginning.

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
        self._validation = self._select_clips(np.asarray(self.partition.validation))
        self._fit = fit(
            build_network(experiment),
            train=self._select_clips(train),
            validation=self._validation,
            n_classes=len(data.emotions),
            settings=experiment.training,
            augment=experiment.augment,
            votes=None if data.votes is None else data.votes[train],
            device=device,
            resume=resume,
        )

    def epochs(self) -> Iterator[Epoch]:
        """Train epoch by epoch, until one has `last` set."""
        return iter(self._fit)

    def stop(self) -> None:
        """Make `epochs`, in another thread, raise `StopTraining` at its next batch."""
        self._fit.stop()

    def save_state(self, folder: Path) -> None:
        """Write the state that `resume` needs into a folder."""
        save_state(self._fit.state(), folder)

    def finish(self, folder: Path, *, keep_model: bool = True, test: bool = True) -> dict[str, Any]:
        """Evaluate the best weights, once, and write results, predictions and the bundle.

        Args:
            folder: for the files.
            keep_model: write the bundle.
            test: evaluate test clips; otherwise results and predictions are those of the validation clips alone.

        Returns:
            The content of `test.json`: UAR, accuracy, macro-F1 and confusion matrix of the test clips, number of
            parameters, seconds of training, version and digest of the split, and calibration by names of MLflow
            metrics.

        Raises:
            UserError: the network was fitted on, or chosen by, test clips.
        """
        check_fitted(self.partition, self._data.clips, self._list_fitted_positions())
        weights = self._fit.best_weights()
        # A new network, as it will be served, without the precision and memory format of the training.
        model = build_network(self._experiment).to(self._device)
        model.load_state_dict(weights)
        with compute_as_served():
            parts = ("validation", "test") if test else ("validation",)
            evaluations = {part: self._evaluate(model, self.partition.parts[part]) for part in parts}
        temperature = fit_temperature(evaluations["validation"].logits, self._validation.labels)
        results = {
            **(_compute_metrics(evaluations["test"].confusion) if test else {}),
            "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "train_seconds": self._fit.seconds,
            "split_manifest": str(load_manifests()[self.partition.name]),
            "split_digest": self.partition.digest,
            "calibration": self._measure_calibration(evaluations, temperature),
        }
        if keep_model:
            self._build_bundle(weights, temperature).save(folder)
        (folder / TEST_FILE).write_text(json.dumps(results))
        self._write_predictions(folder / PREDICTIONS_FILE, evaluations, temperature)
        return results

    def _build_bundle(self, weights: dict[str, torch.Tensor], temperature: float) -> Bundle:
        return Bundle(
            experiment=self._experiment,
            emotions=self._data.emotions,
            normalisation=self._normalisation,
            temperature=temperature,
            input_range=measure_input_range([self._data.facts[position] for position in self.partition.train]),
            weights=weights,
        )

    def _list_fitted_positions(self) -> dict[str, NDArray[np.int64]]:
        """Positions of the clips on which each part of the result was fitted, or by which it was chosen."""
        assert self._normalisation.clips is not None
        chosen_by = self._validation.clips
        return {"normalisation": self._normalisation.clips, "selection": chosen_by, "calibration": chosen_by}

    def _select_clips(self, positions: NDArray[np.int64]) -> ClipSet:
        space = self._experiment.features
        return ClipSet(
            matrix=self._data.matrix,
            clips=positions,
            labels=self._data.labels[positions],
            space=space,
            normalisation=self._normalisation,
        )

    def _evaluate(self, model: nn.Module, positions: tuple[int, ...]) -> InferenceResult:
        clips = self._select_clips(np.asarray(positions))
        # One by one: in a batch the sums have another order, so that their last bits differ from the served ones.
        return evaluate(model, clips, n_classes=len(self._data.emotions), batch_size=1, device=self._device)

    def _measure_calibration(self, evaluations: Mapping[str, InferenceResult], temperature: float) -> dict[str, float]:
        """Temperature, and calibration errors of each part before and after it, by names of MLflow metrics."""
        calibration = {"temperature": temperature}
        for part, evaluation in evaluations.items():
            labels = self._data.labels[list(self.partition.parts[part])]
            for suffix, divisor in (("_uncalibrated", 1.0), ("", temperature)):
                error = expected_calibration_error(
                    compute_probabilities(evaluation.logits, temperature=divisor), labels
                )
                calibration[f"{_SHORT_NAMES[part]}_ece{suffix}"] = error
        return calibration

    def _write_predictions(self, path: Path, evaluations: Mapping[str, InferenceResult], temperature: float) -> None:
        predictions = {
            part: PartPredictions(
                np.asarray(self.partition.parts[part]),
                evaluation.predictions,
                compute_probabilities(evaluation.logits, temperature=temperature),
            )
            for part, evaluation in evaluations.items()
        }
        write_predictions(path, predictions, clips=self._data.clips, emotions=self._data.emotions)


def _compute_metrics(confusion: Confusion) -> dict[str, Any]:
    return {
        "uar": unweighted_average_recall(confusion),
        "accuracy": accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "confusion": confusion.tolist(),
    }


def validation_metrics(epoch: Epoch) -> dict[str, float]:
    """Metrics of an epoch, by names of MLflow metrics."""
    names = ("train_loss", "val_loss", "val_uar", "val_accuracy", "val_macro_f1")
    return {name: float(getattr(epoch, name)) for name in names}
