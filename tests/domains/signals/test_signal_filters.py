"""Filters against scipy: stored numbers, every kind of edge, pieces, gradients, and what must hold of any filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals import processing
from trainwright.domains.signals.processing import (
    FilterStream,
    bandpass,
    detrend,
    fir,
    fir_filtfilt,
    highpass,
    lowpass,
    notch,
    preset_filter,
    remove_baseline,
    resample,
    sosfilt,
    sosfiltfilt,
    steady_state,
)
from trainwright.domains.signals.processing.baselines import medians

HERE = Path(__file__).with_name("golden")
GOLDEN = np.load(HERE / "filters_and_resampling.npz")
ECG = torch.from_numpy(np.load(HERE / "ecg_500hz.npz")["microvolts"] / 1000)
BAND: Any = {"low": 0.5, "high": 40, "order": 3, "rate": 500}
EDA, RSP = torch.from_numpy(GOLDEN["eda"]), torch.from_numpy(GOLDEN["rsp"])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stored(x: Tensor) -> np.ndarray:
    n = x.shape[-1]
    return np.atleast_2d(x.numpy())[:, np.unique(np.r_[0:24, 24 : n - 24 : 61, n - 24 : n])]


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 3e-6)])
@pytest.mark.parametrize(
    "key, call",
    [
        ("ecg_fir_3_45_filtfilt", lambda t: fir(ECG.to(t), low=3, high=45, rate=500)),
        ("ecg_fir_3_45_filtfilt", lambda t: preset_filter(ECG.to(t), "ecg", rate=500)),
        ("ecg_fir_3_45_lfilter", lambda t: fir(ECG[:1].to(t), low=3, high=45, rate=500, phase="causal")),
        ("eda_low5_o4_sosfiltfilt", lambda t: preset_filter(EDA.to(t), "eda", rate=100)),
        ("eda_low5_o4_sosfilt", lambda t: lowpass(EDA.to(t), 5, rate=100, phase="causal")),
        ("eda_low5_o4_sosfilt_zi_x0", lambda t: FilterStream("lowpass", settled=True, edge=5, rate=100)(EDA.to(t))),
        ("rsp_band0p1_0p35_o2_sosfiltfilt", lambda t: preset_filter(RSP.to(t), "respiration", rate=100)),
        ("rsp_band0p1_0p35_o2_sosfilt", lambda t: bandpass(RSP.to(t), 0.1, 0.35, order=2, rate=100, phase="causal")),
        ("ecg_band0p5_40_o3_sosfiltfilt", lambda t: bandpass(ECG[:2].to(t), 0.5, 40, order=3, rate=500)),
        ("ecg_band0p5_40_o3_sosfilt", lambda t: bandpass(ECG[:2].to(t), 0.5, 40, order=3, rate=500, phase="causal")),
        ("ecg_band0p5_40_o3_sosfilt_zi_x0", lambda t: FilterStream("bandpass", settled=True, **BAND)(ECG[:2].to(t))),
        ("ecg_high0p5_o5_sosfiltfilt", lambda t: highpass(ECG[:1].to(t), 0.5, order=5, rate=500)),
        ("ecg_high0p5_o5_sosfilt", lambda t: highpass(ECG[:1].to(t), 0.5, order=5, rate=500, phase="causal")),
        ("notch50_q30_filtfilt", lambda t: notch(ECG[:1].to(t), 50, rate=500)),
        ("detrend_linear", lambda t: detrend(ECG[:1].to(t))),
    ],
)  # fmt: skip
def test_filters_are_those_that_scipy_stored(key: str, call: Any, dtype: torch.dtype, tolerance: float) -> None:
    expected = GOLDEN[f"filters/{key}"]
    found = call(dtype)
    assert found.dtype == dtype
    np.testing.assert_allclose(stored(found), expected, rtol=0, atol=tolerance * max(abs(expected).max(), 1))


EXTREMES = [
    ("highpass", 5, 0.01, 1000),
    ("lowpass", 8, 0.1, 1000),
    ("bandpass", 4, [0.05, 150.0], 1000),
    ("bandpass", 5, [0.05, 0.15], 1000),
    ("bandstop", 3, [49.0, 51.0], 500),
    ("lowpass", 1, 30.0, 100),
    ("highpass", 3, 49.9, 100),
    ("lowpass", 12, 40.0, 500),
]


@pytest.mark.parametrize("kind, order, edges, rate", EXTREMES)
def test_float32_keeps_five_digits_of_the_slowest_filters_of_a_drifting_signal_far_from_zero(
    kind: str, order: int, edges: Any, rate: int
) -> None:
    sections = scipy.signal.butter(order, edges, kind, fs=rate, output="sos")
    x = noise(3, 12_000) + 0.05 * noise(3, 12_000, seed=1).cumsum(-1) + 10
    for function, ours in ((scipy.signal.sosfiltfilt, sosfiltfilt), (scipy.signal.sosfilt, lambda s, v: sosfilt(s, v)[0])):
        expected = function(sections, x.numpy())
        size = max(abs(expected).max(), 1e-3 * float(x.abs().max()))  # what is left of 10 by a filter that leaves nothing is rounding
        np.testing.assert_allclose(ours(sections, x), expected, rtol=0, atol=1e-7 * size)
        np.testing.assert_allclose(ours(sections, x.float()), expected, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("time", [22, 23, 31, 32, 33, 64, 469, 470, 471, 511, 512, 513, 8150, 8192])
def test_every_length_is_filtered_as_by_scipy(time: int) -> None:
    sections = scipy.signal.butter(3, [0.5, 40], "bandpass", fs=500, output="sos")
    x = noise(2, time)
    np.testing.assert_allclose(sosfiltfilt(sections, x), scipy.signal.sosfiltfilt(sections, x.numpy()), rtol=0, atol=1e-9)
    np.testing.assert_allclose(sosfilt(sections, x)[0], scipy.signal.sosfilt(sections, x.numpy()), rtol=0, atol=1e-9)


def test_a_batch_of_any_dimensions_is_filtered_row_by_row() -> None:
    x = noise(3, 2, 4, 700)
    whole = bandpass(x, 1, 40, rate=250)
    for row in (0, 2):
        torch.testing.assert_close(whole[row, 1], bandpass(x[row, 1], 1, 40, rate=250), rtol=0, atol=1e-13)
    assert bandpass(x[:0], 1, 40, rate=250).shape == (0, 2, 4, 700)
    assert bandpass(x[0, 0, 0], 1, 40, rate=250).shape == (700,)
    torch.testing.assert_close(bandpass(x.transpose(0, 2), 1, 40, rate=250), whole.transpose(0, 2), rtol=0, atol=1e-13)
    assert lowpass((x * 100).to(torch.int16), 20, rate=250).dtype == torch.float32
    half = lowpass(x.half(), 20, rate=250)
    assert half.dtype == torch.float16 and float((half - lowpass(x, 20, rate=250)).abs().max()) < 5e-3


@pytest.mark.parametrize(
    "name, options", [("bandpass", {"low": 0.5, "high": 40.0}), ("notch", {"frequency": 50.0}), ("fir", {"low": 3.0, "high": 45.0})]
)
def test_a_stream_in_pieces_is_one_pass(name: str, options: dict[str, float]) -> None:
    x = noise(2, 3, 6000) + 2
    cuts = np.random.default_rng(0).multinomial(6000, np.ones(20) / 20)
    stream = FilterStream(name, rate=500, **options)
    found = torch.cat([stream(each) for each in x.split([*cuts[:10], 0, *cuts[10:]], dim=-1)], dim=-1)
    whole = FilterStream(name, rate=500, **options)
    torch.testing.assert_close(found, whole(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(stream.state, whole.state, rtol=0, atol=1e-12)
    moved = FilterStream(name, rate=500, **options)
    moved.state = stream.state
    torch.testing.assert_close(moved(x[..., :40]), whole(x[..., :40]), rtol=0, atol=1e-12)


def test_a_stream_that_begins_settled_has_no_step() -> None:
    for name, options in (("lowpass", {"edge": 5.0}), ("fir", {"high": 20.0})):
        found = FilterStream(name, settled=True, rate=250, **options)(torch.full((2, 300), 7.0))
        np.testing.assert_allclose(found, 7.0, rtol=1e-5)
    sections = scipy.signal.butter(4, 5, fs=100, output="sos")
    assert float(sosfilt(sections, EDA, steady_state(sections, EDA[0]))[0][0]) == pytest.approx(float(EDA[0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: bandpass(x, 1, 20, rate=100, order=2),
        lambda x: lowpass(x, 10, rate=100, order=3, phase="causal"),
        lambda x: fir(x, high=20, rate=100, taps=9),
        lambda x: fir(x, low=20, rate=100, taps=9, phase="centred"),
        lambda x: fir(x, low=20, rate=100, taps=9, phase="causal"),
        lambda x: notch(x, 20, rate=100),
        lambda x: detrend(x, 2),
        lambda x: remove_baseline(x, [0.03, 0.07], rate=100),
        lambda x: resample(x, 60, rate=100),
        lambda x: resample(x, 150, rate=100, ends="line"),
        lambda x: resample(x, 60, rate=100, method="fourier"),
        lambda x: resample(x, 60, rate=100, method="sinc"),
    ],
)
def test_gradients_pass(call: Any) -> None:
    assert torch.autograd.gradcheck(call, noise(2, 41).requires_grad_())


def test_a_zero_phase_filter_of_the_reversed_recording_is_reversed_away_from_the_ends() -> None:
    for call in (lambda x: bandpass(x, 5, 40, rate=500), lambda x: fir(x, low=3, high=45, rate=500), lambda x: notch(x, rate=500)):
        there, back = call(ECG), call(ECG.flip(-1)).flip(-1)
        assert float((there - back)[:, 1500:-1500].abs().max()) < 1e-6 * float(there.abs().max())
    causal, back = (bandpass(each, 5, 40, rate=500, phase="causal") for each in (ECG, ECG.flip(-1)))
    assert float((causal - back.flip(-1))[:, 1500:-1500].abs().max()) > 0.1


def test_leads_that_follow_from_others_still_do_after_linear_processing() -> None:
    one, two = ECG[0], ECG[1]
    leads = torch.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])  # Einthoven and Goldberger
    for call in (
        lambda x: bandpass(x, 0.5, 40, rate=500),
        lambda x: preset_filter(x, "ecg", rate=500),
        lambda x: resample(x, 360, rate=500),
        lambda x: resample(x, 250, rate=500, method="fourier"),
        lambda x: detrend(x, 3),
    ):
        i, ii, iii, avr, avl, avf = call(leads)
        for found, expected in ((iii, ii - i), (avr, -(i + ii) / 2), (avl, i - ii / 2), (avf, ii - i / 2)):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_windowed_designs_are_those_of_scipy() -> None:
    made = processing.transform_of("fir", low=49, high=51, band="stop", taps=401, window="kaiser", rate=500)
    np.testing.assert_allclose(made.taps, GOLDEN["filters/firwin_bandstop49_51_n401_kaiser8"][0], rtol=0, atol=1e-14)
    made = processing.transform_of("fir", high=40, taps=101, window="blackman", scale=False, rate=500)
    np.testing.assert_allclose(made.taps, GOLDEN["filters/firwin_low40_n101_blackman_unscaled"][0], rtol=0, atol=1e-14)
    assert [len(processing.transform_of("preset_filter", preset="ecg", rate=rate).filter.taps) for rate in (250, 360, 500, 1000)] == [
        75,
        109,
        151,
        301,
    ]
    x, taps = noise(2, 300), scipy.signal.firwin(101, [3, 45], pass_zero=False, fs=500)
    np.testing.assert_allclose(fir_filtfilt(taps, x), scipy.signal.filtfilt(taps, 1, x.numpy(), padlen=100), rtol=0, atol=1e-12)
    whole = np.pad(x.numpy(), [(0, 0), (50, 50)], mode="reflect", reflect_type="odd")
    expected = np.stack([np.convolve(each, taps, "valid") for each in whole])
    np.testing.assert_allclose(fir(x, low=3, high=45, taps=101, rate=500, phase="centred"), expected, rtol=0, atol=1e-12)


def test_a_baseline_is_the_medians_of_windows() -> None:
    expected = scipy.signal.medfilt(ECG[0, :1500].numpy(), 101)
    np.testing.assert_array_equal(medians(ECG[:1, :1500], 101)[0, 50:-50], expected[50:-50])  # beyond the ends scipy has zeros
    np.testing.assert_array_equal(expected, GOLDEN["filters/medfilt_101"][0])
    baseline = median_filter(median_filter(ECG[0].numpy(), 101, mode="nearest"), 301, mode="nearest")
    found = remove_baseline(ECG, rate=500)
    np.testing.assert_allclose(found[0], ECG[0].numpy() - baseline, rtol=0, atol=1e-12)
    slow = ECG[:1, :900].clone().requires_grad_()
    torch.testing.assert_close(remove_baseline(slow, rate=500).detach(), remove_baseline(slow.detach(), rate=500), rtol=0, atol=1e-12)
    wander = 0.5 * torch.sin(2 * np.pi * 0.25 * torch.arange(5000) / 500)
    assert float((remove_baseline(ECG + wander, rate=500) - found)[:, 300:-300].abs().mean()) < 0.15 * float(wander.abs().mean())


def test_a_polynomial_is_taken_away() -> None:
    t = torch.linspace(0, 1, 4000, dtype=torch.float64)
    x = noise(2, 4000)
    curve = 3e4 - 200 * t + 50 * t**3
    torch.testing.assert_close(detrend(x + curve, 3), detrend(x, 3), rtol=0, atol=1e-9)
    np.testing.assert_allclose(detrend(x, 1), scipy.signal.detrend(x.numpy()), rtol=0, atol=1e-12)
    np.testing.assert_allclose(detrend(x, 0), scipy.signal.detrend(x.numpy(), type="constant"), rtol=0, atol=1e-12)
    assert float((detrend((x + curve).float(), 3) - detrend(x, 3)).abs().max()) < 0.02  # 3e4 in float32 has steps of 0.002


def test_what_a_filter_cannot_do_is_said() -> None:
    with pytest.raises(DataError, match="too short for bandpass") as caught:
        bandpass(noise(2, 27), 1, 40, rate=500)
    assert "27 samples" in caught.value.why and "more than the 27" in caught.value.why
    with pytest.raises(DataError, match="too short for fir"):
        fir(noise(2, 150), low=3, high=45, rate=500)
    with pytest.raises(DataError, match="remove_baseline is given values that are no numbers"):
        remove_baseline(torch.tensor([[1.0, float("inf")]]), rate=500)
    with pytest.raises(ConfigError, match="low and high are both left out"):
        fir(ECG, rate=500)
    with pytest.raises(ConfigError, match=r"taps \(100\) is even"):
        fir(ECG, high=40, taps=100, rate=500)
    with pytest.raises(ConfigError, match="detrend is no filter that goes forwards"):
        FilterStream("detrend")
    stream = FilterStream("lowpass", edge=5, rate=100)
    stream(noise(2, 50))
    with pytest.raises(DataError, match="given a state of the shape") as other:
        stream(noise(3, 50))
    assert "as many channels" in other.value.fix
    with pytest.raises(ConfigError, match="count, 6"):
        sosfiltfilt(np.ones(6), ECG)


def test_an_edge_beyond_half_the_rate_is_refused_with_the_edge_the_rate_and_the_limit() -> None:
    for call in (
        lambda: bandpass(ECG, 1, 60, rate=100),
        lambda: fir(ECG, high=50, rate=100),
        lambda: notch(ECG, 60, rate=100),
        lambda: preset_filter(ECG, "ecg", rate=80),
        lambda: preset_filter(ECG, "eda", rate=4),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert "Hz" in caught.value.what and "samples a second" in caught.value.why and "Nyquist" in caught.value.why
