"""Ray: a local one for this command, or the cluster at an address."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import ray

from ser.errors import UserError

_PROBE_S = 10.0
_LOOK_EVERY_S = 1.0
_WORKERS_COME_S = 60.0


@contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Ray while the block runs: the cluster at `address` (or RAY_ADDRESS), else a local one.

    Raises:
        UserError: an address that cannot serve, or that nothing answers at; or the local Ray has died.
    """
    refuse_remote_drivers(address)
    address = address or os.environ.get("RAY_ADDRESS") or None
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        _probe(address)
        ray.init(
            address=address or "local",
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _connection_error(address, str(error)) from None
    # Ray has put a handler of its own there, which aborts the process.
    signal.signal(signal.SIGTERM, on_sigterm)
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with _watched():
            yield
    finally:
        with _deaf():
            ray.shutdown()


@contextmanager
def _deaf() -> Iterator[None]:
    """Hear no Ctrl-C: a Ray that is half shut down ends this process itself, with an exit code of its own."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _watched() -> Iterator[None]:
    """Stop as on Ctrl-C when the local Ray dies: some seconds later Ray would end this process in mid-sentence."""
    died, done = threading.Event(), threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_EVERY_S):
            if _raylet_died():
                died.set()
                os.kill(os.getpid(), signal.SIGINT)
                return

    threading.Thread(target=look, name="ray-watch", daemon=True).start()
    try:
        yield
    except BaseException:
        if not died.is_set():
            raise
    finally:
        done.set()
    if died.is_set():
        raise UserError(
            "Ray has died on this machine (its raylet was killed, as the kernel does when memory runs out): nothing "
            "that was reported is lost, run the same command with --resume"
        )


def _raylet_died() -> bool:
    """Of a Ray that this process started. Ray has no public way to ask."""
    node: Any = ray._private.worker._global_node
    return node is not None and any(kind == "raylet" for kind, _ in node.dead_processes())


def describe_missing_token(address: str | None) -> str:
    """What a user is told whose token is missing or wrong."""
    return (
        f"the Ray cluster at '{address}' wants its token: set RAY_AUTH_TOKEN, or copy ~/.ray/auth_token of the "
        "machine that started it"
    )


def _connection_error(address: str | None, reason: str) -> UserError:
    """Translate the message of Ray, whose errors have no types of their own."""
    if "Unauthenticated" in reason:
        return UserError(describe_missing_token(address))
    if address is None:
        return UserError(f"Ray does not start on this machine ({reason.splitlines()[0]})")
    if "Version mismatch" in reason:
        return UserError(
            f"the Ray cluster at '{address}' must have the same versions of Ray and Python as this machine",
            f"use one Ray and one Python at both ends; here it is Ray {version('ray')}",
        )
    return UserError(
        f"no Ray cluster answers at '{address}' ({reason.splitlines()[0]})",
        "start one with `ray start --head`, correct --ray-address (or RAY_ADDRESS), or omit it to use this machine",
    )


def resources() -> dict[str, float]:
    """What the cluster has, such as CPU and GPU, at this moment."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def describe_cluster() -> str:
    """Version of Ray, machines, CPUs and GPUs of the cluster, in a line."""
    total = resources()
    n_machines = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
    return (
        f"Ray {version('ray')}, as here; {n_machines} machines, {total.get('CPU', 0):g} CPUs, "
        f"{total.get('GPU', 0):g} GPUs"
    )


def refuse_too_large(needs: Mapping[str, float]) -> None:
    """Refuse trials that would wait for ever; machines of a cluster that is only starting are waited for.

    Args:
        needs: of a trial, as Tune takes it: 'cpu' and 'gpu'.

    Raises:
        UserError: no machine has as much.
    """
    machines = _machines()
    if not any(all(machine.get(name.upper(), 0) >= amount for name, amount in needs.items()) for machine in machines):
        largest = max(machine.get("CPU", 0) for machine in machines)
        raise UserError(
            f"a trial needs {needs['cpu']:g} CPUs and {needs['gpu']:g} GPUs, the largest machine has {largest:g} CPUs: "
            "lower cpus_per_trial or gpus_per_trial in the plan"
        )


def _machines() -> list[dict[str, float]]:
    """What each has. A head without a core of its own is there before its workers."""
    deadline = time.monotonic() + _WORKERS_COME_S
    while True:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if any(machine.get("CPU") for machine in machines) or time.monotonic() > deadline:
            return machines
        time.sleep(_LOOK_EVERY_S)


def refuse_remote_drivers(address: str | None) -> None:
    """Refuse an address (or RAY_ADDRESS) at which this process cannot drive a cluster.

    Raises:
        UserError: an address of Ray's client or of its job server.
    """
    if resolve_job_server(address):
        raise UserError(
            f"'{resolve_job_server(address)}' takes sweeps alone, as tune/run_sweep.py submits them: run this command "
            "on a machine of the cluster with --ray-address auto"
        )
    address = address or os.environ.get("RAY_ADDRESS") or ""
    if address.startswith("ray://"):
        raise UserError(
            f"'{address}' would run the sweep elsewhere while its journal stays here: submit it with tune/run_sweep.py "
            "--ray-address http://HEAD:8265, or run this command on a machine of the cluster with --ray-address auto"
        )


def resolve_job_server(address: str | None) -> str | None:
    """The address (or RAY_ADDRESS) where it is that of a cluster's job server, as http://HEAD:8265; else None."""
    address = address or os.environ.get("RAY_ADDRESS") or ""
    return address if address.startswith(("http://", "https://")) else None


def _probe(address: str | None) -> None:
    """Fail where nobody listens; Ray itself would try for many minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S).close()
