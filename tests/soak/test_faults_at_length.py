"""A hundred faults at random moments, every one of the cluster's, and a hundred thousand requests: nothing is wrong.

`pytest -s -m soak` shows how it goes and the tables. The modules of tests/support that do it run as commands too.
"""

from pathlib import Path
from random import Random

import pytest

from tests.support import container_soak, soak
from tests.support.container_faults import CLUSTER_FAULTS
from tests.support.container_stack import Stack
from tests.support.injected_faults import FAULTS
from tests.support.model_server import Server
from tests.support.serving_fuzzer import N_REQUESTS, fuzz

pytestmark = pytest.mark.soak


def test_a_hundred_faults_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    names = soak.possible(list(FAULTS), tmp_path / "mounted")
    (tmp_path / "soak").mkdir()
    rows = soak.soak(tmp_path / "soak", Random(0), names, soak.N_FAULTS)
    print(soak.table(rows))
    assert soak.n_wrong(rows) == 0
    assert sum(row.injected for row in rows) == soak.N_FAULTS


def test_each_fault_of_a_cluster_of_containers_loses_nothing_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    rows = container_soak.soak_cluster(stack, tmp_path, CLUSTER_FAULTS)
    print(container_soak.table(rows))
    assert container_soak.is_right(rows)
    assert len(rows) == len(CLUSTER_FAULTS)


def test_a_hundred_thousand_requests_break_nothing(server: Server, guarded: Server) -> None:
    outcome = fuzz(guarded, server, n_requests=N_REQUESTS, seed=0, told=print)
    assert outcome.wrong == []
    assert outcome.statuses.total() == N_REQUESTS
    assert outcome.late_growth() < 1.2
    with server.another() as another:
        assert another.is_up()
