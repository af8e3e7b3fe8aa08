"""`Experiment`: the whole description of one training, and its flat form of dotted names."""

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
    """One of the compared networks: an architecture as 1-D or as 2-D network."""

    architecture: Annotated[str, Text()] = "sercnn"
    dimensions: Annotated[int, Choice((1, 2), searched=False)] = 2

    @property
    def name(self) -> str:
        """'vgg16-2d' for VGG16 on two-dimensional input."""
        return f"{self.architecture}-{self.dimensions}d"


def all_cells() -> dict[str, Cell]:
    """Every registered architecture as 1-D and as 2-D network, by name."""
    cells = [Cell(architecture=name, dimensions=dimensions) for name in ARCHITECTURES for dimensions in (1, 2)]
    return {cell.name: cell for cell in cells}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained, on what, and how: enough to repeat it."""

    cell: Cell
    features: FrameSpace | MelSpace
    model: Architecture
    corpus: CorpusChoice = field(default_factory=CorpusChoice)
    split: Split = field(default_factory=Split)
    augment: Augment = field(default_factory=Augment)
    training: Training = field(default_factory=Training)

    def flat(self) -> dict[str, Value]:
        """Every setting by its dotted name."""
        return {setting.name: setting.value for setting in self.settings().values()}

    def settings(self) -> dict[str, Setting]:
        """Every setting with type, range and value, by its dotted name."""
        return {setting.name: setting for setting in all_settings(self)}

    def searched(self) -> dict[str, Range]:
        """The ranges that a search may draw from, by dotted name: none of a setting that decides what is stored."""
        stored = {f"features.{name}" for name in stored_settings(self.features)}
        return {
            name: setting.range
            for name, setting in self.settings().items()
            if setting.range.searched and name not in stored
        }

    def with_values(self, values: Mapping[str, Value | str]) -> "Experiment":
        """A copy with these dotted settings.

        Raises:
            SettingError: unknown name, a value that does not fit, or another cell.
        """
        made = with_values(self, values)
        if made.cell != self.cell:
            raise SettingError(f"the settings are of cell {self.cell.name} and cannot make it {made.cell.name}")
        return made

    @property
    def n_classes(self) -> int:
        """Number of emotions of the corpus."""
        return len(CORPORA[self.corpus.name].emotions)


def default_experiment(cell: Cell, *, corpus: str = "cremad") -> Experiment:
    """The defaults of a cell: trial 0 of every search.

    Raises:
        SettingError: unknown architecture or corpus.
    """
    CORPORA[corpus]
    architecture = ARCHITECTURES[cell.architecture]
    return Experiment(
        cell=cell,
        features=make_default_space(cast(Literal[1, 2], cell.dimensions)),
        model=architecture(),
        corpus=CorpusChoice(name=corpus),
    )


def from_flat(flat: Mapping[str, Value | str]) -> Experiment:
    """The experiment that `flat` describes; values may be text, as MLflow keeps them.

    Raises:
        SettingError: the cell is missing, a name is unknown for it, or a value does not fit.
    """
    missing = {"cell.architecture", "cell.dimensions"} - set(flat)
    if missing:
        raise SettingError(f"an experiment needs {' and '.join(sorted(missing))}")
    cell = with_values(Cell(), {name: flat[f"cell.{name}"] for name in ("architecture", "dimensions")})
    base = default_experiment(cell, corpus=str(flat.get("corpus.name", "cremad")))
    return base.with_values(flat)
