"""What web UIs and other libraries call samplers, with or without a schedule in the same name, and what that is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.domains.diffusion.samplers.table import PARTS
from trainwright.domains.diffusion.schedules import find_name as find_schedule

WEB = {
    "lms": "lms",
    "dpm2": "dpm_2",
    "dpm2 a": "dpm_2_ancestral",
    "dpm++ 2s a": "dpmpp_2s_ancestral",
    "dpm++ 2m": "dpmpp_2m",
    "dpm++ sde": "dpmpp_sde",
    "dpm++ 2m sde": "dpmpp_2m_sde",
    "dpm++ 2m sde heun": "dpmpp_2m_sde",
    "dpm++ 3m sde": "dpmpp_3m_sde",
}
"""Samplers that web UIs offer with schedules in their names."""

ALIASES = {
    **{each: here for each, here in WEB.items() if each != here},
    **{f"{each} {schedule}": here for each, here in WEB.items() for schedule in ("karras", "exponential")},
    "euler a": "euler_ancestral",
    "dpm fast": "dpm_fast",
    "dpm adaptive": "dpm_adaptive",
    "uni_pc": "unipc",
    "uni_pc_bh2": "unipc",
    "ddpm": "euler_ancestral",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm_2",
    "KDPM2AncestralDiscreteScheduler": "dpm_2_ancestral",
    "LMSDiscreteScheduler": "lms",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSinglestepScheduler": "dpmpp_2s_ancestral",
    "DPMSolverSDEScheduler": "dpmpp_sde",
    "EDMEulerScheduler": "euler",
    "EDMDPMSolverMultistepScheduler": "dpmpp_2m",
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "euler_ancestral",
    "DEISMultistepScheduler": "deis",
    "UniPCMultistepScheduler": "unipc",
    "FlowMatchEulerDiscreteScheduler": "euler",
    "FlowMatchHeunDiscreteScheduler": "heun",
    "LCMScheduler": "lcm",
    "TCDScheduler": "tcd",
}
"""Names of AUTOMATIC1111's and other web UIs, and the classes of diffusers → samplers here."""

OPTIONS: dict[str, dict[str, Any]] = {
    "dpm++ 2m sde heun": {"solver_type": "heun"},
    "DPMSolverSinglestepScheduler": {"eta": 0.0},
    "DEISMultistepScheduler": {"order": 2},
    "UniPCMultistepScheduler": {"order": 2},
}
"""Aliases that say more than a sampler: the options that are meant with them."""

SCHEDULES = {
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "polyexponential",
    "beta": "beta",
    "align your steps": "align_your_steps",
    "ays": "align_your_steps",
    "sgm uniform": "simple",
    "simple": "simple",
    "uniform": "uniform",
    "normal": "uniform",
}
"""What may stand behind a sampler in one name → schedules here."""


@dataclass(frozen=True)
class Joined:
    """What is meant by one name: a sampler, its options, and a schedule (empty: that of the model)."""

    sampler: str
    options: dict[str, Any] = field(default_factory=dict)
    sigmas: str = ""


def joined_name(name: str) -> Joined:
    """`DPM++ 2M Karras` as the sampler `dpmpp_2m` and the schedule `karras`; raises ConfigError naming the nearest."""
    folded = _fold(name)
    schedule = next((each for each in sorted(SCHEDULES, key=len, reverse=True) if folded.endswith(f" {each}")), "")
    for whole, sigmas in ((folded.removesuffix(schedule).strip(), SCHEDULES.get(schedule, "")), (folded, "")):
        if found := _sampler(whole):
            return Joined(found, _folded_options().get(whole, {}), sigmas)
    raise ConfigError(f"unknown sampler '{name}'", where="sampler", fix=did_you_mean(name, [*PARTS, *ALIASES]))


def is_known(name: str) -> bool:
    """Whether it is a name of a sampler here or elsewhere, with or without a schedule."""
    try:
        joined_name(name)
    except ConfigError:
        return False
    return True


def find_name(name: str) -> str:
    """The name here of a sampler that is called something else elsewhere, with or without a schedule; any other name as it is."""
    return joined_name(name).sampler if is_known(name) else name


def spread_joined(values: Any) -> Any:
    """Options with `sampler` and `sigmas`, where the sampler's name may say both (`DPM++ 2M Karras`): each under its own key.

    What is no known name is left for whoever reads the options. Raises ConfigError where the name and `sigmas` say different schedules.
    """
    given = values.get("sampler") if isinstance(values, dict) else None
    options = {"type": given} if isinstance(given, str) else given
    if not isinstance(options, dict) or not isinstance(options.get("type"), str) or not is_known(options["type"]):
        return values
    joined = joined_name(options["type"])
    spread = {**values, "sampler": {**joined.options, **options, "type": joined.sampler}}
    if not joined.sigmas:
        return spread
    sigmas = values.get("sigmas", joined.sigmas)
    named = sigmas.get("type") if isinstance(sigmas, dict) else sigmas
    if isinstance(named, str) and find_schedule(named) != joined.sigmas:
        why = f"'{options['type']}' means the schedule {joined.sigmas}"
        raise ConfigError(f"two schedules of noise levels, {joined.sigmas} and {named}", where="sigmas", why=why, fix="say one of them")
    return {**spread, "sigmas": sigmas}


def _sampler(folded: str) -> str:
    underscored = folded.replace(" ", "_").replace("-", "_")
    return underscored if underscored in PARTS else {_fold(each): here for each, here in ALIASES.items()}.get(folded, "")


def _folded_options() -> dict[str, dict[str, Any]]:
    return {_fold(each): options for each, options in OPTIONS.items()}


def _fold(name: str) -> str:
    return " ".join(name.lower().split())
