"""The encoder of an Audio Spectrogram Transformer, with its weights."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.config.trust import is_reading
from trainwright.domains.signals.models.ast import AST, SIZES
from trainwright.domains.signals.models.ast_weights import begin_ast
from trainwright.domains.signals.models.options import ASTOptions
from trainwright.domains.signals.models.recordings import SPECTROGRAM, read_recordings, shape_of, too_short
from trainwright.features.spec import InputGroup


class ASTEncoder(nn.Module):
    """A spectrogram → one token `[b, 1, width]`."""

    def __init__(self, options: ASTOptions, group: InputGroup) -> None:
        super().__init__()
        channels, mels, frames = shape_of(group, SPECTROGRAM, options.type)
        width, heads = SIZES[options.size]
        made: dict[str, Any] = {"depth": options.depth, "patch": options.patch, "stride": options.stride, "dropout": options.dropout}
        try:
            self.network = AST(channels, mels, frames, width, heads, drop_path=options.drop_path, **made)
        except ConfigError as error:
            raise too_short(group, options.type, frames, error.what) from error
        self.tokens, self.width = 1, width
        self.absent = nn.Parameter(torch.zeros(width)) if "missing" in group.parts else None
        if options.weights is not None and not is_reading():
            begin_ast(self.network, options.weights, options.positions)

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x, keep = read_recordings(parts)
        lacking = self.network.patch - x.shape[-1]
        if lacking > 0:  # a batch of recordings that are all shorter than a piece
            x = functional.pad(x, (0, lacking))
            keep = None if keep is None else functional.pad(keep, (0, lacking), value=False)
        x = self.network(x, keep).unsqueeze(1)
        return x if self.absent is None else torch.where(parts["missing"].view(-1, 1, 1) > 0, self.absent, x)


def ast(options: ASTOptions, group: InputGroup) -> ASTEncoder:
    """The encoder of an AST."""
    return ASTEncoder(options, group)
