"""Diffusion: new pictures, signals and vectors, made of noise as those of a column are."""

from __future__ import annotations

from trainwright.config.domain import Domain, SystemKind
from trainwright.config.part import Part
from trainwright.domains.diffusion.denoisers import PARTS as DENOISERS
from trainwright.domains.diffusion.densities import PARTS as DENSITIES
from trainwright.domains.diffusion.models import PARTS as BACKBONES
from trainwright.domains.diffusion.samplers import PARTS as SAMPLERS
from trainwright.domains.diffusion.schedules import PARTS as SCHEDULES
from trainwright.domains.diffusion.weightings import PARTS as WEIGHTINGS

_HERE = "trainwright.domains.diffusion"

DOMAIN = Domain(
    "diffusion",
    "New pictures, signals and vectors, made of noise as those of a column are.",
    parts={
        "system": {
            "diffusion": Part(
                f"{_HERE}.system:DiffusionSystem", f"{_HERE}.options:DiffusionOptions", "more like those of a column, of noise"
            )
        },
        "sampler": SAMPLERS,
        "sigma_schedule": SCHEDULES,
        "noise_density": DENSITIES,
        "loss_weighting": WEIGHTINGS,
        "denoiser": DENOISERS,
        "backbone": BACKBONES,
    },
    systems={
        "diffusion": SystemKind(
            f"{_HERE}.prepared:PreparedDiffusion",
            f"{_HERE}.predictor:open_diffusion",
            "generative run",
            sampling=f"{_HERE}.sample_options:SampleOptions",
        )
    },
)
