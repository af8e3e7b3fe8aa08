"""Experiment: the complete description of one training, and its flat form with dotted names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

from ser.corpora.base import CORPORA, CorpusChoice
from ser.features.spaces import FrameSpace, MelSpace, make_default_space, stored_settings
from ser.models.base import ARCHITECTURES, Architecture
from ser.settings.declaration import Setting, all_settings, settings, with_values
from ser.settings.ranges import Choice, Range, SettingError, Text, Value
from ser.splits.split import Split
from ser.training.augmentation import Augment
from ser.training.settings import Training


@settings
class Cell:
    """One of the compared networks: an architecture as a 1-D or a 2-D network."""

    architecture: Annotated[str, Text()] = "sercnn"
    dimensions: Annotated[int, Choice((1, 2), searched=False)] = 2

    @property
    def name(self) -> str:
        """Name of the cell: 'vgg16-2d' for VGG16 on two-dimensional input."""
        return f"{self.architecture}-{self.dimensions}d"


def all_cells() -> dict[str, Cell]:
    """All registered architectures as 1-D and 2-D networks, by name of the cell."""
    cells = [Cell(architecture=name, dimensions=dimensions) for name in ARCHITECTURES for dimensions in (1, 2)]
    return {cell.name: cell for cell in cells}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Complete description of one training, from which it can be repeated.

    Attributes:
        cell: architecture and dimensions.
        features: feature space of the input.
        model: settings of the architecture.
        corpus: corpus, and the selection of its clips.
        split: parts for training, validation and test.
        augment: augmentation of training clips.
        training: optimiser, schedule and seed.
    """

    cell: Cell
    features: FrameSpace | MelSpace
    model: Architecture
    corpus: CorpusChoice = field(default_factory=CorpusChoice)
    split: Split = field(default_factory=Split)
    augment: Augment = field(default_factory=Augment)
    training: Training = field(default_factory=Training)

    def flat(self) -> dict[str, Value]:
        """Values of all settings, by dotted name."""
        return {setting.name: setting.value for setting in self.settings().values()}

    def settings(self) -> dict[str, Setting]:
        """All settings with type, range and value, by dotted name."""
        return {setting.name: setting for setting in all_settings(self)}

    def searched(self) -> dict[str, Range]:
        """Ranges of the searched settings, by dotted name; settings of the stored features are never searched."""
        stored = {f"features.{name}" for name in stored_settings(self.features)}
        return {
            name: setting.range
            for name, setting in self.settings().items()
            if setting.range.searched and name not in stored
        }

    def with_values(self, values: Mapping[str, Value | str]) -> "Experiment":
        """Copy with other values of some settings, by dotted name.

        Raises:
            SettingError: an unknown name, an invalid value, or another cell.
        """
        changed = with_values(self, values)
        if changed.cell != self.cell:
            raise SettingError(f"the settings are of cell {self.cell.name} and cannot make it {changed.cell.name}")
        return changed

    @property
    def n_classes(self) -> int:
        """Number of emotions of the corpus."""
        return len(CORPORA[self.corpus.name].emotions)


def default_experiment(cell: Cell, *, corpus: str = "cremad") -> Experiment:
    """Experiment with the default settings of a cell, which is trial 0 of every search.

    Raises:
        SettingError: unknown architecture or corpus.
    """
    CORPORA[corpus]  # raises for an unknown name
    architecture = ARCHITECTURES[cell.architecture]
    return Experiment(
        cell=cell,
        features=make_default_space(cast(Literal[1, 2], cell.dimensions)),
        model=architecture(),
        corpus=CorpusChoice(name=corpus),
    )


def from_flat(flat: Mapping[str, Value | str]) -> Experiment:
    """Experiment with the values that `Experiment.flat` returned.

    Args:
        flat: values by dotted name; they may be text, as in MLflow. Omitted settings have their defaults.

    Raises:
        SettingError: the cell is missing, a name is unknown for it, or a value is invalid.
    """
    missing = {"cell.architecture", "cell.dimensions"} - set(flat)
    if missing:
        raise SettingError(f"an experiment needs {' and '.join(sorted(missing))}")
    cell = with_values(Cell(), {name: flat[f"cell.{name}"] for name in ("architecture", "dimensions")})
    base = default_experiment(cell, corpus=str(flat.get("corpus.name", "cremad")))
    return base.with_values(flat)
