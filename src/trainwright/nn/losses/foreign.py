"""Losses named by path, such as `torch.nn.SmoothL1Loss`, made to give one number per row."""

from __future__ import annotations

from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.features.spec import TargetSpec
from trainwright.nn.losses.base import RowLoss


class ForeignLoss(RowLoss):
    """Calls a loss of torch's convention: outputs `[n]`, `[n, v]` or `[n, classes]`, and truth as values, multi-hot or class index.

    Raises ConfigError when it gives one number for all rows and has no `reduction` to switch off.
    """

    def __init__(self, loss: nn.Module, options: PartConfig, target: TargetSpec) -> None:
        super().__init__(options, target)
        if hasattr(loss, "reduction"):
            setattr(loss, "reduction", "none")  # noqa: B010 - a plain attribute, which modules are typed not to have
        self.loss, self.kind, self.name = loss, target.kind, options.type

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        leading = output.shape[:-1]
        flat = output.flatten(0, -2)
        facts = truth.reshape(len(flat), *truth.shape[len(leading) :])
        if self.kind == "number" or (flat.shape[1] == 1 and facts.dim() == 1):
            flat = flat.squeeze(1)
        if self.kind in ("binary", "set") and flat.dim() == facts.dim():
            facts = facts.to(flat.dtype)
        rows = self.loss(flat, facts)
        if rows.shape[:1] != flat.shape[:1]:
            raise ConfigError(f"'{self.name}' gives {tuple(rows.shape)} for {len(flat)} rows", why="a loss here gives one number per row")
        return rows.reshape(len(flat), -1).mean(dim=1).view(leading)
