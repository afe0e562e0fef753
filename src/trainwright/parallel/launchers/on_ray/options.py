"""The options of `launch.type: ray`. Imports neither torch nor ray."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal
from trainwright.parallel.launchers.options import LaunchOptions


class RayResources(ConfigModel):
    """What one process takes of the cluster, as Ray counts it."""

    CPU: float | None = Field(default=None, gt=0)
    """Processors; torch computes with as many threads. Without it one is taken, and threads are a share of the machine."""
    GPU: float | None = Field(default=None, ge=0, le=1)
    """GPUs; without it one where `run.device` is `cuda`, or `auto` and the cluster has some, else none."""
    other: dict[str, float] = {}
    """Resources of other names that the cluster's nodes declare, such as `accelerator_type:A100`."""


class RayOptions(LaunchOptions):
    """Processes that Ray Train starts, in a cluster that runs or in a Ray that is started for this run alone."""

    inside: ClassVar[tuple[str, ...] | None] = ()

    type: str = "ray"
    devices: int | Literal["auto"] = Field(default=1, ge=1)
    """Workers in the whole cluster, each a process that trains; `auto`: as many as the cluster has GPUs, or one."""
    address: str = "auto"
    """`auto`: the cluster that runs here (or RAY_ADDRESS), else one of this run's own; `local`: one of its own; or `HOST:PORT`."""
    resources: RayResources = RayResources()
    """What each worker takes of the cluster."""
    placement: Literal["pack", "spread", "strict_pack", "strict_spread"] = "pack"
    """On as few nodes as can be, or on as many; `strict` refuses others."""
    restarts: int = Field(default=0, ge=0)
    """How often workers are started again after a failure; the run goes on from its newest checkpoint."""

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value in ("auto", "local"):
            return value
        if value.startswith("ray://"):
            why = "Ray Train does not run behind Ray's client, which ray:// is"
            fix = "name the cluster by HOST:6379 on one of its machines, or run the command there: ray job submit -- trainwright train …"
            raise as_refusal(ConfigError(f"'{value}' is an address of Ray's client", why=why, fix=fix))
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or "/" in host:
            raise as_refusal(ConfigError(f"'{value}' is no address of a Ray cluster", fix="one of: auto, local, HOST:PORT (10.0.0.1:6379)"))
        return value
