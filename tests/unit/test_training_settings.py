import pytest

from ser.training.settings import Training, lr_factor


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {0.05: 0.5, 0.1: 1.0, 0.55: 1.0, 1.0: 1.0}),
        ("cosine", {0.05: 0.5, 0.1: 1.0, 0.55: 0.5, 1.0: 0.0}),
        ("one_cycle", {0.0: 0.04, 0.15: 0.52, 0.3: 1.0, 0.65: 0.5, 1.0: 0.0}),
    ],
)
def test_schedules(schedule, expected):
    settings = Training(schedule=schedule, warmup=0.1)
    assert {done: lr_factor(done, settings=settings) for done in expected} == pytest.approx(expected)
