"""The decay grows as the closed form says, and its state goes and comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trainwright as tw
from trainwright.optim.ema_warmup import EMAWarmup


@settings(deadline=None)
@given(
    t=st.integers(0, 10**6),
    start=st.integers(0, 1000),
    inv_gamma=st.floats(0.01, 1000),
    power=st.floats(0, 3),
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
def test_the_value_is_the_clamped_inverse_decay_and_the_least_before_the_start(
    t: int, start: int, inv_gamma: float, power: float, bounds: list[float]
) -> None:
    low, high = bounds
    value = EMAWarmup(inv_gamma, power, low, high, start, last_epoch=t).get_value()
    if t <= start:
        assert value == low  # as k-diffusion, whose place before the start is clamped to 0
    assert value == pytest.approx(min(high, max(low, 1 - (1 + max(0, t - start) / inv_gamma) ** -power)), abs=1e-12)


@pytest.mark.parametrize(
    ("power", "updates", "decay"),
    [(2 / 3, 31_600, 0.999), (2 / 3, 1_000_000, 0.9999), (3 / 4, 10_000, 0.999), (3 / 4, 215_400, 0.9999)],
)
def test_the_recommended_powers_reach_the_decays_they_are_known_for(power: float, updates: int, decay: float) -> None:
    assert EMAWarmup(power=power, last_epoch=updates).get_value() == pytest.approx(decay, abs=1e-6)


def test_stepping_counts_updates_from_the_last_one() -> None:
    warmup = EMAWarmup(start_at=2, last_epoch=1)
    values = []
    for _ in range(4):
        values.append(warmup.get_value())
        warmup.step()
    assert values == [0.0, 0.0, 0.5, pytest.approx(2 / 3)]


def test_the_state_survives_json() -> None:
    warmup = EMAWarmup(3.0, 0.7, 0.1, 0.9, 4, 17)
    state = json.loads(json.dumps(warmup.state_dict()))
    assert state == {"inv_gamma": 3.0, "power": 0.7, "min_value": 0.1, "max_value": 0.9, "start_at": 4, "last_epoch": 17}
    other = EMAWarmup()
    other.load_state_dict({**state, "foreign": 1})
    assert other.get_value() == warmup.get_value()
    assert other.state_dict() == warmup.state_dict()


@pytest.mark.parametrize(
    "wrong", [{"inv_gamma": 0.0}, {"power": -1.0}, {"min_value": 0.5, "max_value": 0.4}, {"max_value": 1.5}, {"min_value": -0.1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EMAWarmup(**wrong)  # type: ignore[arg-type]


def test_it_is_public() -> None:
    assert tw.EMAWarmup is EMAWarmup
