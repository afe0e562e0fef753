"""The expected score of PhysioNet/CinC 2021 (Reyna et al. 2021) as a loss: exact, though labels interact through the number of them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.losses import ChallengeOptions
from trainwright.domains.signals.metrics.weight_table import WeightTable, table_of
from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import floats, misfit, same_shape, within
from trainwright.losses.shared_options import CriterionOptions


class Challenge(Criterion):
    """Score of the truth minus the expected score of deciding each label by a coin of its probability; output of logits, a row each.

    The challenge score of a split is 1 minus the mean of this over the mean of (correct − inactive), so that the least of it is the most
    of the score. Equal labels (`a|b`) are one class, which is there with any of them. `cross_entropy` is added.
    """

    options: ChallengeOptions
    kind = "binary"
    expects = "logits"
    counts = "rows"
    weights: Tensor
    merge: Tensor
    nodes: Tensor
    shares: Tensor

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__(options)
        table = table_of(self.options.weights, where="challenge.weights")
        self._keep("weights", table.weights)
        self._keep("merge", _merge(table, self.options.labels))
        nodes, shares = np.polynomial.legendre.leggauss((len(table.names) + 1) // 2)
        self._keep("nodes", (nodes + 1.0) / 2.0)
        self._keep("shares", shares / 2.0)

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(np.asarray(values, np.float64)), persistent=False)

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """What every row costs, or their sum."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        with torch.autocast(output.device.type, enabled=False):
            z = output if output.dtype == torch.float64 else output.float()
            truth = target.to(z.dtype)
            true, given = self.merge_labels(truth), 1.0 - (functional.logsigmoid(-z) @ self.merge.to(z)).exp()
            rows = self.expected(true, true) - self.expected(true, given)
            if self.options.cross_entropy:
                each = functional.binary_cross_entropy_with_logits(z, truth, reduction="none").mean(dim=1)
                rows = rows + self.options.cross_entropy * each
        return reduce_items(rows, reduction)

    def merge_labels(self, labels: Float[Tensor, "n l"]) -> Float[Tensor, "n c"]:
        """Labels → the table's classes, each there where any of its labels is; of shares of several recordings they sum up."""
        return (labels @ self.merge.to(labels)).clamp_max(1.0)

    def expected(self, true: Float[Tensor, "n c"], given: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """E[Σ weights[j, k] T_j D_k / |T ∪ D|] of independent labels T and decisions D with these probabilities.

        1 / n is the integral of x^(n-1) from 0 to 1, and E[x^n] is a product over the classes, a polynomial in x: Gauss-Legendre nodes,
        half as many as classes, integrate it exactly.
        """
        weights, x = self.weights.to(true), self.nodes.to(true)[:, None]
        union = true + given - true * given
        factors = 1.0 - union[:, None] * (1.0 - x)  # E[x^(class is in either)]; [n, nodes, c], each at least x
        whole = factors.log().sum(dim=2).exp()
        row, column, same = (each[:, None] * x / factors for each in (true, given, true * given))
        own = weights.diagonal()
        pairs = ((row @ weights) * column).sum(dim=2) - (row * column) @ own
        return (whole / x[:, 0] * (pairs + same @ own)) @ self.shares.to(true)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, other widths than there are labels, and targets that are no floats."""
        same_shape(self.name, output, target)
        floats(self.name, output, target)
        if output.dim() != 2 or output.shape[1] != len(self.merge):
            why, fix = f"there are {len(self.merge)} labels", "give labels: the name of each output, in their order"
            raise misfit(self.name, why, fix, output=output, target=target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets outside 0 to 1."""
        within(self.name, 0.0, 1.0, "its target is from 0 to 1", "give 0 and 1 for each label", output, target)


def _merge(table: WeightTable, labels: list[str]) -> np.ndarray:
    """Which labels make each class of the table; raises ConfigError where nobody names them, or none is scored."""
    if not labels:
        fix = "give labels: the name of each output, in their order; a column of type set has its own"
        raise ConfigError("the labels of the outputs have no names", where="challenge.labels", why="weights go by them", fix=fix)
    return table.merge(labels, where="challenge")
