"""A small convolutional network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.images.models.options import SmallCNNOptions
from trainwright.features.spec import InputGroup


class SmallCNN(nn.Module):
    """`[b, columns, c, h, w]` → `[b, 1, width]`: two convolutions a stage, batch norm, ReLU, halved by a maximum, then the mean."""

    def __init__(self, options: SmallCNNOptions, group: InputGroup) -> None:
        super().__init__()
        columns, channels, *_ = group.parts["value"]
        layers: list[nn.Module] = []
        before = columns * channels
        for width in options.widths:
            for _ in range(2):
                layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(options.dropout)
        self.absent = nn.Parameter(torch.zeros(before)) if "missing" in group.parts else None
        self.tokens, self.width = 1, before

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b 1 w"]:
        x = self.layers(parts["value"].flatten(1, 2)).mean((-2, -1))
        if self.absent is not None:
            x = x + parts["missing"].amax(1, keepdim=True) * self.absent
        return self.dropout(x).unsqueeze(1)
