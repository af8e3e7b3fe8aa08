"""Figures for MLflow, readable in grey and by colour-blind readers; without pyplot, so that any thread may draw."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ser.report.leaderboard import LeaderboardRow

_DIMENSION_COLOURS = {"1d": "#e69f00", "2d": "#0072b2"}


def draw_confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str], *, title: str) -> Figure:
    """Draw a confusion matrix: rows are the true classes, shade is the share of the row, figures are clips.

    Args:
        confusion: (C, C) numbers of clips.
        labels: C names of classes.
        title: above the matrix.
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if shares[row, column] > 0.55 else "black"
        text = f"{count}\n{100 * shares[row, column]:.0f}%"
        axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=9)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted emotion", ylabel="intended emotion")
    axes.set_title(title, fontsize=11)
    figure.colorbar(image, ax=axes, label="share of the intended emotion", shrink=0.85)
    return figure


def draw_leaderboard(rows: Sequence[LeaderboardRow], *, title: str, n_classes: int) -> Figure:
    """Draw validation and test UAR of the cells with one standard error over clips, and the chance level.

    Args:
        rows: at least one, best first.
        title: above the figure.
        n_classes: C; chance is 1 / C.
    """
    figure = Figure(figsize=(8, 0.55 * len(rows) + 1.8), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        colour = _DIMENSION_COLOURS[row.cell.rsplit("-", 1)[1]]
        width, error = 100 * row.val_uar, 100 * row.val_standard_error
        axes.barh(place, width, xerr=error, color=colour, ecolor="0.45", height=0.62, alpha=0.75)
        axes.errorbar(
            100 * row.test_uar, place, xerr=100 * row.test_standard_error,
            fmt="D", color="black", markersize=5, capsize=3,
        )  # fmt: skip
        axes.text(1, place, f"{100 * row.val_uar:.1f}", va="center", fontsize=9, fontweight="bold")
    chance = 100 / n_classes
    axes.axvline(chance, color="0.35", linestyle=":", linewidth=1.2)
    axes.text(chance, len(rows) - 0.42, " chance", color="0.35", fontsize=8, va="bottom")
    axes.set_yticks(range(len(rows)), [row.cell for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, max(70.0, *(100 * row.test_uar + 5 for row in rows), *(100 * row.val_uar + 5 for row in rows)))
    axes.set_xlabel(
        "UAR %   bar: best validation UAR of the cell;   diamond: its test UAR;   ± 1 standard error over clips"
    )
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
