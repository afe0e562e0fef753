"""A linear probe: logistic or ridge regression over embeddings, fitted to the optimum in pieces of rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

PIECE = 4096
"""Rows at once; what grows with rows times classes is only as large as a piece."""
MOST, TOLERANCE = 1000, 1e-8
"""Iterations of L-BFGS, and the largest element of the gradient of the mean loss at which it ends."""


class LinearProbe:
    """Fitted by `fit`; the embeddings are standardised by the training rows, as scikit-learn's StandardScaler does."""

    def __init__(self, kind: str, outputs: int, strength: float = 1.0) -> None:
        """`kind` of target, how many outputs (one for two classes), and the inverse of the L2 penalty (C of scikit-learn)."""
        self.kind, self.outputs, self.strength = kind, outputs, strength

    def fit(self, vectors: Tensor, truth: Tensor) -> None:
        """To vectors `[n, w]` and encoded targets: classes, labels `[n, k]`, or numbers `[n]` or `[n, k]` in encoded units."""
        self.mean, self.deviation = vectors.double().mean(0), vectors.double().std(0, correction=0)
        self.deviation = torch.where(self.deviation > 0, self.deviation, 1.0)
        (self._fit_ridge if self.kind in ("number", "vector") else self._fit_logistic)(vectors, truth)

    def outputs_of(self, vectors: Tensor) -> Tensor:
        """Logits, or numbers in encoded units `[b, outputs]`, double."""
        return self._scaled(vectors) @ self.weight + self.bias

    def _scaled(self, vectors: Tensor) -> Tensor:
        return (vectors.double() - self.mean) / self.deviation

    def _fit_ridge(self, vectors: Tensor, truth: Tensor) -> None:
        """(XᵀX + I/C) W = Xᵀ(y − ȳ), with X standardised."""
        wanted = truth.double().reshape(len(vectors), -1)
        self.bias = wanted.mean(0)
        gram = torch.eye(vectors.shape[1], dtype=torch.float64) / self.strength
        product = torch.zeros(vectors.shape[1], wanted.shape[1], dtype=torch.float64)
        for start in range(0, len(vectors), PIECE):
            piece = self._scaled(vectors[start : start + PIECE])
            gram += piece.T @ piece
            product += piece.T @ (wanted[start : start + PIECE] - self.bias)
        self.weight = torch.linalg.solve(gram, product)

    def _fit_logistic(self, vectors: Tensor, truth: Tensor) -> None:
        """Minimise Σ loss + ‖W‖² / 2C; the bias is not penalised."""
        self.weight = torch.zeros(vectors.shape[1], self.outputs, dtype=torch.float64, requires_grad=True)
        self.bias = torch.zeros(self.outputs, dtype=torch.float64, requires_grad=True)
        options = {"max_iter": MOST, "history_size": 20, "tolerance_grad": TOLERANCE, "tolerance_change": 0.0}
        optimizer = torch.optim.LBFGS([self.weight, self.bias], line_search_fn="strong_wolfe", max_eval=4 * MOST, **options)  # type: ignore[arg-type]

        def evaluate() -> Tensor:
            optimizer.zero_grad()
            penalty: Tensor = self.weight.square().sum() / (2 * self.strength * len(vectors))
            torch.autograd.backward(penalty)
            total = penalty.detach()
            for start in range(0, len(vectors), PIECE):
                loss = self._loss(self.outputs_of(vectors[start : start + PIECE]), truth[start : start + PIECE]) / len(vectors)
                torch.autograd.backward(loss)
                total = total + loss.detach()
            return total

        with torch.enable_grad():
            optimizer.step(evaluate)  # type: ignore[no-untyped-call]
        self.weight, self.bias = self.weight.detach(), self.bias.detach()

    def _loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        if self.kind == "category":
            return cross_entropy(logits, truth.long(), reduction="sum")
        return binary_cross_entropy_with_logits(logits, truth.double().reshape(len(logits), -1), reduction="sum")
