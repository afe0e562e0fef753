"""Every transform of recordings: alone, in a batch as a function, on the device, and its derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainwright.config.registry import build, options_class
from trainwright.data.transforms.batches import BatchChain
from trainwright.data.transforms.chain import Chain
from trainwright.domains.signals.processing import PARTS, transform_of

LEADS = ["I", "II", "V1"]
STILL: dict[str, dict[str, Any]] = {
    "bandpass": {"low": 1, "high": 30},
    "lowpass": {"edge": 20},
    "highpass": {"edge": 2},
    "bandstop": {"low": 10, "high": 20},
    "notch": {"frequency": 30},
    "fir": {"low": 3, "high": 30, "taps": 21},
    "preset_filter": {"preset": "eda"},
    "detrend": {},
    "remove_baseline": {},
    "resample": {"to": 50},
    "standardize": {},
    "fit_length": {"seconds": 1},
    "select_leads": {"leads": ["V1", "I"], "channels": LEADS},
    "derive_leads": {"channels": LEADS},
    "spectrogram": {"n_fft": 16},
    "mel": {"n_fft": 32, "n_mels": 6},
    "mfcc": {"n_fft": 32, "n_mels": 6, "n_mfcc": 4},
    "lfcc": {"n_fft": 32, "n_filter": 6, "n_lfcc": 4},
    "fbank": {"n_mels": 4, "frame_length": 160, "frame_shift": 80, "f_min": 1},
    "log": {"eps": 10},
    "decibel": {"top_db": None, "amin": 1e-3},
    "clean": {"signal": "ecg"},
}
DRAWING: dict[str, dict[str, Any]] = {
    "mask_frequency": {"width": 3},
    "mask_time": {"width": 40},
    "time_warp": {"width": 20},
    "gain": {},
    "add_noise": {},
    "shift": {"seconds": 0.3},
    "drop_leads": {"p": 0.4},
    "baseline_wander": {},
}
NOT_DIFFERENTIABLE = ("remove_baseline", "clean")
"""Medians, and what neurokit2 does: computed with numpy."""


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def told(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the rate, of those that take one."""
    return {**options, **({"rate": 100} if "rate" in PARTS[name].config.model_fields else {})}


def made(name: str, options: dict[str, Any], **more: Any) -> Any:
    return options_class("transform", name).model_validate({"type": name, **told(name, options), **more})


def batched(name: str) -> dict[str, Any]:
    return {"batched": True} if "batched" in PARTS[name].config.model_fields else {}


def test_none_is_left_out() -> None:
    assert set(PARTS) == set(STILL) | set(DRAWING)
    assert {name for name, part in PARTS.items() if part.config.still} == set(STILL)


@pytest.mark.parametrize("name", STILL)
def test_a_row_of_a_batch_is_what_it_is_alone_as_a_function_in_workers_and_on_the_device(name: str) -> None:
    options, batch = STILL[name], noise(4, 3, 400)
    single = transform_of(name, **told(name, options))
    alone = torch.stack([single(each) for each in batch])
    assert bool(torch.isfinite(alone).all())
    torch.testing.assert_close(transform_of(name, **told(name, options), **batched(name))(batch), alone, rtol=1e-9, atol=1e-9)
    in_worker = Chain([made(name, options)], training=False)
    torch.testing.assert_close(torch.stack([in_worker(each) for each in batch]), alone, rtol=1e-9, atol=1e-9)
    if "device" in str(PARTS[name].config.model_fields["runs_on"].annotation):
        on_device = BatchChain([made(name, options, runs_on="device")], "columns.signal.transform")
        torch.testing.assert_close(on_device(batch, None), alone, rtol=1e-9, atol=1e-9)
    assert transform_of(name, **told(name, options))(batch[0].float()).dtype == torch.float32


@pytest.mark.parametrize("name", [name for name in STILL if name not in NOT_DIFFERENTIABLE])
def test_what_can_be_differentiated_has_the_derivatives_of_its_formula(name: str) -> None:
    given = (noise(3, 60) + (5 if name in ("log", "decibel") else 0)).requires_grad_()
    options = {**STILL[name], **({"taps": 11} if name == "fir" else {})}
    assert torch.autograd.gradcheck(transform_of(name, **told(name, options)), (given,))


@pytest.mark.parametrize("name", DRAWING)
def test_what_draws_passes_derivatives_and_draws_alike_in_workers_and_on_the_device(name: str) -> None:
    batch = noise(1, 3, 400).float().requires_grad_()
    torch.manual_seed(1)
    on_device = build("transform", made(name, DRAWING[name], runs_on="device"))(batch)
    torch.manual_seed(1)
    in_worker = build("transform", made(name, DRAWING[name]))(batch[0])
    torch.testing.assert_close(on_device[0], in_worker)
    assert on_device.shape == batch.shape and on_device.dtype == torch.float32
    on_device.square().sum().backward()
    assert batch.grad is not None and bool(torch.isfinite(batch.grad).all()) and bool((batch.grad != 0).any())
