"""The noise levels of a schedule by name, with what the schedule needs of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import canonical_name, load, options_class, parts
from trainwright.domains.diffusion.schedules import SchedulePart
from trainwright.domains.diffusion.schedules.levels import Device
from trainwright.domains.diffusion.schedules.ramps import fit_vp

KIND = "sigma_schedule"
ABOVE = 1e-3
"""By what share the first level may be above the model's: published levels are rounded."""


def make_sigmas(
    schedule: str | PartConfig,
    n: int,
    sigma_min: float,
    sigma_max: float,
    *,
    table: Tensor | Sequence[float] | None = None,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """(n + 1,) levels from at most `sigma_max` down, and a 0, of a schedule by name or options.

    `table` are the levels of a model with discrete times, rising. A schedule of one's own is called as `(n, sigma_min, sigma_max, …)`.
    Raises ConfigError for a schedule that does not fit the model or begins above `sigma_max`, RequestError for ends that cannot be used.
    """
    options = options_class(KIND, schedule)(type=canonical_name(KIND, schedule)) if isinstance(schedule, str) else schedule
    name = canonical_name(KIND, options.type)
    given = _of_model(name, n, options, sigma_min, sigma_max, table)
    keywords: dict[str, Any] = {**options.model_dump(exclude={"type"}), **given}
    levels = cast(Tensor, load(KIND, name)(n, **keywords, device=device, dtype=dtype))
    if float(levels[0]) > sigma_max * (1 + ABOVE):
        why = "it never saw more in training"
        told = f"schedule '{name}' begins at {float(levels[0]):g}, and the model knows noise up to {sigma_max:g}"
        raise ConfigError(told, where="sigmas", why=why, fix="levels of a smaller noise, or a schedule that takes the model's: karras")
    return levels


def _of_model(
    name: str, n: int, options: PartConfig, sigma_min: float, sigma_max: float, table: Tensor | Sequence[float] | None
) -> dict[str, Any]:
    part = parts(KIND).get(name)
    takes = part.takes if isinstance(part, SchedulePart) else "ends"
    if takes == "table" and table is None:
        why = "it takes levels out of the table of a model with discrete times, and this one has none"
        raise ConfigError(
            f"schedule '{name}' cannot be used here", where="sigmas", why=why, fix="karras, exponential, linear, beta or flow"
        )
    if name == "vp":
        return _ends_of_vp(options, sigma_min, sigma_max)
    known = {"sigma_min": sigma_min, "sigma_max": sigma_max, "table": table}
    return {each: known[each] for each in {"ends": ("sigma_min", "sigma_max"), "max": ("sigma_max",), "table": ("table",)}.get(takes, ())}


def _ends_of_vp(options: Any, sigma_min: float, sigma_max: float) -> dict[str, float]:
    if options.beta_d is not None and options.beta_min is not None:
        return {}
    if options.beta_d is not None or options.beta_min is not None:
        lacking = "beta_min" if options.beta_min is None else "beta_d"
        raise ConfigError(f"'vp' has one of its rates and not {lacking}", where=f"sigmas.{lacking}", fix="both, or none to fit the model")
    beta_d, beta_min = fit_vp(sigma_min, sigma_max, options.eps_s)
    return {"beta_d": beta_d, "beta_min": beta_min}
