"""Submission of a sweep to a Ray cluster as a job, with the code of this machine; the job is then followed."""

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
from ser.sweep.driver_process import COMMIT, find_git_commit, stop_on_sigterm

_SUBMITTED = "SER_SUBMITTED"
_SWEEP_EXIT_CODES = (FINISHED, NOT_MET, REFUSED, UNSENT, UNREGISTERED, STOPPED)
_NOT_OPTIONS = ("command", "plans", "settings", "download_from", "dry_run")


def is_submitted() -> bool:
    """True if this process is a job that `submit` has submitted."""
    return _SUBMITTED in os.environ


def submit(request: SweepRequest, console: Console) -> int:
    """Run the sweep, or its dry run, on the cluster and follow it; a sweep that runs there already is only followed.

    Args:
        request: the command line; its `ray_address` is the address of a job server.
        console: where to print the log of the job.

    Returns:
        The exit code of the sweep on the cluster, or `CLUSTER_LOST`.

    Raises:
        UserError: the request cannot be carried out, the cluster would lose one of its folders, or the cluster cannot
            be used.
        SettingError: an unknown name in the request.
    """
    _refuse_early(request)
    address = resolve_job_server(request.ray_address)
    assert address is not None
    name = request.resume or sweep_name(request)
    resume = request.command if request.dry_run else resume_command(name, request.home, request.ray_address)
    client = connect_to_jobs(address)
    with stop_on_sigterm():
        if not request.dry_run and (running := find_running_job(client, name)):
            print_line(console, f"Sweep {name} runs there already, as job {running}: following it, nothing is changed.")
            return _follow(FollowedJob(client, running, console), resume, console)
        job_id = f"{name}-{uuid.uuid4().hex[:8]}"
        named_request = request if request.resume or request.dry_run else replace(request, name=name)
        print_line(console, f"Submitting to {address} as job {job_id} ...")
        job = FollowedJob(client, job_id, console)
        try:
            _send(client, named_request, job_id, metadata={} if request.dry_run else {SWEEP: name})
        except KeyboardInterrupt:
            return _stop(job, resume, console)
        return _follow(job, resume, console)


def refuse_temporary_places(*, home: Path | None, corpus_dir: Location | None, tracking_uri: str | None) -> None:
    """Refuse places inside the working folder of the job, which Ray removes when the job ends.

    Args:
        home: folder of features, journals and checkpoints; None if not given.
        corpus_dir: folder or URL of the corpus; None if not given.
        tracking_uri: address of the tracker; None if not given.

    Raises:
        UserError: a relative path, or a tracker without a server, which keeps its models in the working folder.
    """
    for option, variable, place in (("--home", "SER_HOME", home), ("--corpus-dir", "SER_DATA", corpus_dir)):
        if place is not None and not (os.fspath(place).startswith("/") or is_remote(place)):
            raise UserError(
                f"{option} of a submitted sweep must be an absolute path or a URL on the cluster, got '{place}'",
                f"correct it, or omit it and set {variable} where the cluster's head starts",
            )
    if tracking_uri is not None and not tracking_uri.startswith(("http://", "https://")):
        raise UserError(
            "--tracking-uri of a submitted sweep must be the address of an MLflow server that the cluster reaches, "
            f"got '{redact(tracking_uri)}'",
            "correct it, or omit it and set MLFLOW_TRACKING_URI where the cluster's head starts",
        )


def command_words(request: SweepRequest) -> list[str]:
    """The command line of the request on the cluster: the given options; a plan file by its name alone."""
    given = {f.name: getattr(request, f.name) for f in fields(request) if getattr(request, f.name) is not f.default}
    if request.plan and request.plan.endswith(".toml"):
        given["plan"] = Path(request.plan).name
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if name not in _NOT_OPTIONS]
    if request.download_from is not None:
        words.append(f"--download-from={request.download_from}")
    if request.dry_run:
        words.append("--dry-run")
    return [*words, *request.settings]


def _refuse_early(request: SweepRequest) -> None:
    """Refuse here what the cluster would refuse, as far as this machine can tell."""
    refuse_temporary_places(
        home=None if request.home is SweepRequest.home else request.home,
        corpus_dir=request.corpus_dir,
        tracking_uri=request.tracking_uri,
    )
    if request.tracking_uri and redact(request.tracking_uri) != request.tracking_uri:
        raise UserError(
            "--tracking-uri of a submitted sweep must hold no password, which Ray's dashboard would show, "
            f"got '{redact(request.tracking_uri)}'",
            "omit it and set MLFLOW_TRACKING_URI where the cluster's head starts",
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


def _follow(job: FollowedJob, resume: str, console: Console) -> int:
    try:
        return _choose_exit_code(job.follow(), resume, console)
    except JobLostError as error:
        return _report_loss(error, resume, console)
    except KeyboardInterrupt:
        return _stop(job, resume, console)


def _stop(job: FollowedJob, resume: str, console: Console) -> int:
    """Stop the job and follow it to its end; a second interrupt ends the waiting."""
    print_line(console, "Stopping the sweep on the cluster; Ctrl-C again stops waiting for it ...")
    try:
        job.stop()
        return _choose_exit_code(job.follow(), resume, console)
    except JobLostError as error:
        return _report_loss(error, resume, console)
    except KeyboardInterrupt:
        print_line(
            console,
            f"No longer waiting. The cluster is still stopping the sweep; once it has stopped, resume with: {resume}",
        )
        return STOPPED


def _choose_exit_code(outcome: JobOutcome, resume: str, console: Console) -> int:
    if outcome.was_stopped:
        print_line(console, f"Stopped on the cluster. Resume with: {resume}")
        return STOPPED
    if outcome.exit_code in _SWEEP_EXIT_CODES:
        return outcome.exit_code
    print_line(
        console,
        f"The job died on the cluster ({outcome.message}). No reported result is lost. Resume with: {resume}",
    )
    return CLUSTER_LOST


def _report_loss(error: JobLostError, resume: str, console: Console) -> int:
    print_line(
        console,
        f"The sweep's job {error.problem}. Once the cluster answers, this command follows or resumes it: {resume}",
    )
    return CLUSTER_LOST
