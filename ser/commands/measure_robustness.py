"""Measure the robustness of the best networks of a sweep, and print the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ser.commands.exit_codes import FINISHED
from ser.commands.sweep_corpus import find_sweep_clips, prepare_sweep_corpus
from ser.corpora.locations import Location
from ser.distributed.cluster import connect
from ser.distributed.robustness_tasks import BestTrial, measure_robustness
from ser.evaluation.metrics import unweighted_average_recall
from ser.evaluation.perturbations import CONDITIONS
from ser.evaluation.robustness import PerturbedPrediction, count_confusions
from ser.sweep.facts import refuse_other_clips
from ser.sweep.folder import SweepFolder
from ser.sweep.journal import JournalError
from ser.sweep.state import SweepState, replay


@dataclass(frozen=True)
class RobustnessRequest:
    """The command line of `measure_robustness.py`; None is 'not given'."""

    sweep: str
    clips: int
    corpus_dir: Location | None
    ray_address: str | None
    home: Path


def run_robustness(request: RobustnessRequest, console: Console) -> int:
    """Make the predictions that a finished or stopped sweep lacks, and print the table.

    Returns:
        Exit code, one of `ser.commands.exit_codes`.

    Raises:
        JournalError: no such sweep, or none of its trials has completed.
        UserError: the corpus folder does not hold the sweep's clips, Ray or the feature store cannot be used,
            `robustness.csv` of the sweep is damaged, or a clip cannot be read.
    """
    folder = SweepFolder(request.home / "sweeps" / request.sweep)
    state = replay(folder.journal)
    networks = best_trials(state)
    corpus_dir = request.corpus_dir or state.facts.corpus_dir
    clips = find_sweep_clips(state.plan, [], corpus_dir, console)
    with connect(request.ray_address):
        prepared, parts = prepare_sweep_corpus(
            state.plan,
            clips,
            corpus_dir=corpus_dir,
            home=request.home,
            max_bad=100.0,  # the sweep has decided; any other clips are refused below
            console=console,
        )
        refuse_other_clips(state.name, state.facts, prepared, parts)
        predictions = measure_robustness(folder.path, networks, prepared, parts, n_clips=request.clips, console=console)
    console.print(robustness_table(predictions, prepared.emotions))
    return FINISHED


def best_trials(state: SweepState) -> tuple[BestTrial, ...]:
    """The best trial of each cell.

    Raises:
        JournalError: no trial has completed, the sweep is an ablation, which keeps no weights, or a bundle is missing.
    """
    if state.plan.is_ablation:
        raise JournalError(f"'{state.name}' is an ablation, which keeps no weights", "give a sweep with a search")
    best = (state.best_of_cell(cell) for cell in sorted({key.cell for key in state.trials}))
    networks = tuple(BestTrial(trial.key, Path(trial.ended.bundle)) for trial in best if trial and trial.ended)
    if not networks:
        raise JournalError(
            f"no trial of sweep '{state.name}' has completed", f"resume it first with --resume {state.name}"
        )
    for network in networks:
        if not network.bundle.is_dir():
            raise JournalError(
                f"the weights of {network.key} are not in {network.bundle}",
                "give the --home of the sweep, on a volume that this machine sees",
            )
    return networks


def robustness_table(predictions: Sequence[PerturbedPrediction], emotions: Sequence[str]) -> Table:
    """Table of UAR by cell and condition, for a terminal."""
    n_clips = len({prediction.clip for prediction in predictions})
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"UAR % on {n_clips:,} test clips, the same for all; dB is speech over white noise or babble",
    )
    table.add_column("cell")
    for condition in CONDITIONS:
        table.add_column(condition.name.replace(" ", "\n", 1), justify="right")
    for cell, by_condition in sorted(count_confusions(predictions, emotions).items()):
        figures = (100 * unweighted_average_recall(by_condition[condition]) for condition in CONDITIONS)
        table.add_row(cell, *(f"{figure:.1f}" for figure in figures))
    return table
