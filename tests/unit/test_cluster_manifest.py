"""The manifest for Ray's cluster launcher, by Ray's own schema."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

DOCKER = Path(__file__).resolve().parents[2] / "docker"


@pytest.fixture
def manifest() -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / "cluster.yaml").read_text()))


def test_the_launcher_takes_it(manifest: dict[str, Any]) -> None:
    config = prepare_config(manifest)
    validate_config(config)
    assert config["max_workers"] == len(manifest["provider"]["worker_ips"])


def test_the_launcher_refuses_what_it_does_not_know(manifest: dict[str, Any]) -> None:
    broken = prepare_config(copy.deepcopy(manifest))
    broken["docker"]["picture"] = "ser-ray"
    with pytest.raises(ValidationError, match="picture"):
        validate_config(broken)


def test_it_shares_settings_with_the_stack_of_one_host(manifest: dict[str, Any]) -> None:
    head = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["ray-head"]["environment"]
    options = manifest["docker"]["head_run_options"]
    assert {f"--env={name}={head[name]}" for name in ("SER_HOME", "SER_DATA")} <= set(options)
