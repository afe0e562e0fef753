"""Schedules of noise levels: where the steps of a sampler are. The table imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainwright.config.part import Part

_HERE = "trainwright.domains.diffusion.schedules"


@dataclass(frozen=True)
class SchedulePart(Part):
    """A registered schedule: what of the model its function is given after the number of steps."""

    takes: Literal["ends", "max", "table", ""] = "ends"
    """sigma_min and sigma_max, sigma_max alone, the table of a discrete model, or nothing of the model."""


def _part(name: str, module: str, options: str, summary: str, takes: Literal["ends", "max", "table", ""] = "ends") -> SchedulePart:
    return SchedulePart(f"{_HERE}.{module}:get_sigmas_{name}", f"{_HERE}.options:{options}", summary, takes=takes)


PARTS: dict[str, Part] = {
    "karras": _part("karras", "ramps", "KarrasOptions", "evenly apart in σ^(1/7): many steps at low noise"),
    "exponential": _part("exponential", "ramps", "ExponentialOptions", "evenly apart in ln σ"),
    "polyexponential": _part("polyexponential", "ramps", "PolyexponentialOptions", "a power of a ramp in ln σ"),
    "linear": _part("linear", "ramps", "LinearOptions", "evenly apart in σ: most steps at high noise"),
    "beta": _part("beta", "ramps", "BetaOptions", "even quantiles of a Beta distribution: more steps at both ends"),
    "vp": _part("vp", "ramps", "VpOptions", "even times of the variance-preserving process", ""),
    "align_your_steps": _part("align_your_steps", "tables", "AlignYourStepsOptions", "a table of optimised levels, or one of your own", ""),
    "flow": _part("flow", "flow", "FlowOptions", "even times of flow matching, shifted towards noise", "max"),
    "uniform": _part("uniform", "tables", "UniformOptions", "even times of a model with discrete times", "table"),
    "simple": _part("simple", "tables", "SimpleOptions", "every so-manieth level of a model with discrete times", "table"),
}

ALIASES = {
    "ays": "align_your_steps",
    "sgm_uniform": "simple",
    "normal": "uniform",
    "linear_sigma": "linear",
    "edm": "karras",
    "poly_exponential": "polyexponential",
}
"""What web UIs call schedules → their names here."""


def find_name(name: str) -> str:
    """The name here of a schedule that is called something else elsewhere; any other name as it is."""
    folded = name.lower().replace("-", "_").replace(" ", "_")
    return ALIASES.get(folded, folded if folded in PARTS else name)
