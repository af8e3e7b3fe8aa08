"""How the figures came about: clips, split, what chose, what was looked at once."""

from ser.report.content import Facts, Section
from ser.report.report_data import ReportData, clips_of
from ser.report.split_results import SplitResults
from ser.sweep.plan import Plan


def section(study: ReportData) -> Section:
    """The protocol of the sweep, one fact a line."""
    facts, plan = study.record.facts, study.record.plan
    pairs = [
        ("Corpus", f"{facts.corpus}: {facts.n_clips:,} clips of {facts.n_speakers} speakers"),
        (
            "Split of the search",
            f"{plan.split}: {facts.n_train:,} training, {facts.n_validation:,} validation, {facts.n_test:,} test clips",
        ),
        ("Figure of merit", "unweighted average recall (UAR), then accuracy and macro-F1"),
        (
            "Search",
            f"{plan.trials_per_cell} trials a network, at most {plan.max_epochs} epochs each; {_search(plan)}; "
            f"halving from epoch {plan.grace_epochs} lets one in {plan.reduction} go on; seed {plan.seed}",
        ),
        (
            "What chose",
            "the validation UAR alone: the epoch whose weights are kept (then the lower validation loss, then the "
            "earlier epoch), the trial of each network, and the order of every leaderboard",
        ),
        ("Champion", "moves only after a paired test by speaker on the same validation clips"),
        ("Test clips", "predicted once by each completed trial, after its training; they chose and ordered nothing"),
        *((f"Evaluation: {board.title}", _runs(board)) for board in study.boards),
        (
            "Intervals",
            f"95 %, percentile bootstrap over speakers, {study.n_resamples:,} draws; a speaker is drawn with all "
            "clips of every fold and seed; figures are averaged over seeds",
        ),
        (
            "Tests",
            "exchange of the predictions of two networks speaker by speaker, two-sided, on the difference of the UAR; "
            "Holm's correction over the pairs of networks, and by itself over the pairs of a network and a baseline",
        ),
    ]
    lead = "Who chose what, on which clips. Nothing here was chosen on test clips."
    return Section("protocol", "Protocol", lead, (Facts(tuple(pairs)),))


def _search(plan: Plan) -> str:
    return {
        "per-cell": "each network has a TPE study of its own, which begins with its defaults",
        "global": "one TPE study over all networks",
    }[plan.search]


def _runs(board: SplitResults) -> str:
    trials = [trial for line in board.networks for trial in line.trials]
    folds, draws = {trial.split.fold for trial in trials}, {trial.split.seed for trial in trials}
    drawn = f", {len(draws)} draws of the split" if len(draws) > 1 else ""
    seeds = sorted({trial.seed for trial in trials})
    return (
        f"{len(trials)} runs of {len(board.networks)} networks, {_counted(len(folds), 'fold')}{drawn}, "
        f"{_counted(len(seeds), 'training seed')} ({', '.join(map(str, seeds))}), "
        f"{clips_of(board.networks[0].counts, 'test')}"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
