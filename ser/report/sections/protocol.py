"""Section on the protocol: clips, splits, selection, intervals and tests."""

from ser.report.content import Facts, Section
from ser.report.report_data import ReportData, describe_clips
from ser.report.split_results import SplitResults
from ser.sweep.plan import Plan


def build_section(data: ReportData) -> Section:
    """Build a list of the facts of the protocol."""
    facts, plan = data.record.facts, data.record.plan
    pairs = [
        ("Corpus", f"{facts.corpus}: {facts.n_clips:,} clips of {facts.n_speakers} speakers"),
        (
            "Split of the search",
            f"{plan.split}: {facts.n_train:,} training, {facts.n_validation:,} validation, {facts.n_test:,} test clips",
        ),
        ("Metrics", "unweighted average recall (UAR), then accuracy and macro-F1"),
        (
            "Search",
            f"{plan.trials_per_cell} trials of each network, at most {plan.max_epochs} epochs each; "
            f"{_describe_search(plan)}; successive halving from epoch {plan.grace_epochs} continues one in "
            f"{plan.reduction}; seed {plan.seed}",
        ),
        (
            "Selection",
            "by validation UAR only: the epoch whose weights are kept (then the lower validation loss, then the "
            "earlier epoch), the trial of each network, and the order of every leaderboard",
        ),
        ("Champion", "replaced only after a paired test by speaker on the same validation clips"),
        (
            "Test clips",
            "predicted once by each completed trial, after its training; not used for any selection or order",
        ),
        *((f"Evaluation: {results.title}", _describe_runs(results)) for results in data.split_results),
        (
            "Intervals",
            f"95 %, percentile bootstrap over speakers, {data.n_resamples:,} draws; a speaker is drawn with all "
            "clips of every fold and seed; figures are means over seeds",
        ),
        (
            "Tests",
            "exchange of the predictions of two networks speaker by speaker, two-sided, on the difference of the UAR; "
            "Holm's correction over the pairs of networks, and separately over the pairs of a network and a baseline",
        ),
    ]
    lead = "Clips, selection and statistics. Nothing was selected on test clips."
    return Section("protocol", "Protocol", lead, (Facts(tuple(pairs)),))


def _describe_search(plan: Plan) -> str:
    return {
        "per-cell": "each network has its own TPE study, which begins with the defaults",
        "global": "one TPE study over all networks",
    }[plan.search]


def _describe_runs(results: SplitResults) -> str:
    trials = [trial for network in results.networks for trial in network.trials]
    folds, draws = {trial.split.fold for trial in trials}, {trial.split.seed for trial in trials}
    redrawn = f", {len(draws)} draws of the split" if len(draws) > 1 else ""
    seeds = sorted({trial.seed for trial in trials})
    return (
        f"{len(trials)} runs of {len(results.networks)} networks, {_format_count(len(folds), 'fold')}{redrawn}, "
        f"{_format_count(len(seeds), 'training seed')} ({', '.join(map(str, seeds))}), "
        f"{describe_clips(results.networks[0].counts, 'test')}"
    )


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
