"""A learned vector per category value."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.encoders import EmbeddingOptions
from trainwright.nn.encoders.one_hot import check_index, offsets
from trainwright.nn.networks.initial import normal_weight


def embedding_width(size: int) -> int:
    """Length of the vectors for a column of `size` values: 1.6 · n^0.56, 2 … 64 (the rule of fastai)."""
    return max(2, min(64, round(1.6 * size**0.56)))


class Embedding(nn.Module):
    """`index` `[b, f]` → `[b, f, width]`; with `one_hot_up_to`, `[b, 1, one-hot widths + vectors]`.

    All columns share one table, each from an offset of its own: one look-up, whatever the number of columns.
    """

    start: Tensor
    small_start: Tensor

    def __init__(self, options: EmbeddingOptions, group: InputGroup) -> None:
        super().__init__()
        check_index(group)
        sizes = group.sizes
        self.small = [i for i, size in enumerate(sizes) if size <= options.one_hot_up_to]
        self.large = [i for i, size in enumerate(sizes) if size > options.one_hot_up_to]
        large, small = [sizes[i] for i in self.large], [sizes[i] for i in self.small]
        self.vector = options.width or embedding_width(max(large, default=0))
        self.table = normal_weight(sum(large), self.vector, std=1 / self.vector**0.5)
        self.ones = sum(small)
        self.register_buffer("start", offsets(large), persistent=False)
        self.register_buffer("small_start", offsets(small), persistent=False)
        self.tokens, self.width = (1, self.ones + len(large) * self.vector) if small else (len(sizes), self.vector)

    def forward(self, parts: dict[str, Tensor]) -> Float[Tensor, "b t w"]:
        index = parts["index"]
        if not self.small:
            return F.embedding(index + self.start, self.table)
        vectors = F.embedding(index[:, self.large] + self.start, self.table).flatten(1)
        ones = torch.zeros(index.shape[0], self.ones, device=index.device, dtype=vectors.dtype)
        ones.scatter_(1, index[:, self.small] + self.small_start, 1.0)
        return torch.cat([ones, vectors], dim=1).unsqueeze(1)
