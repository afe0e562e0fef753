"""Making the parts of a network, also those named by path that know nothing of tokens, members and rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.features.spec import InputGroup

INDICES = ("index", "tokens", "length")
"""Parts that hold whole numbers."""
TRIAL_ROWS = 2
"""Rows of zeros sent through a part that does not announce its shape; two, because batch norm refuses one."""


class Announced(nn.Module):
    """A part named by path, with the attributes that parts here have; an output `[b, w]` becomes one token where tokens are wanted."""

    def __init__(self, part: nn.Module, shape: torch.Size, *, tokens: bool) -> None:
        super().__init__()
        self.part = part
        self.as_token = tokens and len(shape) == 2
        self.width = shape[-1]
        self.tokens = self.members = shape[1] if len(shape) == 3 else 1

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.part(x)
        return y.unsqueeze(1) if self.as_token else y


def try_part(part: nn.Module, trial: Any, options: PartConfig, where: str) -> torch.Size:
    """The shape of the part's output for trial rows; raises ConfigError when it fails or gives anything but `[b, w]` or `[b, n, w]`."""
    if not isinstance(part, nn.Module):
        fix = "name a subclass of torch.nn.Module, or a function that gives one"
        raise ConfigError(f"'{options.type}' gives a {type(part).__name__}, not a module", where=where, fix=fix)
    training = part.training
    try:
        with torch.no_grad():
            output = part.eval()(trial)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        fix = "read what it is given, or give it the attributes `tokens` and `width`"
        raise ConfigError(
            f"'{options.type}' cannot be called with its inputs", where=where, why=str(error).splitlines()[0], fix=fix
        ) from error
    finally:
        part.train(training)
    if not isinstance(output, Tensor) or output.dim() not in (2, 3) or len(output) != TRIAL_ROWS:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ConfigError(
            f"'{options.type}' gives {shape} for {TRIAL_ROWS} rows", where=where, fix="give [rows, width] or [rows, n, width]"
        )
    return output.shape


def announced_shape(encoder: Any) -> tuple[int, int]:
    """Tokens and width of an encoder."""
    return int(encoder.tokens), int(encoder.width)


def make_encoder(options: PartConfig, group: InputGroup) -> nn.Module:
    """The encoder of a group, with `tokens` and `width`; one named by path is called with the dict of the group's parts."""
    encoder: nn.Module = build("encoder", options, group=group)
    if hasattr(encoder, "tokens") and hasattr(encoder, "width"):
        return encoder
    trial = {
        part: torch.zeros(TRIAL_ROWS, *shape, dtype=torch.int64 if part in INDICES else torch.float32)
        for part, shape in group.parts.items()
    }
    return Announced(encoder, try_part(encoder, trial, options, ", ".join(group.columns)), tokens=True)


def make_combiner(options: PartConfig, shapes: list[tuple[int, int]], rows: int) -> nn.Module:
    """The combiner of the encoded groups, with `width` and `members`; one named by path is called with the list of `[b, tokens, width]`."""
    combiner: nn.Module = build("combiner", options, shapes=shapes, rows=rows)
    if hasattr(combiner, "width"):
        return combiner
    trial = [torch.zeros(TRIAL_ROWS, *shape) for shape in shapes]
    return Announced(combiner, try_part(combiner, trial, options, "model.combiner"), tokens=False)
