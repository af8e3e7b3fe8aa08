"""A job of a Ray cluster as seen from outside: found, followed line by line to its end, stopped."""

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

from ser.distributed.cluster import describe_missing_token
from ser.errors import UserError

SWEEP = "sweep"  # key of a job's metadata

_SILENCE_S = 60.0
_PATIENCE_S = 300.0
_PAUSE_S = 2.0
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging",
)  # fmt: skip
_RUNNING = (JobStatus.PENDING, JobStatus.RUNNING)


# Of a request to the cluster: nothing answers, or something amiss does.
JobClient = JobSubmissionClient
"""Ray's client of a cluster's job server."""

UNANSWERED = (OSError, RuntimeError, RayError)


class JobLostError(UserError):
    """A job that nothing is heard of any more."""


def connect_to_jobs(address: str) -> JobSubmissionClient:
    """The client of the cluster whose dashboard is at `address`.

    Raises:
        UserError: nothing or something else answers there, it wants a token, or Ray's job client is not installed.
    """
    # The client takes this above its own argument, and RAY_ADDRESS too.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        if "authentication token" not in str(error).partition("\n")[0]:  # not Ray's own refusal
            raise UserError(_is_other(address)) from None
        raise UserError(describe_missing_token(address)) from None
    except ConnectionError as error:
        raise UserError(
            f"nothing answers at '{address}' ({error}): start the cluster, with its dashboard, or correct "
            "--ray-address (or RAY_ADDRESS)"
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "ray[default]" in str(error):
            raise UserError(
                "Ray's job client is not installed here, which submits sweeps: pip install -e '.[cluster]'"
            ) from None
        raise UserError(_is_other(address)) from None


def _is_other(address: str) -> str:
    return (
        f"what answers at '{address}' is no Ray dashboard: give that of the cluster's head as --ray-address (or "
        "RAY_ADDRESS), which listens at port 8265 by default"
    )


def find_running_job(client: JobSubmissionClient, sweep: str) -> str | None:
    """Id of the job that runs this sweep now, if any does.

    Raises:
        UserError: the cluster does not tell.
    """
    try:
        running = [job for job in client.list_jobs() if job.status in _RUNNING]
    except UNANSWERED as error:
        raise UserError(f"the cluster does not tell its jobs ({describe_request_error(error)}): try again") from None
    return next((job.submission_id for job in running if (job.metadata or {}).get(SWEEP) == sweep), None)


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended: stopped on request, or by itself with an exit code (None where its driver process died)."""

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
    """Submit a command with the folder that it runs in.

    Raises:
        UserError: the cluster does not take the job.
    """
    try:
        client.submit_job(
            entrypoint=entrypoint,
            submission_id=job_id,
            runtime_env={"working_dir": working_dir, "env_vars": dict(variables)},
            metadata=dict(metadata),
        )
    except UNANSWERED as error:
        raise UserError(
            f"the cluster does not take the job ({describe_request_error(error)})",
            "look at its head's log, or try again",
        ) from None


class FollowedJob:
    """A job whose log is shown as it grows, each line once.

    Args:
        client: of the cluster.
        job_id: as it was submitted.
        console: to print to.
    """

    def __init__(self, client: JobSubmissionClient, job_id: str, console: Console) -> None:
        self._client, self._job_id, self._console = client, job_id, console
        self._n_shown = 0

    def stop(self) -> None:
        """Have the job stopped, in order; it takes its time to end.

        Raises:
            JobLostError: the cluster does not answer, or does not know the job.
        """
        try:
            self._client.stop_job(self._job_id)
        except UNANSWERED as error:
            raise JobLostError(f"could not be asked to stop ({describe_request_error(error)})") from None

    def until_end(self) -> JobOutcome:
        """Show the log until the job has ended; how it ended.

        Raises:
            JobLostError: the cluster does not answer for some minutes, or does not know the job any more.
        """
        lost_since: float | None = None
        while True:
            # However the stream ends, the job itself is asked how it is.
            with suppress(*UNANSWERED, *_stream_errors()):
                asyncio.run(self._stream())
            try:
                job = self._client.get_job_info(self._job_id)
            except UNANSWERED as error:
                if f"{self._job_id} does not exist" in str(error):
                    raise JobLostError("is not known to the cluster any more: its head was started anew") from None
                lost_since = self._wait_again(lost_since, describe_request_error(error))
                continue
            if lost_since is not None:
                self._console.print("The cluster answers again.")
                lost_since = None
            if job.status.is_terminal():
                self._show_rest()
                return _outcome(job)
            time.sleep(_PAUSE_S)

    async def _stream(self) -> None:
        """The log from its start, of which only what is new is shown, until it ends or is silent for long."""
        n_read = 0
        async with aclosing(cast(AsyncGenerator[str, None], self._client.tail_job_logs(self._job_id))) as chunks:
            with suppress(TimeoutError):
                while chunk := await asyncio.wait_for(anext(chunks, ""), _SILENCE_S):
                    self._show(chunk[max(0, self._n_shown - n_read) :])
                    n_read += len(chunk)

    def _show_rest(self) -> None:
        """What a stream that broke has not brought."""
        with suppress(*UNANSWERED):
            self._show(self._client.get_job_logs(self._job_id)[self._n_shown :])

    def _show(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)
        self._console.file.flush()
        self._n_shown += len(text)

    def _wait_again(self, lost_since: float | None, reason: str) -> float:
        if lost_since is None:
            lost_since = time.monotonic()
            self._console.print(
                f"The cluster does not answer ({reason}); trying again for {_PATIENCE_S / 60:.0f} minutes. "
                "The sweep goes on there without this command.",
                soft_wrap=True,
                markup=False,
            )
        if time.monotonic() - lost_since > _PATIENCE_S:
            raise JobLostError(f"is out of reach: the cluster did not answer for {_PATIENCE_S / 60:.0f} minutes")
        time.sleep(_PAUSE_S)
        return lost_since


def _outcome(job: JobDetails) -> JobOutcome:
    message = (job.message or "it left no message").splitlines()[0]
    return JobOutcome(job.status == JobStatus.STOPPED, job.driver_exit_code, message)


def _stream_errors() -> tuple[type[Exception], ...]:
    import aiohttp  # the job client needs it, nothing else here does

    return (aiohttp.ClientError,)


def describe_request_error(error: Exception) -> str:
    """Why a request was not answered, in a few words: those of a broken connection say less than their kind."""
    return str(error).strip().splitlines()[0] if type(error) is RuntimeError else type(error).__name__
