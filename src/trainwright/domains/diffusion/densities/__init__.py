"""Densities of the levels of noise that a network is trained at. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.diffusion.densities"


def _part(name: str, summary: str) -> Part:
    return Part(f"{_HERE}.density:{name}", f"{_HERE}.options:{name}Options", summary)


PARTS: dict[str, Part] = {
    "auto": Part(
        f"{_HERE}.density:LogNormal", f"{_HERE}.options:AutoOptions", "log_normal, or the levels of the table where the denoiser has one"
    ),
    "log_normal": _part("LogNormal", "ln σ normal, as EDM has it"),
    "logit_normal": Part(
        f"{_HERE}.density:LogNormal", f"{_HERE}.options:LogitNormalOptions", "times of flow matching whose logit is normal, as in SD3"
    ),
    "split_log_normal": _part("SplitLogNormal", "ln σ normal with another spread below the mode than above"),
    "log_logistic": _part("LogLogistic", "ln σ logistic, between two ends"),
    "log_uniform": _part("LogUniform", "ln σ uniform between two ends"),
    "v_diffusion": _part("VDiffusion", "the angle arctan(σ / σ_data) uniform, between two ends"),
    "cosine_interpolated": _part("CosineInterpolated", "cosine schedules for two noise resolutions, one turning into the other"),
    "uniform_time": _part("UniformTime", "the time t = σ / (1 + σ) of flow matching uniform, shifted for large pictures"),
    "mode": _part("Mode", "times of flow matching with a mode in the middle or at the ends, as in SD3"),
    "discrete": _part("Discrete", "the levels of a discrete table, each as often"),
}

ALIASES = {
    "lognormal": "log_normal",
    "split_lognormal": "split_log_normal",
    "loglogistic": "log_logistic",
    "loguniform": "log_uniform",
}
"""Names of k-diffusion and diffusers → names here."""


def find_name(name: str) -> str:
    """The name here of a density that is called something else elsewhere; any other name as it is."""
    return ALIASES.get(name.lower().replace("-", "_"), name)
