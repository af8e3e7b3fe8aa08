"""Connection to Ray: a local instance for this command, or the cluster at an address."""

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

_CONNECT_TIMEOUT_S = 10.0
_CHECK_EVERY_S = 1.0
_WORKERS_TIMEOUT_S = 60.0


@contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Connect to the cluster at `address` (or RAY_ADDRESS) while the block runs, else start a local Ray for it.

    Raises:
        UserError: an address that cannot be used, no cluster answers there, or the local Ray has died.
    """
    refuse_remote_drivers(address)
    address = address or os.environ.get("RAY_ADDRESS") or None
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        _check_listening(address)
        ray.init(
            address=address or "local",
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except Exception as error:  # a node that starts too slowly is a plain Exception of Ray's
        raise _connection_error(address, error) from None
    # `ray.init` installs a handler of its own, which aborts the process.
    signal.signal(signal.SIGTERM, on_sigterm)
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with _stop_when_ray_dies():
            yield
    finally:
        with _ignore_interrupts():
            ray.shutdown()


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, which would make a Ray that is shutting down end this process with its own exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _stop_when_ray_dies() -> Iterator[None]:
    """Interrupt the block when the local Ray dies, before Ray ends this process itself some seconds later."""
    died, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_CHECK_EVERY_S):
            if _is_raylet_dead():
                died.set()
                os.kill(os.getpid(), signal.SIGINT)
                return

    threading.Thread(target=watch, name="ray-watch", daemon=True).start()
    try:
        yield
    except BaseException:
        if not died.is_set():
            raise
    finally:
        done.set()
    if died.is_set():
        raise UserError(
            "Ray has died on this machine (its raylet was killed, as the kernel does when memory runs out)",
            "nothing that was reported is lost, run the same command with --resume",
        )


def _is_raylet_dead() -> bool:
    """Check the raylet that this process started."""
    # Ray has no public function for this.
    node: Any = ray._private.worker._global_node
    return node is not None and any(kind == "raylet" for kind, _ in node.dead_processes())


def missing_token_error(address: str | None) -> UserError:
    """Error for a token that is missing or wrong."""
    return UserError(
        f"the Ray cluster at '{address}' requires its token",
        "set RAY_AUTH_TOKEN, or copy ~/.ray/auth_token of the machine that started it",
    )


def _connection_error(address: str | None, error: Exception) -> UserError:
    reason = str(error).splitlines()[0]
    # Ray raises a plain RuntimeError for a wrong token and for other versions.
    if "Unauthenticated" in str(error):
        return missing_token_error(address)
    if "Version mismatch" in str(error):
        return UserError(
            f"the Ray cluster at '{address}' must have the same versions of Ray and Python as this machine",
            f"use one Ray and one Python at both ends; here it is Ray {version('ray')}",
        )
    if address is None:
        return UserError(f"Ray does not start on this machine ({reason})")
    return UserError(
        f"no Ray cluster answers at '{address}' ({reason})",
        "start one with `ray start --head`, correct --ray-address (or RAY_ADDRESS), or omit it to use this machine "
        "alone",
    )


def resources() -> dict[str, float]:
    """Resources that the cluster has at this moment, such as CPU and GPU, in use or free."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def describe_cluster() -> str:
    """One line with version of Ray, machines, CPUs and GPUs of the cluster."""
    total = resources()
    n_machines = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
    return (
        f"Ray {version('ray')}, as here; {n_machines} machines, {total.get('CPU', 0):g} CPUs, "
        f"{total.get('GPU', 0):g} GPUs"
    )


def refuse_too_large(needs: Mapping[str, float]) -> None:
    """Refuse trials that are too large for every machine and would wait for ever.

    The machines of a cluster that has just been started get a minute to join it.

    Args:
        needs: resources of a trial in the form of Tune: 'cpu' and 'gpu'.

    Raises:
        UserError: no machine has as much.
    """
    machines = _list_machines()
    if not any(all(machine.get(name.upper(), 0) >= amount for name, amount in needs.items()) for machine in machines):
        largest = max(machine.get("CPU", 0) for machine in machines)
        raise UserError(
            f"a trial needs {needs['cpu']:g} CPUs and {needs['gpu']:g} GPUs, the largest machine has {largest:g} CPUs",
            "lower cpus_per_trial or gpus_per_trial in the plan",
        )


def _list_machines() -> list[dict[str, float]]:
    """Resources of each machine."""
    # A head without a core of its own is there before its workers.
    deadline = time.monotonic() + _WORKERS_TIMEOUT_S
    while True:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if any(machine.get("CPU") for machine in machines) or time.monotonic() > deadline:
            return machines
        time.sleep(_CHECK_EVERY_S)


def refuse_remote_drivers(address: str | None) -> None:
    """Refuse an address (or RAY_ADDRESS) through which this process cannot be the driver process of a cluster.

    Raises:
        UserError: an address of Ray's client or of its job server.
    """
    if resolve_job_server(address):
        raise UserError(
            f"'{resolve_job_server(address)}' accepts only sweeps, which tune/run_sweep.py submits",
            "run this command on a machine of the cluster with --ray-address auto",
        )
    address = address or os.environ.get("RAY_ADDRESS") or ""
    if address.startswith("ray://"):
        raise UserError(
            f"'{address}' would run the sweep elsewhere while its journal stays here",
            "submit it with tune/run_sweep.py --ray-address http://HEAD:8265, or run this command on a machine of the "
            "cluster with --ray-address auto",
        )


def resolve_job_server(address: str | None) -> str | None:
    """Return the address (or RAY_ADDRESS) if it is that of a job server, such as http://HEAD:8265; else None."""
    address = address or os.environ.get("RAY_ADDRESS") or ""
    return address if address.startswith(("http://", "https://")) else None


def _check_listening(address: str | None) -> None:
    """Raise OSError where no process listens, for which Ray itself would wait many minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()
