"""Spectra of recordings against torchaudio, Kaldi and librosa, and what holds of every one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.signals.processing import (
    decibel,
    fbank,
    lfcc,
    mel,
    mfcc,
    spectrogram,
    transform_of,
)

GOLDEN = np.load(Path(__file__).with_name("golden") / "spectra.npz")
KEPT = slice(None, None, 9)
"""The frames that are kept of each golden array."""


def wave(name: str, stop: int | None = None) -> Tensor:
    return torch.from_numpy(GOLDEN[name].astype(np.float64) / 32768)[None, :stop]


SHORT, LONG = wave("w16k", 6400), wave("w16k")

TORCHAUDIO: dict[str, tuple[str, Tensor, dict[str, Any]]] = {
    "spectrogram_default_f64": ("spectrogram", SHORT, {}),
    "spectrogram_power1": ("spectrogram", SHORT, {"power": 1}),
    "spectrogram_complex_512_400_160_f64": ("spectrogram", SHORT, {"n_fft": 512, "win_length": 400, "hop_length": 160, "power": None}),
    "spectrogram_normalized_window": ("spectrogram", SHORT, {"normalized": "window"}),
    "spectrogram_normalized_frame_length": ("spectrogram", SHORT, {"normalized": "frame_length"}),
    "spectrogram_nocenter": ("spectrogram", SHORT, {"center": False}),
    "spectrogram_pad100_constant": ("spectrogram", SHORT, {"pad": 100, "pad_mode": "constant"}),
    "spectrogram_hamming_nonperiodic": ("spectrogram", SHORT, {"window": "hamming", "periodic": False}),
    "mel_default_16k_f64": ("mel", LONG, {"rate": 16000}),
    "mel_htk_80_512_400_160_f64": (
        "mel",
        SHORT,
        {"rate": 16000, "n_mels": 80, "f_min": 20, "f_max": 7600, "n_fft": 512, "win_length": 400, "hop_length": 160},
    ),
    "mel_slaney_slaney_64_1024_256_f64": (
        "mel",
        SHORT,
        {"rate": 16000, "n_mels": 64, "n_fft": 1024, "hop_length": 256, "mel_scale": "slaney", "norm": "slaney"},
    ),
    "mel_htk_slaneynorm_64_1024_256_f64": (
        "mel",
        SHORT,
        {"rate": 16000, "n_mels": 64, "n_fft": 1024, "hop_length": 256, "norm": "slaney"},
    ),
    "mel_power1_64_f64": ("mel", SHORT, {"rate": 16000, "n_mels": 64, "n_fft": 512, "hop_length": 128, "power": 1}),
    "mel_8k_digit_64_f64": ("mel", wave("w8k"), {"rate": 8000, "n_mels": 64, "n_fft": 256, "hop_length": 80}),
    "mel_44k_128_2048_512_f64": ("mel", wave("w44k"), {"rate": 44100, "n_fft": 2048, "hop_length": 512}),
    "mfcc_default_16k_f64": ("mfcc", SHORT, {"rate": 16000}),
    "mfcc_13_400_160_23_nocenter_f64": (
        "mfcc",
        LONG,
        {"rate": 16000, "n_mfcc": 13, "hop_length": 160, "n_mels": 23, "center": False},
    ),
    "mfcc_20_logmels_f64": ("mfcc", SHORT, {"rate": 16000, "n_mfcc": 20, "log_mels": True, "hop_length": 160, "n_mels": 40}),
    "mfcc_13_nonorm_f64": ("mfcc", SHORT, {"rate": 16000, "n_mfcc": 13, "dct_norm": "none", "hop_length": 160, "n_mels": 40}),
    "lfcc_default_16k": ("lfcc", SHORT, {"rate": 16000}),
}


@pytest.mark.parametrize("key", TORCHAUDIO)
def test_spectra_are_those_of_torchaudio(key: str) -> None:
    name, given, options = TORCHAUDIO[key]
    expected, transform = GOLDEN[key], transform_of(name, **options)
    largest = np.abs(expected).max()
    exact = key.endswith("_f64")
    found = transform(given).numpy()[..., KEPT]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-9 if exact else 2e-5) * largest)
    single = transform(given.float()).numpy()[..., KEPT]
    assert single.dtype in (np.float32, np.complex64)
    np.testing.assert_allclose(single, expected, rtol=0, atol=2e-5 * largest)


def test_decibels_are_those_of_torchaudio() -> None:
    power = spectrogram(SHORT)
    for top in (80.0, None, 20.0):
        key = "power_db_none" if top is None else f"power_db_top{top:.0f}"
        np.testing.assert_allclose(decibel(power, top_db=top)[..., KEPT], GOLDEN[key], rtol=0, atol=1e-7)
    magnitude = decibel(power.sqrt(), stype="magnitude")
    np.testing.assert_allclose(magnitude[..., KEPT], GOLDEN["magnitude_db_top80"], rtol=0, atol=1e-7)
    batch = torch.stack([power, power * 1e-5])
    together = decibel(batch, top_db=40.0)
    assert torch.equal(together[0], decibel(power, top_db=40.0)) and torch.equal(together[1], decibel(batch[1], top_db=40.0))


AST = {"n_mels": 128, "window": "hanning", "htk_compat": True, "frame_shift": 10}
KALDI: dict[str, tuple[Tensor, dict[str, Any]]] = {
    "default_8k": (wave("w8k"), {"rate": 8000}),
    "default_16k": (LONG, {}),
    "default_16k_f64": (LONG, {}),
    "default_44k": (wave("w44k"), {"rate": 44100}),
    "ast_8k": (wave("w8k"), {**AST, "rate": 8000}),
    "ast_16k": (LONG, AST),
    "ast_16k_f64": (LONG, AST),
    "ast_16k_minus_mean": (LONG - LONG.mean(), AST),
    "ast_44k": (wave("w44k"), {**AST, "rate": 44100}),
    "energy_16k": (LONG, {"use_energy": True}),
    "energy_16k_f64": (LONG, {"use_energy": True}),
    "energy_htk_16k": (LONG, {"use_energy": True, "htk_compat": True}),
    "energy_notraw_16k": (LONG, {"use_energy": True, "raw_energy": False}),
    "energy_floor0_16k": (LONG, {"use_energy": True, "energy_floor": 0}),
    "nosnip_8k": (wave("w8k"), {"rate": 8000, "snip_edges": False}),
    "nosnip_16k": (LONG, {"snip_edges": False}),
    "hamming_40_16k": (LONG, {"window": "hamming", "n_mels": 40}),
    "blackman_16k": (LONG, {"window": "blackman"}),
    "rect_16k": (LONG, {"window": "rectangular"}),
    "nolog_16k": (LONG, {"use_log_fbank": False}),
    "amplitude_16k": (LONG, {"use_power": False}),
    "subtract_mean_16k": (LONG, {"subtract_mean": True}),
    "low80_high7600_16k": (LONG, {"f_min": 80, "f_max": 7600, "n_mels": 80}),
    "high_minus400_16k": (LONG, {"f_max": -400}),
    "preemph0_16k": (LONG, {"preemphasis": 0}),
    "no_pow2_16k": (LONG, {"round_to_power_of_two": False}),
    "no_dc_16k": (LONG, {"remove_mean": False}),
    "len20_shift5_16k": (LONG, {"frame_length": 20, "frame_shift": 5}),
    "int16scale_16k": (LONG * 32768, {"n_mels": 80}),
    "vtln_0p9_16k": (LONG, {"vtln_warp": 0.9}),
}


def test_every_golden_filter_bank_is_compared() -> None:
    assert {key.removeprefix("fbank_") for key in GOLDEN if key.startswith("fbank_")} == set(KALDI)


@pytest.mark.parametrize("key", KALDI)
def test_filter_banks_are_those_of_torchaudio_and_kaldi(key: str) -> None:
    given, options = KALDI[key]
    transform = transform_of("fbank", **{"rate": 16000, **options})
    # logarithms differ by 2e-3 between the float32 and float64 builds of torchaudio itself, where a band is near silence
    tolerance = 2e-5 * np.abs(GOLDEN[f"fbank_{key}"]).max() if key in ("nolog_16k", "amplitude_16k") else 2e-3
    for sample in (given, given.float()):
        found = transform(sample)[0].T[KEPT].numpy()
        assert found.shape == GOLDEN[f"fbank_{key}"].shape
        np.testing.assert_allclose(found, GOLDEN[f"fbank_{key}"], rtol=0, atol=tolerance)
        native = f"native_{key}"
        if native in GOLDEN:
            np.testing.assert_allclose(found, GOLDEN[native], rtol=0, atol=2e-3)


LIBROSA_MEL = {
    "rate": 16000,
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 64,
    "mel_scale": "slaney",
    "norm": "slaney",
    "pad_mode": "constant",
}
LIBROSA_STFT = {"n_fft": 512, "win_length": 400, "hop_length": 160}


def test_spectra_are_those_of_librosa() -> None:
    def close(found: Tensor, key: str, tolerance: float = 1e-9) -> None:
        expected = GOLDEN[f"librosa_{key}"]
        np.testing.assert_allclose(found[0, ..., KEPT].numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())

    close(spectrogram(SHORT, **LIBROSA_STFT, power=None, pad_mode="constant"), "stft_default_complex")
    close(spectrogram(SHORT, **LIBROSA_STFT, power=None), "stft_reflect_complex")
    slaney = mel(SHORT, **LIBROSA_MEL)
    # librosa keeps its bands in float32
    close(slaney, "melspectrogram_slaney", 2e-7)
    htk = mel(SHORT, rate=16000, n_fft=1024, hop_length=256, n_mels=64)
    close(htk, "melspectrogram_htk_nonorm_reflect", 2e-7)
    close(decibel(slaney), "power_to_db_ref1_top80", 1e-7)
    close(decibel(slaney, reference="max"), "power_to_db_refmax_top80", 1e-7)
    close(decibel(slaney, top_db=None), "power_to_db_notop", 1e-6)
    magnitude = spectrogram(SHORT, **LIBROSA_STFT, power=1, pad_mode="constant")
    close(decibel(magnitude, stype="magnitude", amin=1e-5), "amplitude_to_db", 1e-7)
    close(mfcc(SHORT, 20, **LIBROSA_MEL), "mfcc_20", 1e-7)
    close(mfcc(SHORT, 13, **{**LIBROSA_MEL, "mel_scale": "htk"}), "mfcc_13_htk_ortho", 1e-7)


@pytest.mark.parametrize("window, hop", [("ones", 64), ("hann", 16), ("hamming", 16), ("blackman", 8)])
def test_the_energy_of_a_transform_is_that_of_the_recording(window: str, hop: int) -> None:
    """Parseval: what windows see of a recording, whose energy they weigh alike where hops are short enough."""
    inside = torch.randn(2, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(inside, (64, 64 + hop - 400 % hop))
    transform = transform_of("spectrogram", n_fft=64, hop_length=hop, window=window, center=False)
    both_sides = torch.cat([torch.ones(1), torch.full((31,), 2.0), torch.ones(1)]).double()
    energy = (transform(padded) * both_sides[:, None]).sum(dim=(-2, -1)) / 64
    weight = transform.window.square().sum() / hop
    torch.testing.assert_close(energy, inside.square().sum(dim=-1) * weight, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "name, options",
    [
        ("spectrogram", {"n_fft": 16}),
        ("spectrogram", {"n_fft": 16, "power": 1}),
        ("spectrogram", {"n_fft": 16, "normalized": "window", "pad_mode": "constant"}),
        ("mel", {"n_fft": 32, "n_mels": 6}),
        ("mfcc", {"n_fft": 32, "n_mels": 6, "n_mfcc": 4}),
        ("lfcc", {"n_fft": 32, "n_filter": 6, "n_lfcc": 4}),
        ("fbank", {"n_mels": 4, "frame_length": 160, "frame_shift": 80, "f_min": 1}),
        ("fbank", {"n_mels": 4, "frame_length": 160, "frame_shift": 80, "f_min": 1, "use_power": False}),
    ],
)
def test_spectra_have_the_derivatives_of_their_formulas(name: str, options: dict[str, Any]) -> None:
    given = torch.randn(1, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(transform_of(name, rate=100, **options), (given,))
    silence = torch.zeros(1, 60, dtype=torch.float64, requires_grad=True)
    transform_of(name, rate=100, **options)(silence).sum().backward()
    assert bool(torch.isfinite(silence.grad).all())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["spectrogram", "mel", "mfcc", "lfcc", "fbank"])
def test_a_recording_in_a_batch_has_the_spectrum_that_it_has_alone(name: str) -> None:
    batch = torch.randn(3, 2, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    batch[1] *= 1e-4  # decibels end below the greatest of each recording, not of the batch
    transform = transform_of(name, rate=8000)
    together = transform(batch)
    assert together.shape[:2] == (3, 2)
    torch.testing.assert_close(together, torch.stack([transform(each) for each in batch]), rtol=1e-9, atol=1e-12)


def test_options_that_no_spectrum_can_have_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"lfcc bands from 0 to 9000 Hz"):
        lfcc(SHORT, f_max=9000, rate=16000)
    with pytest.raises(ConfigError, match="n_lfcc is 50, and there are 40 bands"):
        lfcc(SHORT, 50, n_filter=40, rate=16000)
    with pytest.raises(ConfigError, match="mel is of power or magnitude"):
        mel(SHORT, power=None, rate=16000)
    with pytest.raises(ConfigError, match="vtln_low and vtln_high are 10 and 7500"):
        fbank(SHORT, vtln_warp=0.9, vtln_low=10, rate=16000)
    with pytest.raises(ConfigError, match="fbank has frames of 401 samples"):
        fbank(SHORT, frame_length=25.1, round_to_power_of_two=False, rate=16000)
    with pytest.raises(ConfigError, match="does not know how many samples"):
        lfcc(SHORT)
    with pytest.raises(DataError, match="too short for fbank"):
        fbank(SHORT[:, :300], rate=16000)
    with pytest.raises(DataError, match="too short for a spectrogram"):
        spectrogram(SHORT[:, :150])


def test_frames_a_second_are_those_that_come() -> None:
    for name, options in (("fbank", {}), ("fbank", {"rate": 11025}), ("mel", {"hop_length": 160}), ("lfcc", {"n_fft": 512})):
        from trainwright.config.registry import options_class

        chosen = options_class("transform", name).model_validate({"type": name, "rate": 16000, **options})
        given = torch.zeros(1, int(20 * chosen.rate))
        frames = transform_of(name, **{"rate": 16000, **options})(given).shape[-1]
        assert frames == pytest.approx(20 * chosen.rate_after(chosen.rate), abs=3)
