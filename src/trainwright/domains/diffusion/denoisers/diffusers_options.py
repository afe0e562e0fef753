"""Options of networks and tables of diffusers. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.domains.diffusion.denoisers.options import DenoiserOptions


class DiffusersDenoiserOptions(DenoiserOptions):
    """The denoiser that belongs to a scheduler of diffusers: its table or its times, and what the network predicts."""

    type: str = "diffusers"
    scheduler: str
    """Path of its `scheduler_config.json`, or of the folder that this lies in."""


class DiffusersOptions(PartConfig):
    """A network of diffusers, made by its config or read from a folder."""

    type: str = "diffusers"
    model: str = "UNet2DModel"
    """Name of its class."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the class; what follows from the data (channels, size, classes) is given where this does not say otherwise."""
    weights: str | None = None
    """Folder with its `config.json` and safetensors, as diffusers saves it; `config` overrides what is said there."""
