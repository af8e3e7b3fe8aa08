"""The lock files of the images hold what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "docker" / "requirements"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
BY_INDEX = {"torch"}


def locked(image: str) -> dict[str, str]:
    """Versions by the name of the package."""
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)", (REQUIREMENTS / f"{image}.txt").read_text(), flags=re.MULTILINE)
    return dict(found)


def name_of(requirement: Requirement) -> str:
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cluster"]])
def test_a_cluster_has_what_the_project_asks_for(text: str) -> None:
    requirement = Requirement(text)
    if requirement.name in BY_INDEX:
        assert f"{text}\n" in (REPOSITORY / "docker" / "ray.Dockerfile").read_text()
    else:
        assert requirement.specifier.contains(locked("ray")[name_of(requirement)])


@pytest.mark.parametrize("image", ["mlflow", "serving"])
def test_every_image_has_the_same_versions(image: str) -> None:
    wanted = [
        Requirement(line) for line in (REQUIREMENTS / f"{image}.in").read_text().splitlines() if line[0] not in "#-"
    ]
    cluster = locked("ray")
    assert {name_of(requirement) for requirement in wanted} <= locked(image).keys()
    assert {name: version for name, version in locked(image).items() if cluster.get(name, version) != version} == {}


@pytest.mark.parametrize("image", ["ray", "mlflow", "serving"])
def test_every_package_has_its_checksums(image: str) -> None:
    text = (REQUIREMENTS / f"{image}.txt").read_text()
    assert len(re.findall(r"^[a-z0-9._-]+==\S+ \\\n    --hash=sha256:", text, flags=re.MULTILINE)) == len(locked(image))
