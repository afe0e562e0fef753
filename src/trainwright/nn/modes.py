"""Contexts that set a mode of modules or of torch and put back exactly what was there, also after an exception; decorators too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def train_mode(model: nn.Module, mode: bool = True) -> Iterator[nn.Module]:
    """The model in training mode (evaluation mode for `mode=False`); afterwards every submodule is back in the mode it had."""
    before = [(module, module.training) for module in model.modules()]
    try:
        model.train(mode)
        yield model
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode; afterwards every submodule is back in the mode it had."""
    with train_mode(model, False):
        yield model


@contextmanager
def tf32_mode(cudnn: bool | None = None, matmul: bool | None = None) -> Iterator[None]:
    """Whether cuDNN and matrix products may round float32 to TF32 (10-bit mantissas); None leaves a setting as it is."""
    backends: Any = torch.backends
    # torch keeps each setting twice, as a truth value and as a precision per operation, and refuses to read them where they disagree:
    # writing the truth value writes both, and restoring the precisions afterwards brings back what a truth value cannot say
    fine = [(place, place.fp32_precision) for place in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)]
    coarse = [(place, _read_allowed(place)) for place in (backends.cuda.matmul, backends.cudnn)]
    try:
        if cudnn is not None:
            backends.cudnn.allow_tf32 = cudnn
            for place in (backends.cudnn.conv, backends.cudnn.rnn):  # "no" alone would leave them to a setting for everything
                place.fp32_precision = "tf32" if cudnn else "ieee"
        if matmul is not None:
            backends.cuda.matmul.allow_tf32 = matmul
        yield
    finally:
        for place, allowed in coarse:
            if allowed is not None:
                place.allow_tf32 = allowed
        for place, precision in fine:
            place.fp32_precision = precision


def _read_allowed(place: Any) -> bool | None:
    """The truth value; None where the precisions set one by one have no common one."""
    try:
        return bool(place.allow_tf32)
    except RuntimeError:
        return None
