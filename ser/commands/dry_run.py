"""Output of `--dry-run`: cells, search ranges, number of trials, and an estimate of the time."""

import os
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from ser.commands.sweep_corpus import refuse_missing_votes
from ser.console import format_duration
from ser.corpora.base import Clip
from ser.corpora.locations import Location
from ser.experiment.preparation import find_clips
from ser.splits.split import partition
from ser.sweep.estimate import CellEstimate, estimate
from ser.sweep.final_evaluation import plan_trainings, select_trainings
from ser.sweep.plan import Plan


def show_plan(plan: Plan, corpus_dir: Location, console: Console) -> None:
    """Find the clips, time each cell for about a second, and print the plan of the sweep.

    Args:
        plan: the plan of the sweep.
        corpus_dir: folder or URL of the corpus.
        console: where to print.

    Raises:
        CorpusError: no usable corpus in the folder.
        UserError: the split does not fit the clips.
    """
    experiments = plan.experiments
    first = next(iter(experiments.values()))
    clips = find_clips(first.corpus, corpus_dir, console)
    refuse_missing_votes(plan, clips, corpus_dir)
    parts = partition(clips, first.split)
    console.print(
        f"Split {parts.name}: {len(parts.train):,} training, {len(parts.validation):,} validation, "
        f"{len(parts.test):,} test clips"
    )
    estimates = estimate(plan, experiments)
    n_slots = max(1, int((os.cpu_count() or 1) / plan.cpus_per_trial))
    if plan.is_ablation:
        _show_variants(plan, console)
    else:
        _show_search(plan, estimates, len(parts.train), n_slots, console)
    if plan.final_seeds:
        _show_final_evaluation(plan, clips, estimates, n_slots, console)


def _show_variants(plan: Plan, console: Console) -> None:
    console.print("[bold]compared with the baseline on validation clips[/]")
    for variant, changes in plan.variants.items():
        console.print(
            f"  {variant:<32} {', '.join(f'{name}={value}' for name, value in changes.items())}", markup=False
        )


def _show_search(
    plan: Plan, estimates: Mapping[str, CellEstimate], n_train: int, n_slots: int, console: Console
) -> None:
    for title, ranges in _list_ranges(plan):
        console.print(f"[bold]{title}[/]")
        for name, allowed in ranges.items():
            console.print(f"  {name:<32} {allowed}", markup=False)
    table, total_s = _make_table(plan, estimates, n_train)
    console.print(table)
    console.print(
        f"{plan.n_searched} trials of at most {plan.max_epochs} epochs, {plan.search} search; "
        f"about {format_duration(total_s / n_slots)} with {n_slots} trials at a time here, less with early stopping"
    )


def _show_final_evaluation(
    plan: Plan, clips: Sequence[Clip], estimates: Mapping[str, CellEstimate], n_slots: int, console: Console
) -> None:
    selection = select_trainings(plan_trainings(plan), clips)
    for reason in selection.omitted:
        console.print(f"Final evaluation: {reason}")
    n_train = sum(len(partition(clips, final.split).train) for final in selection.kept)
    n_trials = len(selection.kept) * len(estimates)
    total_s = plan.max_epochs * n_train * sum(cell_estimate.ms_per_clip for cell_estimate in estimates.values()) / 1000
    if plan.is_ablation:
        console.print(
            f"Ablation: {n_trials} trainings of at most {plan.max_epochs} epochs; "
            f"about {format_duration(total_s / n_slots)} with {n_slots} at a time here, "
            "if variants take as long as the baseline"
        )
        return
    console.print(
        f"Final evaluation: {n_trials} trainings ({len(estimates)} cells on {len(selection.kept)} splits, folds and "
        f"seeds) of at most {plan.max_epochs} epochs; at most {format_duration(total_s / n_slots)} more"
    )


def _list_ranges(plan: Plan) -> list[tuple[str, dict[str, str]]]:
    """List the ranges that every cell searches, then the further ones of each cell."""
    spaces = {cell: {name: str(r) for name, r in space.items()} for cell, space in plan.search_spaces.items()}
    shared = dict(set.intersection(*(set(space.items()) for space in spaces.values())))
    others = [
        (f"also searched in {cell}", {name: text for name, text in space.items() if name not in shared})
        for cell, space in spaces.items()
    ]
    return [("searched in every cell", dict(sorted(shared.items()))), *(pair for pair in others if pair[1])]


def _make_table(plan: Plan, estimates: Mapping[str, CellEstimate], n_train: int) -> tuple[Table, float]:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("cell")
    for title in ("trials", "parameters", "ms/clip", "epochs, all trials", "time"):
        table.add_column(title, justify="right")
    total_s = 0.0
    for cell, cell_estimate in estimates.items():
        total_s += cell_estimate.seconds(n_train)
        table.add_row(
            cell,
            str(plan.trials_per_cell),
            f"{cell_estimate.n_parameters:,}",
            f"{cell_estimate.ms_per_clip:.2f}",
            f"{cell_estimate.n_epochs:.0f}",
            format_duration(cell_estimate.seconds(n_train)),
        )
    return table, total_s
