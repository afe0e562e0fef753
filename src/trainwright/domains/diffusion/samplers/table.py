"""The table of samplers, which imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainwright.config.part import Part

_HERE = "trainwright.domains.diffusion.samplers"


@dataclass(frozen=True)
class SamplerPart(Part):
    """A registered sampler: what noise it takes, how often it calls the denoiser, and who decides on its steps."""

    noise: Literal["", "iid", "brownian"] = ""
    """The noise of its steps: none (of `iid` where churn asks for some), fresh normal numbers, or increments of one path over σ."""
    calls: str = "N"
    """Calls of the denoiser for N steps, the last of them into 0."""
    order: int = 1
    """How its error falls with the length of its steps, without noise: halving them makes it 2^order times smaller."""
    shared_steps: bool = False
    """Whether the rows of a batch decide together on the steps, so that a sample depends on its batch."""
    distilled: bool = False
    """Whether it is for distilled models only."""


def _part(
    name: str,
    options: str,
    summary: str,
    *,
    module: str = "",
    noise: Literal["", "iid", "brownian"] = "",
    calls: str = "N",
    order: int = 1,
    shared_steps: bool = False,
    distilled: bool = False,
) -> SamplerPart:
    path = f"{_HERE}.{module or name}:sample_{name}"
    return SamplerPart(path, f"{_HERE}.options:{options}", summary, (), noise, calls, order, shared_steps, distilled)


PARTS: dict[str, Part] = {
    "euler": _part("euler", "EulerOptions", "the simplest: one call a step, Karras et al. (2022)"),
    "heun": _part("heun", "HeunOptions", "that of EDM: two calls a step, Karras et al. (2022)", calls="2N − 1", order=2),
    "dpm_2": _part("dpm_2", "Dpm2Options", "the midpoint in ln σ: two calls a step, Lu et al. (2022)", calls="2N − 1", order=2),
    "lms": _part("lms", "LmsOptions", "linear multistep: past slopes as a polynomial in σ", order=4),
    "dpmpp_2m": _part("dpmpp_2m", "Dpmpp2mOptions", "DPM-Solver++(2M): one call a step, exact in few, Lu et al. (2022)", order=2),
    "deis": _part("deis", "DeisOptions", "past slopes as a polynomial in ln σ, Zhang & Chen (2023)", order=3),
    "unipc": _part("unipc", "UnipcOptions", "predictor and corrector of one call a step, Zhao et al. (2023)", order=4),
    "dpm_fast": _part("dpm_fast", "DpmFastOptions", "DPM-Solver of a given number of calls, Lu et al. (2022)", order=2),
    "dpm_adaptive": _part(
        "dpm_adaptive",
        "DpmAdaptiveOptions",
        "steps as long as their error allows, Lu et al. (2022)",
        calls="as needed",
        order=3,
        shared_steps=True,
    ),
    "ddim": _part("ddim", "DdimOptions", "Euler's, with the noise that eta asks for, Song et al. (2020)", noise="iid"),
    "euler_ancestral": _part("euler_ancestral", "EulerAncestralOptions", "Euler's and fresh noise: DDPM, Ho et al. (2020)", noise="iid"),
    "dpm_2_ancestral": _part("dpm_2_ancestral", "Dpm2AncestralOptions", "dpm_2 and fresh noise", noise="iid", calls="2N − 1", order=2),
    "dpmpp_2s_ancestral": _part(
        "dpmpp_2s_ancestral", "Dpmpp2sAncestralOptions", "DPM-Solver++(2S) and fresh noise", noise="iid", calls="2N − 1", order=2
    ),
    "dpmpp_sde": _part("dpmpp_sde", "DpmppSdeOptions", "DPM-Solver++ as an SDE, two stages", noise="brownian", calls="2N − 1", order=2),
    "dpmpp_2m_sde": _part("dpmpp_2m_sde", "Dpmpp2mSdeOptions", "DPM-Solver++(2M) as an SDE", noise="brownian", order=2),
    "dpmpp_3m_sde": _part(
        "dpmpp_3m_sde", "Dpmpp3mSdeOptions", "DPM-Solver++(3M) as an SDE, as its peers compute it", noise="brownian", order=2
    ),
    "dpmpp_3m_sde_corrected": _part(
        "dpmpp_3m_sde_corrected",
        "Dpmpp3mSdeCorrectedOptions",
        "the same with the factor that its peers lack",
        module="dpmpp_3m_sde",
        noise="brownian",
        order=3,
    ),
    "restart": _part(
        "restart",
        "RestartOptions",
        "back up with noise and down again, Xu et al. (2023)",
        noise="iid",
        calls="those of its solver",
        order=2,
    ),
    "lcm": _part(
        "lcm", "LcmOptions", "jumps to data, of distilled models only, Luo et al. (2023)", module="few_steps", noise="iid", distilled=True
    ),
    "tcd": _part(
        "tcd",
        "TcdOptions",
        "jumps with less noise, of distilled models only, Zheng et al. (2024)",
        module="few_steps",
        noise="iid",
        distilled=True,
    ),
}
