"""Transforms of recordings against scipy, and what they draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from pydantic import ValidationError
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build, options_class


def make(name: str, **options: Any) -> Any:
    return build("transform", options_class("transform", name).model_validate({"type": name, **options}))


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize(
    "name, options, edges",
    [
        ("bandpass", {"low": 0.5, "high": 40.0}, [0.5, 40.0]),
        ("lowpass", {"edge": 5.0}, 5.0),
        ("highpass", {"edge": 0.5}, 0.5),
        ("bandstop", {"low": 49.0, "high": 51.0}, [49.0, 51.0]),
    ],
)
def test_filters_are_those_of_scipy_ends_included(name: str, options: dict[str, Any], edges: Any, phase: str) -> None:
    x = noise(3, 2000)
    sections = scipy.signal.butter(3, edges, name, fs=500, output="sos")
    function = scipy.signal.sosfiltfilt if phase == "zero" else scipy.signal.sosfilt
    found = make(name, **options, order=3, rate=500, phase=phase)(x)
    np.testing.assert_allclose(found, function(sections, x.numpy()), rtol=1e-9, atol=1e-10)
    assert make(name, **options, order=3, rate=500, phase=phase)(x.float()).dtype == torch.float32


def test_a_notch_is_that_of_scipy() -> None:
    x = noise(2, 1500)
    b, a = scipy.signal.iirnotch(50, 30, fs=500)
    np.testing.assert_allclose(make("notch", rate=500)(x), scipy.signal.filtfilt(b, a, x.numpy()), rtol=1e-9, atol=1e-12)


def test_what_does_not_know_its_rate_or_cannot_hold_a_frequency_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not know how many samples"):
        make("bandpass", low=1, high=10)
    with pytest.raises(ConfigError) as caught:
        make("bandpass", low=1, high=60, rate=100)
    assert "60 Hz" in caught.value.what and "50 Hz" in str(caught.value.why)
    with pytest.raises(ConfigError, match="mel bands from 0 to 9000 Hz"):
        make("mel", f_max=9000, rate=16000)
    with pytest.raises(DataError, match="too short"):
        make("bandpass", low=1, high=10, rate=100)(noise(1, 5))
    with pytest.raises(DataError, match="no numbers"):
        make("bandpass", low=1, high=10, rate=100)(torch.full((1, 500), float("nan")))
    with pytest.raises(ValidationError):
        make("gain", applies_in="always")
    with pytest.raises(DataError, match="too short"):
        make("mel", rate=16000)(noise(1, 50).float())


def test_each_channel_is_standardised_and_a_flat_one_is_zero() -> None:
    x = torch.stack([noise(100).float() * 5 + 3, torch.full((100,), 7.0)])
    found = make("standardize")(x)
    assert found[0].mean().abs() < 1e-5 and found[0].std(correction=0) == pytest.approx(1, abs=1e-5)
    assert bool((found[1] == 0).all())
    gaps = x.clone()
    gaps[0, 5:9], gaps[1] = float("nan"), float("nan")
    mended = make("standardize")(gaps)
    assert bool(torch.isfinite(mended).all()) and bool((mended[1] == 0).all()) and bool((mended[0, 5:9] == 0).all())
    spectrum = noise(2, 8, 50).float() + 4
    whole = make("standardize", by="recording")(spectrum)
    assert float(whole.mean()) == pytest.approx(0, abs=1e-5) and float(whole.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_recordings_come_to_one_length() -> None:
    x = noise(2, 50)
    assert make("fit_length", seconds=1, rate=80)(x).shape == (2, 80)
    np.testing.assert_array_equal(make("fit_length", seconds=1, rate=80, fill="repeat")(x)[:, 50:], x[:, :30])
    np.testing.assert_array_equal(make("fit_length", seconds=1, rate=20, place="middle")(x), x[:, 15:35])


def test_masks_cover_less_than_their_width_and_gains_noise_and_shifts_are_within_theirs() -> None:
    torch.manual_seed(0)
    x = noise(1, 40, 100).float() + 5
    widths = []
    for _ in range(200):
        masked = make("mask_frequency", width=8)(x)
        changed = (masked != x).any(dim=-1)[0]
        widths.append(int(changed.sum()))
        assert (masked != x).all(dim=-1)[0].sum() == changed.sum()
    assert max(widths) == 7 and min(widths) == 0
    assert np.mean(widths) == pytest.approx(3.5, abs=0.5)
    stretches = [int((make("mask_time", width=50, share=0.1)(x) != x).any(dim=1)[0].sum()) for _ in range(100)]
    assert max(stretches) == 9
    wave = noise(3, 4000).float()
    ratios = [float((make("gain", low=0.5, high=2)(wave) / wave).mean()) for _ in range(100)]
    assert 0.5 <= min(ratios) < 0.6 and 1.7 < max(ratios) <= 2
    added = make("add_noise", low=20, high=20)(wave) - wave
    assert 10 * np.log10(float(wave.var() / added.var())) == pytest.approx(20, abs=0.3)
    turned = make("shift", seconds=0.1, rate=100)(wave)
    assert any(bool((turned == wave.roll(by, -1)).all()) for by in range(-10, 11))


def test_leads_are_dropped_but_never_all_and_wander_is_slow_and_small() -> None:
    torch.manual_seed(0)
    wave = noise(12, 500).float()
    for _ in range(50):
        kept = (make("drop_leads", p=0.9)(wave) != 0).any(dim=-1)
        assert 1 <= int(kept.sum()) <= 12
    added = make("baseline_wander", size=0.2, rate=100)(wave) - wave
    assert float(added.abs().max()) <= 0.2001
    assert float(added.diff(dim=-1).abs().max()) <= 0.2 * 2 * np.pi * 0.5 / 100 + 1e-5
