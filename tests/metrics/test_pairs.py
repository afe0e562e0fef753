"""Metrics of pictures and signals: golden numbers, closed forms, any pieces give what all rows at once give, and what is refused."""

from __future__ import annotations

import copy
import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics import from_label, label, options
from trainwright.metrics.asked import named_metrics
from trainwright.metrics.pictures import LPIPS, MSSSIM, PSNR, SSIM
from trainwright.metrics.waves import PRD, SISDR, SNR, LogSpectralDistance

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_pictures.json").read_text())


def pictures() -> tuple[Tensor, Tensor]:
    """Noisy and clean pictures (2, 3, 24, 32) of formulas, whole numbers from 0 to 255."""
    row, column = torch.meshgrid(torch.arange(24), torch.arange(32), indexing="ij")
    clean = torch.stack([torch.stack([(row * (3 + n) + column * (5 + c)) % 256 for c in range(3)]) for n in range(2)])
    noise = torch.stack([torch.stack([(row * 7 + column * 11 + 13 * c + 5 * n) % 41 - 20 for c in range(3)]) for n in range(2)])
    return (clean + noise).clamp(0, 255).double(), clean.double()


def value(metric: Any, output: Tensor, target: Tensor) -> float:
    metric.update(output, target)
    return float(metric.compute()[metric.name])


def test_psnr_and_ssim_are_those_of_reference_libraries() -> None:
    noisy, clean = pictures()
    for number in range(2):
        one, other = noisy[number : number + 1], clean[number : number + 1]
        known = GOLDEN["pictures"][number]
        assert value(PSNR(data_range=255), one, other) == pytest.approx(known["skimage psnr"], rel=1e-12)
        assert value(PSNR(), one / 255, other / 255) == pytest.approx(known["skimage psnr"], rel=1e-12)
        assert value(SSIM(data_range=255), one, other) == pytest.approx(known["skimage ssim gaussian"], abs=1e-9)
        assert value(SSIM(border="padded"), one / 255, other / 255) == pytest.approx(known["torchmetrics ssim"], abs=1e-6)
    assert value(PSNR(data_range=255), noisy, clean) == pytest.approx(np.mean([each["skimage psnr"] for each in GOLDEN["pictures"]]))


def test_a_known_error_has_a_known_psnr() -> None:
    clean = torch.rand(4, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.8
    assert value(PSNR(), clean + 0.1, clean) == pytest.approx(20)  # a mean squared error of 0.01
    assert value(PSNR(), clean, clean) == math.inf
    assert value(SSIM(), clean, clean) == pytest.approx(1)


def test_ms_ssim_is_that_of_torchmetrics() -> None:
    row, column = torch.meshgrid(torch.arange(176.0), torch.arange(180.0), indexing="ij")
    clean = ((row * 3 + column * 5) % 97 / 97)[None, None].double()
    noisy = (clean + 0.1 * torch.sin(row * 1.7 + column * 0.9)).clamp(0, 1)
    assert value(MSSSIM(border="padded"), noisy, clean) == pytest.approx(GOLDEN["torchmetrics ms_ssim"], abs=2e-6)
    with pytest.raises(DataError, match="161 × 161 pixels or more"):
        value(MSSSIM(), noisy[..., :160], clean[..., :160])


def test_signals_have_the_numbers_of_closed_forms_and_of_torchmetrics() -> None:
    time = torch.arange(2000, dtype=torch.float64) / 100
    true = torch.stack([torch.sin(time), torch.cos(3 * time) + 0.2])
    noise = 0.1 * torch.stack([torch.cos(7 * time), torch.sin(11 * time)])
    energies = 10 * torch.log10(true.square().sum(1) / noise.square().sum(1))
    assert value(SNR(), true + noise, true) == pytest.approx(float(energies.mean()))
    assert value(PRD(), 1.1 * true, true) == pytest.approx(10)  # a tenth of the signal is wrong
    assert value(SISDR(), 5 * (true + noise), true) == pytest.approx(value(SISDR(), true + noise, true))  # whatever the scale
    broad = torch.randn(2, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))  # no frequency of it is silent
    assert value(LogSpectralDistance(n_fft=256), 0.5 * broad, broad) == pytest.approx(20 * math.log10(2), rel=1e-9)
    assert value(SISDR(), true + noise, true) == pytest.approx(GOLDEN["torchmetrics si_sdr"], abs=1e-4)
    assert value(SNR(center=True), true + noise + 3, true) == pytest.approx(GOLDEN["torchmetrics snr zero_mean"], abs=1e-4)
    assert value(SNR(), true, true) == math.inf


@pytest.mark.parametrize("name", ["psnr", "ssim_window=7", "snr", "si_sdr", "prd", "log_spectral_distance_n_fft=16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_pieces_of_any_size_merged_and_saved_give_what_all_rows_at_once_give(name: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(1)
    true = torch.rand(13, 2, 16, 16, generator=draw).to(dtype)
    made = (true.float() + 0.05 * torch.randn(true.shape, generator=draw)).to(dtype)
    whole, first, other, again = (named_metrics([name]) for _ in range(4))
    whole.update({"output": made, "target": true})
    for metric, start, end in ((first, 0, 3), (first, 3, 4), (other, 4, 13)):
        metric.update({"output": made[start:end], "target": true[start:end]})
    again.load(copy.deepcopy(first.tensors()))
    again.merge([other])
    assert again.compute()[name] == pytest.approx(whole.compute()[name], rel=1e-12)
    assert math.isfinite(whole.compute()[name])


def test_values_outside_of_their_range_are_refused_where_they_are_true_and_said_where_they_are_predicted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    noisy, clean = pictures()
    for metric in (PSNR(), SSIM()):
        metric.update(noisy, clean)
        with pytest.raises(DataError, match="is measured for values in 0 … 1") as caught:
            metric.compute()
        assert ("data_range=255" in caught.value.fix and "to 255" in caught.value.why) or "from 0 to" in caught.value.why
    with caplog.at_level(logging.INFO):
        value(PSNR(), clean / 255 + 0.5, clean / 255)
    assert "of the predicted values lie outside of 0 … 1, and are measured as they are" in caplog.text
    for kind in (PSNR, SSIM):
        around_zero = value(kind(low=-1, data_range=2), noisy / 127.5 - 1, clean / 127.5 - 1)
        assert around_zero == pytest.approx(value(kind(), noisy / 255, clean / 255))


@pytest.mark.parametrize(
    ("metric", "shapes", "said"),
    [
        (SSIM(), ((2, 1, 8, 8), (2, 1, 8, 8)), "11 × 11 pixels or more"),
        (SSIM(), ((2, 64), (2, 64)), "is of pictures"),
        (PSNR(), ((2, 1, 8, 8), (2, 8, 8)), "rows of one shape"),
        (SNR(), ((5,), (5,)), "is of signals"),
        (LogSpectralDistance(), ((2, 100), (2, 100)), "512 samples or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_rows_that_cannot_be_measured_are_refused_with_what_can(metric: Any, shapes: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        metric.update(*(torch.ones(each) for each in shapes))


def test_channels_may_come_last_and_silent_signals_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    noisy, clean = pictures()
    last = value(SSIM(data_range=255), noisy.movedim(1, -1), clean.movedim(1, -1))
    assert last == pytest.approx(value(SSIM(data_range=255), noisy, clean), rel=1e-12)
    true = torch.stack([torch.ones(8), torch.zeros(8)])
    with caplog.at_level(logging.INFO):
        assert value(SNR(), true * 1.1, true) == pytest.approx(20, rel=1e-5)
    assert "1 true signals are silent, and left out" in caplog.text
    assert math.isnan(value(SNR(), true[1:], true[1:]))


def maps(pictures: Tensor) -> list[Tensor]:
    """Feature maps of two scales."""
    return [pictures, torch.nn.functional.avg_pool2d(pictures, 2)]


def test_lpips_is_the_distance_of_unit_feature_maps_of_a_network_of_ones_own() -> None:
    one, other = torch.rand(3, 2, 8, 8, dtype=torch.float64), torch.rand(3, 2, 8, 8, dtype=torch.float64)
    expected = 0.0
    for first, second in zip(maps(one), maps(other), strict=True):
        cosine = torch.nn.functional.cosine_similarity(first, second, dim=1)
        expected += float((2 - 2 * cosine).mean()) / 2  # |a − b|² of unit vectors, mean over two channels
    assert value(LPIPS(network=maps), one, other) == pytest.approx(expected, rel=1e-5)
    assert value(LPIPS(network=maps), one, one) == 0


def test_without_a_network_or_features_it_is_said_what_to_give() -> None:
    for name, said in (("lpips", "./mine.py:Features"), ("fid", "features: pixels"), ("kid", "nothing is downloaded")):
        with pytest.raises(ConfigError) as caught:
            named_metrics([name])
        assert said in f"{caught.value.why} {caught.value.fix}"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"type": "psnr", "data_range": 255}, "psnr_data_range=255"),
        ({"type": "psnr", "data_range": 2, "low": -1}, "psnr_data_range=2_low=-1"),
        ({"type": "ssim", "window": 7, "border": "padded"}, "ssim_window=7_border=padded"),
        ({"type": "prd", "center": True}, "prd_center=True"),
        ({"type": "mmd", "features": "pixels", "bandwidths": [1.0, 4.0]}, "mmd_features=pixels_bandwidths=[1.0, 4.0]"),
        ({"type": "f1", "average": "micro"}, "f1_micro"),
        ({"type": "top_k_accuracy", "k": 5}, "top_k_accuracy_5"),
    ],
)
def test_a_key_says_which_options_differ_and_is_read_back(given: dict[str, Any], key: str) -> None:
    chosen = options(given["type"], **{name: each for name, each in given.items() if name != "type"})
    assert label(chosen) == key
    assert from_label(key) == chosen


def test_a_window_without_a_middle_and_an_unknown_option_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"window.*8"):
        named_metrics({"type": "ssim", "window": 8})
    with pytest.raises(ConfigError, match="has no option 'range'"):
        named_metrics({"type": "psnr", "range": 255})
    with pytest.raises(ConfigError, match="no metric 'pnsr'") as caught:
        named_metrics(["pnsr"])
    assert "psnr" in caught.value.fix
    with pytest.raises(ConfigError, match="no metric 'psnr' for this loss"):
        named_metrics(["psnr"], "category")


def test_a_column_of_numbers_is_not_measured_as_a_picture() -> None:
    from trainwright.config.registry import check_target

    with pytest.raises(ConfigError, match="metric 'psnr' is not defined for the number target"):
        check_target("metric", options("psnr"), "number")


@pytest.mark.parametrize("metric", [PSNR(), SSIM(), SNR(), SISDR(), PRD(), LogSpectralDistance(n_fft=8)])
def test_rows_that_are_no_numbers_are_counted_in_a_warning(metric: Any, caplog: pytest.LogCaptureFixture) -> None:
    clean = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    wrong = clean * 0.9
    wrong[1, 0, 3, :] = math.nan
    metric.update(clean * 0.9, clean)
    assert not math.isnan(metric.compute()[metric.name]) and "no number" not in caplog.text
    metric.update(wrong, clean)
    assert math.isnan(metric.compute()[metric.name])
    rows = 8 if isinstance(metric, PSNR | SSIM) else 128
    assert f"{metric.name}: nan, since 1 of {rows} rows give no number" in caplog.text
    caplog.clear()
    metric.load({})
    metric.update(clean, torch.full_like(clean, math.nan))
    assert math.isnan(metric.compute()[metric.name]) and "rows give no number" in caplog.text
