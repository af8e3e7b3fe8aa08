"""Ray: a local one for this command, or the cluster at an address."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray

_PROBE_S = 10.0


class ClusterError(RuntimeError):
    """Ray cannot be used; the message says why and what to do."""


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray while the block runs: the cluster at `address` (or RAY_ADDRESS), else a local one.

    Raises:
        ClusterError: an address that cannot serve, or that nothing answers at.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    _refuse_remote_drivers(address)
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
        raise ClusterError(_not_connected(address, str(error))) from None
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _not_connected(address: str | None, reason: str) -> str:
    if "Unauthenticated" in reason:
        return (
            f"the Ray cluster at '{address}' wants its token: set RAY_AUTH_TOKEN, or copy ~/.ray/auth_token of the "
            "machine that started it"
        )
    return (
        f"no Ray cluster answers at '{address}' ({reason.splitlines()[0]}): start one with `ray start --head`, correct "
        "--ray-address (or RAY_ADDRESS), or leave it away to use this machine alone"
    )


def resources() -> dict[str, float]:
    """What the cluster has, such as CPU and GPU, at this moment."""
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def _refuse_remote_drivers(address: str | None) -> None:
    scheme = (address or "").partition("://")[0]
    if scheme in ("ray", "http", "https"):
        raise ClusterError(
            f"'{address}' would run the sweep elsewhere while its journal stays here. Run this command on a machine of "
            "the cluster with --ray-address auto; from outside, submit it: "
            "ray job submit --address http://HEAD:8265 -- python tune/run_sweep.py ..."
        )


def _probe(address: str | None) -> None:
    """Fail where nobody listens; Ray itself would try for many minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S).close()
