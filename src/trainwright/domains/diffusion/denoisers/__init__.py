"""Denoisers: what turns a network into a function of a noisy sample and its σ that gives the clean one. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.diffusion.denoisers"


def _continuous(options: str, summary: str) -> Part:
    return Part(f"{_HERE}.making:make_continuous", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "edm": Part(f"{_HERE}.making:make_edm", f"{_HERE}.options:EDMOptions", "scaled to unit variance on both sides of the network"),
    "v": _continuous("VOptions", "the network predicts v, between noise and clean sample"),
    "epsilon": _continuous("EpsilonOptions", "the network predicts the noise"),
    "x0": _continuous("X0Options", "the network predicts the clean sample"),
    "discrete": Part(f"{_HERE}.making:make_discrete", f"{_HERE}.options:DiscreteOptions", "the network knows the levels of a table: DDPM"),
    "diffusers": Part(
        f"{_HERE}.diffusers_schedulers:make_diffusers",
        f"{_HERE}.diffusers_options:DiffusersDenoiserOptions",
        "what a scheduler of diffusers says of its model",
    ),
    "flow": _continuous("FlowOptions", "the network predicts a velocity: flow matching, rectified flow"),
}

ALIASES = {
    "ddpm": "discrete",
    "karras": "edm",
    "eps": "epsilon",
    "sample": "x0",
    "v_prediction": "v",
    "rectified_flow": "flow",
    "flow_matching": "flow",
}
"""Names of k-diffusion, diffusers and papers → names here."""


def find_name(name: str) -> str:
    """The name here of a denoiser that is called something else elsewhere; any other name as it is."""
    return ALIASES.get(name.lower().replace("-", "_"), name)
