"""Weights of the loss by level of noise. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.diffusion.weightings"


def _part(name: str, summary: str, where: str = "by_sigma") -> Part:
    return Part(f"{_HERE}.{where}:{name}", f"{_HERE}.options:{name}Options", summary)


PARTS: dict[str, Part] = {
    "auto": _part("Plain", "the error of what the network itself predicts, all levels alike; with edm this is karras", "base"),
    "karras": _part("Karras", "that of EDM: an untrained network has the same loss at every level"),
    "snr": _part("SNR", "the error of the noise: all levels alike for a network that predicts it"),
    "soft_min_snr": _part("SoftMinSNR", "the signal-to-noise ratio, smoothly limited by that of the data"),
    "min_snr": _part("MinSNR", "the signal-to-noise ratio, cut off at gamma"),
    "denoised": _part("Denoised", "the error of the clean sample: all levels alike for a network that predicts it"),
    "velocity": _part("Velocity", "the error of the velocity of flow matching: all times alike"),
    "cosmap": _part("Cosmap", "that of velocities, with more weight on times in the middle (SD3)"),
    "uncertainty": _part("Uncertainty", "learned: every level divided by the error that is expected there (EDM2)", "uncertainty"),
}

ALIASES = {"sigma_sqrt": "velocity", "x0": "denoised", "eps": "snr", "epsilon": "snr", "simple": "snr", "edm": "karras"}
"""Names of k-diffusion, diffusers and papers → names here."""


def find_name(name: str) -> str:
    """The name here of a weighting that is called something else elsewhere; any other name as it is."""
    return ALIASES.get(name.lower().replace("-", "_"), name)
