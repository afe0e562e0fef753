"""What is done to recordings `(… channels, time)`: filters, spectra, lengths, augmentations. This table imports no torch."""

from __future__ import annotations

from typing import Any

from trainwright.config.elsewhere import found_later
from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.processing"
_BODY = "trainwright.domains.signals.physiology"


def _filter(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.filter_options:{options}", summary)


def _channels(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.channel_options:{options}", summary)


def _spectrum(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.spectral_options:{options}", summary)


def _augmentation(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.augmentation_options:{options}", summary)


PARTS: dict[str, Part] = {
    "bandpass": _filter("filters:Butterworth", "BandpassOptions", "keeps a band of frequencies"),
    "lowpass": _filter("filters:Butterworth", "LowpassOptions", "keeps what is slower than an edge"),
    "highpass": _filter("filters:Butterworth", "HighpassOptions", "keeps what is faster than an edge"),
    "bandstop": _filter("filters:Butterworth", "BandstopOptions", "takes a band of frequencies out"),
    "notch": _filter("filters:Notch", "NotchOptions", "takes one frequency out"),
    "fir": _filter("filters:Fir", "FirOptions", "keeps a band of frequencies, or takes it out, by a windowed finite response"),
    "preset_filter": _filter("filters:PresetFilter", "PresetFilterOptions", "the usual filter of an ECG, skin conductance or breathing"),
    "detrend": _filter("baselines:Detrend", "DetrendOptions", "takes a polynomial of time away"),
    "remove_baseline": _filter("baselines:RemoveBaseline", "RemoveBaselineOptions", "takes the medians of windows away"),
    "resample": _filter("resampling:Resample", "ResampleOptions", "another rate"),
    "standardize": _channels("scaling:Standardize", "StandardizeOptions", "(x − mean) / deviation of the recording itself"),
    "fit_length": _channels("lengths:FitLength", "FitLengthOptions", "every recording at one length"),
    "select_leads": _channels("leads:SelectLeads", "SelectLeadsOptions", "channels by name, in order"),
    "derive_leads": _channels("leads:DeriveLeads", "DeriveLeadsOptions", "III, aVR, aVL and aVF from I and II"),
    "spectrogram": _spectrum("spectra:Spectrogram", "SpectrogramOptions", "power over frequency and time"),
    "mel": _spectrum("spectra:Mel", "MelOptions", "a spectrogram in bands of equal width to the ear"),
    "mfcc": _spectrum("spectra:MFCC", "MFCCOptions", "cepstral coefficients"),
    "lfcc": _spectrum("spectra:LFCC", "LFCCOptions", "cepstral coefficients of bands of equal width in Hz"),
    "fbank": _spectrum("kaldi:Fbank", "FbankOptions", "logarithms of mel energies as Kaldi makes them"),
    "log": _spectrum("scaling:Log", "LogOptions", "the logarithm"),
    "decibel": _spectrum("scaling:Decibel", "DecibelOptions", "10 log₁₀ of a power"),
    "mask_frequency": _augmentation("masks:MaskFrequency", "MaskFrequencyOptions", "a band of a spectrogram is silenced"),
    "mask_time": _augmentation("masks:MaskTime", "MaskTimeOptions", "a stretch of time is silenced"),
    "time_warp": _augmentation("augmentation:TimeWarp", "TimeWarpOptions", "a point in time moved, and the rest with it"),
    "gain": _augmentation("augmentation:Gain", "GainOptions", "louder or softer"),
    "add_noise": _augmentation("augmentation:AddNoise", "AddNoiseOptions", "white noise at a ratio of signal to noise"),
    "shift": _augmentation("augmentation:Shift", "ShiftOptions", "turned in time"),
    "drop_leads": _augmentation("augmentation:DropLeads", "DropLeadsOptions", "channels set to zero"),
    "baseline_wander": _augmentation("augmentation:BaselineWander", "BaselineWanderOptions", "a slow wave added to each channel"),
    "clean": Part(
        f"{_BODY}.clean_transform:Clean", f"{_BODY}.clean_options:CleanOptions", "a signal of the body (ECG, EDA, …) as neurokit2 cleans it"
    ),
}

_LATER: dict[str, str] = {
    "transform_of": f"{_HERE}.functions",
    "sosfiltfilt": f"{_HERE}.sections",
    "sosfilt": f"{_HERE}.sections",
    "steady_state": f"{_HERE}.sections",
    "fir_filtfilt": f"{_HERE}.convolution",
    "fir_centred": f"{_HERE}.convolution",
    "fir_causal": f"{_HERE}.convolution",
    "FilterStream": f"{_HERE}.filters",
}
"""Functions and classes beside the transforms, by the module that each is in."""


def __getattr__(name: str) -> Any:
    """A transform as a function of a tensor, or another name of this package, imported when it is first asked for."""
    if name in PARTS:
        from trainwright.domains.signals.processing.functions import function_of

        return function_of(name)
    return found_later(__name__, _LATER)(name)
