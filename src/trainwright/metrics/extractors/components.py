"""Principal components of training rows as features."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.metrics.extractor import FittedExtractor, spread_over
from trainwright.metrics.extractors import PCAOptions


class PCA(FittedExtractor):
    """Training rows less their mean, along the directions of largest variance (Pearson 1901), in float64."""

    options: PCAOptions

    def learn(self, rows: Tensor, classes: Tensor | None) -> dict[str, Tensor]:
        """The mean and the directions of up to `rows` training rows. Raises DataError where all rows are alike."""
        shape = torch.tensor(rows.shape[1:])
        flat = rows[list(spread_over(len(rows), self.options.rows))].flatten(1).double()
        mean = flat.mean(0)
        scale = flat.std(0) if self.options.standardize else torch.ones_like(mean)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        _, spread, directions = torch.linalg.svd((flat - mean) / scale, full_matrices=False)
        rounding = max(flat.shape) * torch.finfo(rows.dtype if rows.is_floating_point() else torch.float64).eps
        rank = int((spread > spread[:1].clamp_min(1e-300) * rounding).sum())  # as numpy's matrix_rank
        if rank == 0:
            raise DataError("the training rows are all alike", where="features: pca", why="they have no direction of variance")
        kept = directions[: min(self.options.components, rank)]
        signs = kept.gather(1, kept.abs().argmax(1, keepdim=True)).sign()  # a direction has two signs, of which libraries pick either
        return {"shape": shape, "mean": mean, "scale": scale, "directions": kept * signs, "rows": torch.tensor(len(flat))}

    def load(self, tensors: dict[str, Tensor]) -> None:  # type: ignore[override]
        """Take what was learnt."""
        super().load(tensors)
        kind = "standardized values" if self.options.standardize else "values"
        self.name = f"pca (of {kind} of {int(tensors['rows']):,} training rows)"

    def apply(self, rows: Tensor) -> Tensor:
        """Where rows lie along each direction."""
        return (rows.flatten(1).double() - self.tensors["mean"]) / self.tensors["scale"] @ self.tensors["directions"].T
