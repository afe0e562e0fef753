"""Draws of σ by torch's own generator, as k-diffusion has them: for a loop of one's own. float64 inside, cast last.

All are stratified inside `enable_stratified`. Each raises RequestError for parameters that no density has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.coefficients import widest
from trainwright.domains.diffusion.densities import quantiles
from trainwright.domains.diffusion.densities.stratified import stratified_with_settings

Shape = Sequence[int] | int
Device = torch.device | str


def _uniform(shape: Shape, device: Device) -> Tensor:
    return stratified_with_settings(shape, dtype=widest(device), device=device)


def _above_zero(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise RequestError(f"{name} is {value}", fix="give a number above 0")


def _in_order(min_value: float, max_value: float, least: float = 0.0) -> None:
    if not least <= min_value < max_value:
        fix = f"give {least:g} ≤ min_value < max_value"
        raise RequestError(f"there is nothing between min_value {min_value} and max_value {max_value}", fix=fix)


def rand_log_normal(
    shape: Shape, loc: float = 0.0, scale: float = 1.0, device: Device = "cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """σ `(*shape)` with ln σ normal, of mean `loc` and standard deviation `scale` (Karras et al. 2022, table 1)."""
    _above_zero(scale=scale)
    return quantiles.log_normal(_uniform(shape, device), loc, scale).to(dtype)


def rand_log_logistic(
    shape: Shape,
    loc: float = 0.0,
    scale: float = 1.0,
    min_value: float = 0.0,
    max_value: float = math.inf,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """σ `(*shape)` with ln σ logistic, between `min_value` and `max_value`."""
    _above_zero(scale=scale)
    _in_order(min_value, max_value)
    return quantiles.log_logistic(_uniform(shape, device), loc, scale, min_value, max_value).to(dtype)


def rand_log_uniform(
    shape: Shape, min_value: float, max_value: float, device: Device = "cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """σ `(*shape)` with ln σ uniform between both ends, which are above 0."""
    _above_zero(min_value=min_value)
    _in_order(min_value, max_value)
    return quantiles.log_uniform(_uniform(shape, device), min_value, max_value).to(dtype)


def rand_v_diffusion(
    shape: Shape,
    sigma_data: float = 1.0,
    min_value: float = 0.0,
    max_value: float = math.inf,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """σ `(*shape)` with arctan(σ / σ_data) uniform between both ends (Salimans & Ho 2022)."""
    _above_zero(sigma_data=sigma_data)
    _in_order(min_value, max_value)
    return quantiles.v_diffusion(_uniform(shape, device), sigma_data, min_value, max_value).to(dtype)


def rand_cosine_interpolated(
    shape: Shape,
    image_d: float,
    noise_d_low: float,
    noise_d_high: float,
    sigma_data: float = 1.0,
    min_value: float = 1e-3,
    max_value: float = 1e3,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """σ `(*shape)` of cosine schedules for pictures of side `image_d`, from one noise resolution to another (Hoogeboom et al. 2023)."""
    _above_zero(image_d=image_d, noise_d_low=noise_d_low, noise_d_high=noise_d_high, sigma_data=sigma_data, min_value=min_value)
    _in_order(min_value, max_value)
    u = _uniform(shape, device)
    return quantiles.cosine_interpolated(u, image_d, noise_d_low, noise_d_high, sigma_data, min_value, max_value).to(dtype)


def rand_split_log_normal(
    shape: Shape, loc: float, scale_1: float, scale_2: float, device: Device = "cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """σ `(*shape)` with ln σ normal, of spread `scale_1` below the mode `loc` and `scale_2` above."""
    _above_zero(scale_1=scale_1, scale_2=scale_2)
    return quantiles.split_log_normal(_uniform(shape, device), loc, scale_1, scale_2).to(dtype)
