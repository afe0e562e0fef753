"""Uniform numbers spread evenly over micro-batches and ranks, so that a whole step has every level of noise in its share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from trainwright.config.errors import RequestError

_settings = threading.local()


def check_groups(group: int, groups: int) -> None:
    """Raises RequestError unless 0 ≤ group < groups."""
    if not (groups >= 1 and 0 <= group < groups):
        fix = "groups is the number of micro-batches of a step over all ranks, and group counts them from 0"
        raise RequestError(f"group {group} of {groups} is impossible", fix=fix)


def strata(u: Tensor, group: int = 0, groups: int = 1) -> Tensor:
    """`(group + i · groups + u) / (n · groups)` for the i-th of the n numbers of the last dimension; `u` `(…, n)` uniform in [0, 1).

    The numbers of all groups together have one in each of n · groups equal parts. Raises RequestError for an impossible group.
    """
    check_groups(group, groups)
    count = u.shape[-1]
    offsets = torch.arange(group, count * groups, groups, dtype=u.dtype, device=u.device)
    return (offsets + u) / max(count * groups, 1)


def stratified_uniform(
    shape: Sequence[int] | int,
    group: int = 0,
    groups: int = 1,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Uniform numbers of `shape` in [0, 1), stratified along the last dimension: group number `group` of `groups` that complete it.

    Raises RequestError for an impossible group, or no dimension to stratify. After k-diffusion's function of the same name.
    """
    check_groups(group, groups)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not shape:
        raise RequestError("one number alone cannot be stratified", why="the shape is ()", fix="give a shape such as (1,)")
    return strata(torch.rand(shape, dtype=dtype, device=device), group, groups)


@contextmanager
def enable_stratified(group: int = 0, groups: int = 1, disable: bool = False) -> Iterator[None]:
    """Inside, this thread's `rand_*` draw stratified numbers of one group; `disable` draws independent ones.

    Raises RequestError for an impossible group.
    """
    check_groups(group, groups)
    before = getattr(_settings, "groups", None)
    _settings.groups = None if disable else (group, groups)
    try:
        yield
    finally:
        _settings.groups = before


class _GradientState(Protocol):
    num_steps: int


class Accelerator(Protocol):
    """What is read of Hugging Face's `Accelerator`."""

    process_index: int
    num_processes: int
    step: int
    gradient_state: _GradientState


@contextmanager
def enable_stratified_accelerate(accelerator: Accelerator, disable: bool = False) -> Iterator[None]:
    """As `enable_stratified` over all processes and accumulated micro-batches of Hugging Face's `Accelerator`."""
    micro_batches = accelerator.gradient_state.num_steps
    group = accelerator.process_index * micro_batches + accelerator.step % micro_batches
    with enable_stratified(group, accelerator.num_processes * micro_batches, disable):
        yield


def stratified_with_settings(
    shape: Sequence[int] | int, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Uniform numbers of `shape` in [0, 1), stratified inside `enable_stratified`."""
    settings: tuple[int, int] | None = getattr(_settings, "groups", None)
    if settings is None:
        return torch.rand(shape, dtype=dtype, device=device)
    return stratified_uniform(shape, *settings, dtype=dtype, device=device)
