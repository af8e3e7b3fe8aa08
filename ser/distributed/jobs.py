"""Jobs of a Ray cluster, controlled over HTTP: submit, find, follow the log to the end, stop."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import cast

from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient
from rich.console import Console

from ser.distributed.cluster import missing_token_error
from ser.errors import UserError

SWEEP = "sweep"
"""Key of the sweep's name in the metadata of a job."""

_SILENCE_S = 60.0
_GIVE_UP_S = 300.0
_PAUSE_S = 2.0
_NOISY_LOGGERS = (
    "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging",
)  # fmt: skip
_RUNNING = (JobStatus.PENDING, JobStatus.RUNNING)


JobClient = JobSubmissionClient
"""Ray's client of a cluster's job server."""

# Errors of Ray's client for a request that failed: no answer, or an answer of another program.
_REQUEST_ERRORS = (OSError, RuntimeError, RayError)


class JobLostError(UserError):
    """The cluster does not answer for a job, or does not know it; the problem continues 'The job ...'."""


def connect_to_jobs(address: str) -> JobSubmissionClient:
    """Connect to the job server of the cluster whose dashboard is at `address`.

    Raises:
        UserError: nothing or another program answers there, it requires a token, or Ray's job client is not installed.
    """
    # In the client this variable, and RAY_ADDRESS too, override its own argument.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        # Only the text tells Ray's own refusal from that of another program which answers with 401 or 403.
        is_ray = "authentication token" in str(error).partition("\n")[0]
        raise (missing_token_error(address) if is_ray else _no_dashboard_error(address)) from None
    except ConnectionError as error:
        raise UserError(
            f"nothing answers at '{address}' ({error})",
            "start the cluster, with its dashboard, or correct --ray-address (or RAY_ADDRESS)",
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        # Ray raises a plain RuntimeError where the packages of its job client are missing.
        if "ray[default]" in str(error):
            raise UserError(
                "Ray's job client, which submits sweeps, is not installed here", "pip install -e '.[cluster]'"
            ) from None
        raise _no_dashboard_error(address) from None


def _no_dashboard_error(address: str) -> UserError:
    return UserError(
        f"the server at '{address}' is no Ray dashboard",
        "give that of the cluster's head as --ray-address (or RAY_ADDRESS), which listens at port 8265 by default",
    )


def find_running_job(client: JobSubmissionClient, sweep: str) -> str | None:
    """Find the job that runs this sweep now; returns its id, or None.

    Raises:
        UserError: the cluster does not list its jobs.
    """
    try:
        running = [job for job in client.list_jobs() if job.status in _RUNNING]
    except _REQUEST_ERRORS as error:
        raise UserError(f"the cluster does not list its jobs ({describe_request_error(error)})", "try again") from None
    return next((job.submission_id for job in running if (job.metadata or {}).get(SWEEP) == sweep), None)


@dataclass(frozen=True)
class JobOutcome:
    """Outcome of a job.

    Attributes:
        was_stopped: it was stopped on request.
        exit_code: exit code of its driver process; None where that process died.
        message: first line of Ray's message.
    """

    was_stopped: bool
    exit_code: int | None
    message: str


def submit_job(
    client: JobSubmissionClient,
    *,
    entrypoint: str,
    job_id: str,
    working_dir: str,
    variables: Mapping[str, str],
    metadata: Mapping[str, str],
) -> None:
    """Submit a command as a job.

    Args:
        client: client of the cluster.
        entrypoint: command line.
        job_id: id of the new job.
        working_dir: folder that is copied to the cluster, where the command runs in it.
        variables: environment variables of the command.
        metadata: metadata of the job.

    Raises:
        UserError: the cluster does not accept the job.
    """
    try:
        client.submit_job(
            entrypoint=entrypoint,
            submission_id=job_id,
            runtime_env={"working_dir": working_dir, "env_vars": dict(variables)},
            metadata=dict(metadata),
        )
    except _REQUEST_ERRORS as error:
        raise UserError(
            f"the cluster does not accept the job ({describe_request_error(error)})",
            "look at its head's log, or try again",
        ) from None


class FollowedJob:
    """Job whose log is printed as it grows, each line once.

    Args:
        client: client of the cluster.
        job_id: id of the submitted job.
        console: console to print to.
    """

    def __init__(self, client: JobSubmissionClient, job_id: str, console: Console) -> None:
        self._client, self._job_id, self._console = client, job_id, console
        self._n_printed = 0

    def stop(self) -> None:
        """Request the orderly stop of the job, without waiting for its end.

        Raises:
            JobLostError: the cluster does not answer, or does not know the job.
        """
        try:
            self._client.stop_job(self._job_id)
        except _REQUEST_ERRORS as error:
            raise JobLostError(f"could not be stopped ({describe_request_error(error)})") from None

    def follow(self) -> JobOutcome:
        """Print the log until the job has ended, and return its outcome.

        Raises:
            JobLostError: the cluster does not answer for some minutes, or does not know the job any more.
        """
        lost_since: float | None = None
        while True:
            # The end of the stream says nothing about the job, so its status is requested below in any case.
            with suppress(*_REQUEST_ERRORS, *_stream_errors()):
                asyncio.run(self._print_stream())
            try:
                job = self._client.get_job_info(self._job_id)
            except _REQUEST_ERRORS as error:
                # Ray raises a plain RuntimeError for an unknown job.
                if f"{self._job_id} does not exist" in str(error):
                    raise JobLostError("is not known to the cluster any more, its head was restarted") from None
                lost_since = self._wait_for_cluster(lost_since, describe_request_error(error))
                continue
            if lost_since is not None:
                self._console.print("The cluster answers again.")
                lost_since = None
            if job.status.is_terminal():
                self._print_rest()
                return _read_outcome(job)
            time.sleep(_PAUSE_S)

    async def _print_stream(self) -> None:
        """Read the log from its start and print what is new, until it ends or nothing comes for a minute."""
        n_read = 0
        async with aclosing(cast(AsyncGenerator[str, None], self._client.tail_job_logs(self._job_id))) as chunks:
            with suppress(TimeoutError):
                while chunk := await asyncio.wait_for(anext(chunks, ""), _SILENCE_S):
                    self._print(chunk[max(0, self._n_printed - n_read) :])
                    n_read += len(chunk)

    def _print_rest(self) -> None:
        """Print the rest of the log, which a broken stream did not deliver."""
        with suppress(*_REQUEST_ERRORS):
            self._print(self._client.get_job_logs(self._job_id)[self._n_printed :])

    def _print(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)
        self._console.file.flush()
        self._n_printed += len(text)

    def _wait_for_cluster(self, lost_since: float | None, reason: str) -> float:
        """Wait a moment before the next request; returns the time since which the cluster does not answer."""
        if lost_since is None:
            lost_since = time.monotonic()
            self._console.print(
                f"The cluster does not answer ({reason}); trying again for {_GIVE_UP_S / 60:.0f} minutes. "
                "The sweep continues there without this command.",
                soft_wrap=True,
                markup=False,
            )
        if time.monotonic() - lost_since > _GIVE_UP_S:
            raise JobLostError(f"is out of reach, the cluster did not answer for {_GIVE_UP_S / 60:.0f} minutes")
        time.sleep(_PAUSE_S)
        return lost_since


def _read_outcome(job: JobDetails) -> JobOutcome:
    message = (job.message or "it left no message").splitlines()[0]
    return JobOutcome(job.status == JobStatus.STOPPED, job.driver_exit_code, message)


def _stream_errors() -> tuple[type[Exception], ...]:
    import aiohttp  # installed with Ray's job client only

    return (aiohttp.ClientError,)


def describe_request_error(error: Exception) -> str:
    """Describe in a few words why a request failed."""
    # The text of a broken connection says less than the name of its class.
    return str(error).strip().splitlines()[0] if type(error) is RuntimeError else type(error).__name__
