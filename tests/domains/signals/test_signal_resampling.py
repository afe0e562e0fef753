"""Resampling against scipy and torchaudio, and what must hold of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import options_class
from trainwright.domains.signals.processing import resample
from trainwright.domains.signals.processing.resampling import resample_fourier

HERE = Path(__file__).with_name("golden")
GOLDEN = np.load(HERE / "filters_and_resampling.npz")
ECG = torch.from_numpy(np.load(HERE / "ecg_500hz.npz")["microvolts"][:2] / 1000)
KERNELS: dict[str, dict[str, Any]] = {
    "hann": {},
    "kaiser": {"window": "kaiser"},
    "kaiser_best": {"window": "kaiser", "width": 64, "rolloff": 0.9475937167399596},
    "kaiser_fast": {"window": "kaiser", "width": 16, "rolloff": 0.85, "beta": 8.555504641634386},
}
LENGTHS = {"44100_16000": ("w44k", 8820), "8000_16000": ("w8k", 3000), "16000_8000": ("w16k", 6000), "16000_44100": ("w16k", 1000)}
SOUNDS = {name: torch.from_numpy(GOLDEN[key][:count] / 32768) for name, (key, count) in LENGTHS.items()}


def stored(x: Tensor) -> np.ndarray:
    n = x.shape[-1]
    return np.atleast_2d(x.numpy())[:, np.unique(np.r_[0:24, 24 : n - 24 : 61, n - 24 : n])]


def close(found: Tensor, expected: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * abs(expected).max())


@pytest.mark.parametrize("up, down", [(1, 2), (18, 25), (3, 5), (1, 5), (2, 1)])
def test_polyphase_is_resample_poly(up: int, down: int) -> None:
    x = ECG[:, :1500] if up == 2 else ECG
    close(stored_tensor(resample(x, 500 * up / down, rate=500)), GOLDEN[f"resample/poly_{up}_{down}"], 1e-9)
    close(resample(x.float(), 500 * up / down, rate=500), scipy.signal.resample_poly(x.numpy(), up, down, axis=-1), 2e-6)


def stored_tensor(x: Tensor) -> Tensor:
    return torch.from_numpy(stored(x))


@pytest.mark.parametrize("rates", [(500, 257), (257, 500), (44_100, 16_000), (360, 250), (128, 100.5), (99.9, 33.3), (3, 1000)])
@pytest.mark.parametrize("time", [1, 7, 100, 1001])
def test_every_ratio_and_length_is_resampled_as_by_scipy(rates: tuple[float, float], time: int) -> None:
    rate, to = rates
    ratio = np.array([to, rate]) * 10
    up, down = (ratio.astype(int) // np.gcd.reduce(ratio.astype(int))).tolist()
    x = ECG[:, :time]
    found = resample(x, to, rate=rate)
    assert found.shape[-1] == -(-time * up // down)
    close(found, scipy.signal.resample_poly(x.numpy(), up, down, axis=-1), 1e-9)


@pytest.mark.parametrize("ends, padtype", [("line", "line"), ("mean", "mean")])
def test_what_lies_beyond_the_ends_is_as_scipy_has_it(ends: str, padtype: str) -> None:
    x = ECG + 90
    close(resample(x, 250, rate=500, ends=ends), scipy.signal.resample_poly(x.numpy(), 1, 2, axis=-1, padtype=padtype), 1e-9)
    if ends == "line":
        close(stored_tensor(resample(ECG[:1], 250, rate=500, ends=ends)), GOLDEN["resample/poly_1_2_padtype_line"], 1e-9)
    steps = resample(torch.full((1, 400), 90.0), 250, rate=500, ends=ends)
    assert float((steps - 90).abs().max()) < 1e-4 < float((resample(torch.full((1, 400), 90.0), 250, rate=500) - 90).abs().max())


def test_fourier_is_scipys_resample() -> None:
    for count in (2500, 3600, 1250):
        close(stored_tensor(resample(ECG, count / 10, rate=500, method="fourier")), GOLDEN[f"resample/fft_{count}"], 1e-9)
    close(stored_tensor(resample_fourier(ECG[:, :2001], 1001)), GOLDEN["resample/fft_odd_1001_from_2001"], 1e-9)
    close(stored_tensor(resample_fourier(ECG[:1, :1500], 3000)), GOLDEN["resample/fft_up_3000_from_1500"], 1e-9)
    for time, count in ((10, 10), (11, 22), (22, 11), (9, 8), (1, 3), (3, 1)):
        close(resample_fourier(ECG[:, :time], count), scipy.signal.resample(ECG[:, :time].numpy(), count, axis=-1), 1e-9)
    close(resample(ECG.float(), 360, rate=500, method="fourier"), scipy.signal.resample(ECG.numpy(), 3600, axis=-1), 2e-6)


@pytest.mark.parametrize("key", [key.partition("/")[2] for key in GOLDEN if key.startswith("audio/")])
def test_sinc_is_that_of_torchaudio(key: str) -> None:
    if key == "scipy_resample_poly_44100_16000_zero":
        close(stored_tensor(resample(SOUNDS["44100_16000"], 16_000, rate=44_100)), GOLDEN[f"audio/{key}"], 1e-9)
        return
    rate, to, kernel = key.split("_", 2)
    options = {"width": 16, "rolloff": 0.9} if kernel == "width16_rolloff0p9" else KERNELS[kernel]
    found = resample(SOUNDS[f"{rate}_{to}"], float(to), rate=float(rate), method="sinc", **options)
    # torchaudio computes the value of Kaiser's window at 0 in float32, whatever it is given
    close(stored_tensor(found), GOLDEN[f"audio/{key}"], 1e-7 if "kaiser" in kernel else 1e-9)


def test_the_same_rate_changes_nothing_and_rows_do_not_depend_on_each_other() -> None:
    assert resample(ECG, 500, rate=500) is ECG
    x = torch.stack([ECG, ECG.flip(-1), 2 * ECG])
    torch.testing.assert_close(resample(x, 360, rate=500)[2], 2 * resample(ECG, 360, rate=500), rtol=0, atol=1e-12)
    assert options_class("transform", "resample").model_validate({"type": "resample", "to": 250.0}).rate_after(500) == 250


def test_a_tone_keeps_its_frequency_and_size() -> None:
    given, wanted = torch.arange(16_000) / 16_000, torch.arange(7_350) / 7_350
    for method in ("polyphase", "fourier", "sinc"):
        found = resample(torch.sin(2 * np.pi * 440 * given), 7_350, rate=16_000, method=method)
        assert float((found - torch.sin(2 * np.pi * 440 * wanted))[200:-200].abs().max()) < 2e-3


def test_what_cannot_be_resampled_is_said() -> None:
    with pytest.raises(ConfigError, match="does not know how many samples"):
        resample(ECG, 250)
    with pytest.raises(DataError, match="values that are no numbers"):
        resample(torch.tensor([[1.0, float("nan"), 2.0]]), 250, rate=500)
    with pytest.raises(DataError, match="without samples"):
        resample(ECG[:, :0], 250, rate=500)
    with pytest.raises(ConfigError, match="method"):
        resample(ECG, 250, rate=500, method="fft")
