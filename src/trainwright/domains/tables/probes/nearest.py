"""The nearest training rows by their embeddings, found in pieces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

PIECE = 4096
"""Training rows that are compared at once."""


class NearestRows:
    """Answers by the mean over the k nearest training rows: shares of their classes or labels, or their mean number."""

    def __init__(self, kind: str, classes: int, k: int, metric: str) -> None:
        self.kind, self.classes, self.k, self.metric = kind, classes, k, metric

    def fit(self, vectors: Tensor, truth: Tensor) -> None:
        """Keep the training rows; as in `LinearProbe.fit`."""
        self.vectors = normalize(vectors.double(), dim=1) if self.metric == "cosine" else vectors.double()
        self.truth = truth

    def find(self, vectors: Tensor) -> Tensor:
        """The places of the k nearest training rows `[b, k]`, the nearest first; of equals those that come first."""
        asked = normalize(vectors.double(), dim=1) if self.metric == "cosine" else vectors.double()
        best = torch.full((len(asked), 0), 0.0, dtype=torch.float64)
        places = torch.zeros(len(asked), 0, dtype=torch.int64)
        for start in range(0, len(self.vectors), PIECE):
            piece = self.vectors[start : start + PIECE]
            far = -(asked @ piece.T) if self.metric == "cosine" else torch.cdist(asked, piece, compute_mode="donot_use_mm_for_euclid_dist")
            best = torch.cat([best, far], 1)
            places = torch.cat([places, torch.arange(start, start + len(piece)).expand(len(asked), -1)], 1)
            best, order = torch.sort(best, dim=1, stable=True)
            best, places = best[:, : self.k], places.gather(1, order)[:, : self.k]
        return places

    def scores_of(self, vectors: Tensor) -> Tensor:
        """Shares of classes `[b, c]` or labels `[b, k]`, or means of encoded numbers `[b, o]`."""
        near = self.truth[self.find(vectors)]
        if self.kind in ("category", "binary"):
            shares = torch.zeros(len(near), self.classes, dtype=torch.float64)
            return shares.scatter_add_(1, near.long(), torch.full(near.shape, 1 / near.shape[1], dtype=torch.float64))
        return near.double().mean(1).reshape(len(near), -1)
