"""What the stack lets in, and what its images give away."""

import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_runner import REPOSITORY
from tests.support.container_stack import PUBLISHED, Stack, docker

pytestmark = pytest.mark.containers

_REACH = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor(64) as pool:
    print(*(place for place, there in zip(sys.argv[1:], pool.map(reached, sys.argv[1:])) if there))
"""
_LISTENING = "0A"


def status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"admin:{password}".encode()).decode()}


def listened(container: str) -> set[int]:
    """Ports at which something in a container listens beyond its loopback."""
    tables = docker("exec", container, "cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    places = [fields[1] for fields in map(str.split, tables) if len(fields) > 3 and fields[3] == _LISTENING]
    return {int(place.rpartition(":")[2], 16) for place in places if not place.startswith("0100007F")}


@pytest.fixture
def stranger(stack: Stack) -> Iterator[str]:
    """A container on a network of its own."""
    network = f"{stack.project}-strangers"
    docker("network", "create", network)
    container = docker("run", "-d", "--rm", "--network", network, "python:3.11-slim-bookworm", "sleep", "600")
    yield container
    docker("rm", "-f", container)
    docker("network", "rm", network)


def test_only_the_published_ports_are_reached_and_only_on_loopback(stack: Stack, stranger: str) -> None:
    places = {
        f"{address}:{port}"
        for container in stack.containers()
        for address in stack.addresses(container)
        for port in listened(container)
    }
    assert len(places) > 5
    assert docker("exec", stranger, "python", "-c", _REACH, *sorted(places)) == ""
    published = [stack.ports[name] for name in PUBLISHED[:2]]
    machine = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", stranger)
    assert docker("exec", stranger, "python", "-c", _REACH, *(f"{machine}:{port}" for port in published)) == ""
    here = [f"127.0.0.1:{port}" for port in published]
    reached = subprocess.run([sys.executable, "-c", _REACH, *here], capture_output=True, text=True, check=True).stdout
    assert reached.split() == here
    bound = docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", *stack.containers())
    assert set(re.findall(r'"HostIp":"([^"]*)"', bound)) == {"127.0.0.1"}


def test_mlflow_wants_the_password(stack: Stack) -> None:
    url = stack.url("MLFLOW_PORT") + "/api/2.0/mlflow/experiments/search?max_results=1"
    right = basic(stack.secret("tracker/password"))
    assert [status(url), status(url, basic("admin")), status(url, right)] == [401, 401, 200]
    assert status(url, {**right, "Host": "rebound.example"}) == 403
    create = stack.url("MLFLOW_PORT") + "/api/2.0/mlflow/experiments/create"
    assert status(create, {**right, "Origin": "http://elsewhere.example"}) in (403, 405)


def test_ray_wants_the_token(stack: Stack) -> None:
    for path in ("/api/jobs/", "/api/version", "/nodes?view=summary"):
        url = stack.url("RAY_PORT") + path
        right = {"Authorization": f"Bearer {stack.secret('ray/token')}"}
        assert status(url) in (401, 403)
        assert status(url, {"Authorization": "Bearer wrong"}) in (401, 403)
        assert status(url, right) == 200


def let_in(stack: Stack, address: str, token: str | None) -> bool:
    """Whether Ray takes a driver of a container that is within its network."""
    variables = ["-e", "RAY_AUTH_MODE=token", "-e", f"RAY_AUTH_TOKEN={token}"] if token else []
    words = ["timeout", "180", "python", "-c", f"import ray; ray.init({address!r}); print('let in')"]
    network = f"{stack.project}_cluster"
    command = ["docker", "run", "--rm", "--network", network, *variables, "ser-ray:latest", *words]
    return "let in" in subprocess.run(command, capture_output=True, text=True).stdout


def test_ray_client_wants_the_token(stack: Stack) -> None:
    address = "ray://cluster:10001"
    answers = [let_in(stack, address, token) for token in (None, "0" * 64, stack.secret("ray/token"))]
    assert answers == [False, False, True]


@pytest.mark.parametrize("token", [None, "0" * 64])
def test_a_driver_wants_the_token(stack: Stack, token: str | None) -> None:
    assert not let_in(stack, "cluster:6379", token)


def test_images_hold_no_secret(stack: Stack) -> None:
    secrets = [stack.secret(name) for name in ("tracker/password", "ray/token")]
    images = docker("image", "ls", "-q", "--filter", "reference=ser-*").split()
    seen = docker("image", "inspect", *images) + "".join(docker("history", "--no-trunc", image) for image in images)
    seen += docker("inspect", *stack.containers())
    assert len(images) == 4
    assert not [secret for secret in secrets if secret in seen]


@pytest.mark.usefixtures("stack")
def test_the_build_context_is_what_the_images_need(tmp_path: Path) -> None:
    for name in (".dockerignore", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for path in (
        "docker/.env",
        ".git/config",
        ".ser/sweeps/a",
        "data/cremad/a.wav",
        "ser/a.py",
        "ser/__pycache__/a.pyc",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("made up")
    (tmp_path / "docker" / "Dockerfile").write_text("FROM python:3.11-slim-bookworm\nCOPY . /context\n")
    image = docker("build", "-q", "-f", tmp_path / "docker" / "Dockerfile", tmp_path)
    found = docker("run", "--rm", image, "find", "/context", "-type", "f").split()
    docker("rmi", image)
    assert {path.removeprefix("/context/") for path in found} == {
        "LICENSE", "README.md", "docker/Dockerfile", "pyproject.toml", "ser/a.py",
    }  # fmt: skip
