"""What the data say against the options of a diffusion model, and what a reader should know of them."""

from __future__ import annotations

from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.config.registry import parts
from trainwright.domains.diffusion.data import Found, PreparedRows
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.diffusion.samplers import SamplerPart
from trainwright.domains.diffusion.units import PICTURES

LOWEST, HIGHEST = 0.004, 160.0
"""Ends of sampling in standard deviations of the data: 0.002 and 80 where that is 0.5 (Karras et al. 2022, table 1)."""
FAR = 1.5
"""How many times another deviation than the one that was found is told of."""
ROUNDING = 1e-3
"""By how much pictures may leave −1 to 1: interpolation rounds."""


def sampling_ends(options: DiffusionOptions, sigma_data: float, denoiser: BaseDenoiser | None = None) -> tuple[float, float]:
    """The least and the most noise of sampling: by the data, or those of the table of a denoiser that has one."""
    low, high = getattr(denoiser, "sigma_min", LOWEST * sigma_data), getattr(denoiser, "sigma_max", HIGHEST * sigma_data)
    return (low if options.sigma_min == "auto" else options.sigma_min), (high if options.sigma_max == "auto" else options.sigma_max)


def refuse_unfit(options: DiffusionOptions, data: PreparedRows, found: Found) -> None:
    """Raise ConfigError for options that these data make impossible; `sigma_data` is a number by now."""
    ensure_varied(options, data, found)
    ensure_ends(options)
    ensure_guided(options, data.layout.conditional)
    ensure_ordinary(options)
    if data.layout.made.group.kind == PICTURES:
        ensure_pictures(found, data.parts.made[0])


def ensure_varied(options: DiffusionOptions, data: PreparedRows, found: Found) -> None:
    """Raise ConfigError for data that are all alike."""
    if found.deviation > 0:
        return
    why = f"all its values are alike in {found.rows:,} rows"
    raise ConfigError(f"'{data.parts.made[0]}' does not vary", where="system.of", why=why, fix="name another column")


def ensure_ends(options: DiffusionOptions) -> None:
    """Raise ConfigError where sampling would begin at less noise than it ends with."""
    low, high = sampling_ends(options, float(options.sigma_data))
    if low < high:
        return
    name, other = ("sigma_min", "sigma_max") if options.sigma_min != "auto" else ("sigma_max", "sigma_min")
    what = f"sampling would go from sigma_max {high:g} down to sigma_min {low:g}"
    why = f"{other} follows from sigma_data, which is {options.sigma_data:g}" if getattr(options, other) == "auto" else ""
    raise ConfigError(what, where=f"system.{name}", why=why, fix="leave both out, or give a sigma_max that is larger")


def ensure_guided(options: DiffusionOptions, conditional: bool) -> None:
    """Raise ConfigError for guidance of a model that never learns without its condition, or has none."""
    if options.guidance == 1:
        return
    what, where = f"guidance {options.guidance:g} of a model that cannot be guided", "system.guidance"
    if not conditional:
        fix = "leave guidance out, or name what says which one is made: system.condition=[COLUMN]"
        raise ConfigError(what, where=where, why="it has no condition", fix=fix)
    if not options.condition_dropout:
        why = "with condition_dropout 0 it never learns to do without its condition"
        raise ConfigError(what, where=where, why=why, fix="system.condition_dropout=0.1")


def ensure_ordinary(options: DiffusionOptions) -> None:
    """Raise ConfigError for a sampler of distilled models, which none is that is trained here."""
    part = parts("sampler").get(options.sampler.type)
    if isinstance(part, SamplerPart) and part.distilled:
        what = f"sampler '{options.sampler.type}' is for distilled models"
        why = "an ordinary model does not jump to data from any level of noise"
        raise ConfigError(what, where="system.sampler", why=why, fix="dpmpp_2m needs 10 to 20 steps")


def ensure_pictures(found: Found, name: str) -> None:
    """Raise ConfigError for pictures that are shown to the network otherwise than between −1 and 1, as samples are read."""
    if found.low >= -1 - ROUNDING and found.high <= 1 + ROUNDING:
        return
    what = f"pictures of '{name}' go from {found.low:.4g} to {found.high:.4g}, and are made from -1 to 1"
    fix = "leave normalize, mean, std and scale out"
    raise ConfigError(what, where=f"system.columns.{name}", why="that is what they are after its normalisation", fix=fix)


def cautions(options: DiffusionOptions, data: PreparedRows, found: Found) -> list[str]:
    """What a reader should know of the data: a deviation far from the stated one, and rows that cannot be told."""
    said = []
    stated, measured = float(options.sigma_data), found.deviation
    if max(stated, measured) > FAR * min(stated, measured):
        seen = "larger" if measured > stated else "smaller"
        said.append(
            f"sigma_data is {stated:g}, and what is made has a deviation of {measured:.4g}, from {found.low:.4g} to {found.high:.4g}: "
            f"the network sees it {seen} than it expects; system.sigma_data={round(measured, 4):g}, or auto, is what was found"
        )
    if lacking := rows_without_class(data):
        said.append(f"{lacking:,} rows were left out: no value in column '{data.parts.label}'")
    return said


def rows_without_class(data: PreparedRows) -> int:
    """How many rows no split has since their class is not known."""
    if not data.parts.label:
        return 0
    values: Any = data.source.read(columns=[data.parts.label]).column(0)
    return int(values.null_count)
