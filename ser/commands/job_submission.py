"""A sweep as a job of a Ray cluster: this machine's code and words are sent there, and the job is followed."""

import os
import shlex
import shutil
import tempfile
import uuid
from dataclasses import fields, replace
from pathlib import Path

from rich.console import Console

import ser
from ser.commands.conclusion import resume_command
from ser.commands.exit_codes import CLUSTER_LOST, FINISHED, NOT_MET, REFUSED, STOPPED, UNREGISTERED, UNSENT
from ser.commands.sweep_request import (
    SweepRequest,
    add_final_evaluation,
    new_plan,
    parse_seconds,
    refuse_changes,
    sweep_name,
)
from ser.console import print_line
from ser.corpora.locations import Location, is_remote
from ser.distributed.cluster import resolve_job_server
from ser.distributed.jobs import (
    SWEEP,
    FollowedJob,
    JobClient,
    JobLostError,
    JobOutcome,
    connect_to_jobs,
    find_running_job,
    submit_job,
)
from ser.errors import UserError
from ser.redaction import redact
from ser.sweep.driver import COMMIT, find_git_commit, stop_on_sigterm

_SUBMITTED = "SER_SUBMITTED"
_ENDS = (FINISHED, NOT_MET, REFUSED, UNSENT, UNREGISTERED, STOPPED)
_NO_OPTIONS = ("command", "plans", "settings", "download_from", "dry_run")


def is_submitted() -> bool:
    """Whether this process is the job that `submit` made."""
    return _SUBMITTED in os.environ


def submit(request: SweepRequest, console: Console) -> int:
    """Run the sweep, or its dry run, on the cluster and follow it; of one that runs there already, follow that.

    Returns:
        The exit code of the sweep, as `run_session` tells it.

    Raises:
        UserError: a request that cannot be carried out, or a place that the cluster would lose.
        SettingError: a name in it that is not known.
        UserError: the cluster cannot be used.
    """
    _refuse_hopeless(request)
    address = resolve_job_server(request.ray_address)
    assert address is not None
    name = request.resume or sweep_name(request)
    resume = request.command if request.dry_run else resume_command(name, request.home, request.ray_address)
    client = connect_to_jobs(address)
    with stop_on_sigterm():
        if not request.dry_run and (running := find_running_job(client, name)):
            print_line(
                console, f"Sweep {name} runs there already, as job {running}: this follows it, and changes nothing."
            )
            return _followed(FollowedJob(client, running, console), resume, console)
        job_id = f"{name}-{uuid.uuid4().hex[:8]}"
        named = request if request.resume or request.dry_run else replace(request, name=name)
        print_line(console, f"Submitting to {address} as job {job_id} ...")
        followed = FollowedJob(client, job_id, console)
        try:
            _send(client, named, job_id, metadata={} if request.dry_run else {SWEEP: name})
        except KeyboardInterrupt:
            return _stopped(followed, resume, console)
        return _followed(followed, resume, console)


def refuse_temporary_places(*, home: Path | None, corpus_dir: Location | None, tracking_uri: str | None) -> None:
    """Refuse what would lie in the folder of the job, which goes when the job ends; None is not given.

    Raises:
        UserError: a relative path, or a tracker without a server, which keeps its models in the folder.
    """
    for option, variable, place in (("--home", "SER_HOME", home), ("--corpus-dir", "SER_DATA", corpus_dir)):
        if place is not None and not (os.fspath(place).startswith("/") or is_remote(place)):
            raise UserError(
                f"{option} of a submitted sweep is a place of the cluster: give an absolute path or a URL, or omit it "
                f"and set {variable} where the cluster's head starts; got '{place}'"
            )
    if tracking_uri is not None and not tracking_uri.startswith(("http://", "https://")):
        raise UserError(
            "--tracking-uri of a submitted sweep is the address of an MLflow server that the cluster reaches: give it, "
            "or omit it and set MLFLOW_TRACKING_URI where the cluster's head starts; "
            f"got '{redact(tracking_uri)}'"
        )


def command_words(request: SweepRequest) -> list[str]:
    """The command line that means the request on the cluster: what was given, a plan's file by its name alone."""
    given = {f.name: getattr(request, f.name) for f in fields(request) if getattr(request, f.name) is not f.default}
    if request.plan and request.plan.endswith(".toml"):
        given["plan"] = Path(request.plan).name
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if name not in _NO_OPTIONS]
    if request.download_from is not None:
        words.append(f"--download-from={request.download_from}")
    if request.dry_run:
        words.append("--dry-run")
    return [*words, *request.settings]


def _refuse_hopeless(request: SweepRequest) -> None:
    """What would be refused there is refused here, as far as it can be known."""
    refuse_temporary_places(
        home=None if request.home is SweepRequest.home else request.home,
        corpus_dir=request.corpus_dir,
        tracking_uri=request.tracking_uri,
    )
    if request.tracking_uri and redact(request.tracking_uri) != request.tracking_uri:
        raise UserError(
            "--tracking-uri of a submitted sweep must hold no password, which Ray's dashboard would show: set "
            f"MLFLOW_TRACKING_URI where the cluster's head starts; got '{redact(request.tracking_uri)}'"
        )
    if request.time_budget is not None:
        parse_seconds(request.time_budget)
    if request.resume:
        refuse_changes(request)
    else:
        add_final_evaluation(new_plan(request), request)


def _send(client: JobClient, request: SweepRequest, job_id: str, *, metadata: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for part in (Path(ser.__file__).parent, request.plans.parent):
            shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("__pycache__"))
        if request.plan and request.plan.endswith(".toml"):
            shutil.copy(request.plan, folder)
        submit_job(
            client,
            entrypoint=shlex.join(["python", "tune/run_sweep.py", *command_words(request)]),
            job_id=job_id,
            working_dir=scratch,
            variables={_SUBMITTED: "1", COMMIT: find_git_commit()},
            metadata=metadata,
        )


def _followed(job: FollowedJob, resume: str, console: Console) -> int:
    try:
        return _code(job.follow(), resume, console)
    except JobLostError as error:
        return _lost(error, resume, console)
    except KeyboardInterrupt:
        return _stopped(job, resume, console)


def _stopped(job: FollowedJob, resume: str, console: Console) -> int:
    """Stop the job and follow it to its end; who is interrupted again waits no longer."""
    print_line(console, "Stopping the sweep on the cluster; Ctrl-C again leaves it to that ...")
    try:
        job.stop()
        return _code(job.follow(), resume, console)
    except JobLostError as error:
        return _lost(error, resume, console)
    except KeyboardInterrupt:
        print_line(console, f"Left. The cluster goes on stopping the sweep; once it has, go on with: {resume}")
        return STOPPED


def _code(job: JobOutcome, resume: str, console: Console) -> int:
    if job.was_stopped:
        print_line(console, f"Stopped on the cluster. Resume it with: {resume}")
        return STOPPED
    if job.exit_code in _ENDS:
        return job.exit_code
    print_line(
        console,
        f"The job died on the cluster ({job.message}). Nothing that was reported is lost, resume it with: {resume}",
    )
    return CLUSTER_LOST


def _lost(error: JobLostError, resume: str, console: Console) -> int:
    print_line(
        console, f"The sweep's job {error}. Once the cluster answers, this follows it or goes on with it: {resume}"
    )
    return CLUSTER_LOST
