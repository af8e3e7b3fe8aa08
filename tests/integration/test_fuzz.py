"""A sample of what `tests/soak` sends by the hundred thousand."""

import pytest

from tests.support.model_server import Server, request_of, sound, text
from tests.support.serving_fuzzer import fuzz

pytestmark = pytest.mark.integration

N_REQUESTS = 2_000


def test_nothing_that_is_sent_breaks_the_server_or_its_manners(server: Server, guarded: Server) -> None:
    outcome = fuzz(guarded, server, n_requests=N_REQUESTS, seed=1, told=print)
    assert outcome.wrong == []
    assert outcome.statuses.total() == N_REQUESTS
    # The mutations reach every layer: some sounds survive them, some do not, some requests are no requests.
    assert {200, 400, 415, 422} <= set(outcome.statuses)
    assert outcome.late_growth() < 1.2
    assert server.post(request_of([text(sound([0.1, -0.1] * 8_000))])).status == 200
