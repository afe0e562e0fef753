"""Logits divided by a temperature, or scaled and shifted one by one, so that probabilities are as often right as they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

COLDEST, WARMEST = 0.01, 100.0
"""Bounds of a temperature."""
ITERATIONS = 200
FAR = 50.0
"""Beyond this logarithm of a temperature nothing changes any more."""


@dataclass(frozen=True)
class Scaling:
    """`logits * scale + shift`, each [1] or [c], fitted on rows whose mean negative log-likelihood (nats) it lowered."""

    method: str
    scale: np.ndarray
    shift: np.ndarray
    nll_before: float
    nll_after: float
    rows: int
    note: str = ""
    """What a reader should know of the fit: that identity was best, or a bound was met."""

    @property
    def temperature(self) -> float | None:
        """What logits are divided by; None for another method."""
        return float(1.0 / self.scale[0]) if self.method == "temperature" else None

    def apply(self, logits: Any) -> Any:
        """The logits, array or tensor [n, c], scaled, in their own type."""
        if isinstance(logits, Tensor):
            scale, shift = (torch.as_tensor(each, dtype=logits.dtype, device=logits.device) for each in (self.scale, self.shift))
            return logits * scale + shift
        return np.asarray(logits) * self.scale + self.shift


class ScaledLogits(nn.Module):
    """A scaling as a module: it moves with a model and is traced with it, and is no part of its weights."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        for name in ("scale", "shift"):
            self.register_buffer(name, torch.as_tensor(getattr(scaling, name), dtype=torch.float32), persistent=False)

    def forward(self, logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        return logits * self.scale + self.shift


def fit_temperature(logits: Any, truth: Any, *, weights: Any = None) -> Scaling:
    """The temperature with the least mean negative log-likelihood, from 0.01 to 100, by LBFGS on its logarithm in float64.

    `logits` [n, c] with class numbers `truth` [n]; one logit a row, [n] or [n, 1], with `truth` 0 or 1; or labels, `truth` [n, k] of
    the logits' shape. `weights` [n]: how much each row counts. Never worse than identity, which is kept where nothing is better.
    Raises ValueError for shapes that do not fit, no rows, and logits that are not finite. (Guo et al. 2017)
    """
    given = _Rows.of(logits, truth, weights)
    logarithm = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    _minimise([logarithm], lambda: given.nll(given.logits / logarithm.clamp(-FAR, FAR).exp()))
    # the likelihood has one peak: where that lies beyond a bound, the bound is best within
    found = float(logarithm.detach().exp().clamp(COLDEST, WARMEST))
    bound = "lower" if found <= COLDEST * 1.0001 else "upper" if found >= WARMEST * 0.9999 else ""
    note = f"the temperature is at its {bound} bound" if bound else ""
    return given.keep_better("temperature", np.array([1.0 / found]), np.zeros(1), note)


def fit_vector(logits: Any, truth: Any, *, weights: Any = None) -> Scaling:
    """A factor and a shift for each logit with the least mean negative log-likelihood, by LBFGS in float64.

    Takes and raises what `fit_temperature` does; also raises ValueError where a class (or a side of a label) has no row, since its
    shift would have no bound. (Guo et al. 2017; of one logit: Platt 1999, without his prior)
    """
    given = _Rows.of(logits, truth, weights)
    absent = given.absent()
    if absent:
        raise ValueError(f"no row is of {absent}: its shift has no bound")
    scale = torch.ones(given.width, dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(given.width, dtype=torch.float64, requires_grad=True)
    _minimise([scale, shift], lambda: given.nll(given.logits * scale + shift))
    note = "a factor is below 0: more probable became less probable" if bool((scale < 0).any()) else ""
    return given.keep_better("vector", scale.detach().numpy().copy(), shift.detach().numpy().copy(), note)


@dataclass(frozen=True)
class _Rows:
    """Checked logits [n, c] with their truth: class numbers [n], or 0 and 1 [n, c]."""

    logits: Tensor
    truth: Tensor
    weights: Tensor | None

    @classmethod
    def of(cls, logits: Any, truth: Any, weights: Any) -> _Rows:
        given = _as_tensor(logits)
        given = given[:, None] if given.dim() == 1 else given
        said = torch.as_tensor(np.asarray(truth.detach().cpu() if isinstance(truth, Tensor) else truth))
        if given.dim() != 2 or len(given) != len(said):
            raise ValueError(f"logits {tuple(given.shape)} and truth {tuple(said.shape)} must be rows, first axis n")
        if not len(given):
            raise ValueError("there are no rows to fit on")
        if not bool(given.isfinite().all()):
            raise ValueError("logits must be finite")
        counted = None if weights is None else _as_tensor(weights)
        if counted is not None and (counted.shape != said.shape[:1] or bool((counted < 0).any()) or not float(counted.sum()) > 0):
            raise ValueError(f"weights {tuple(counted.shape)} must be [n], 0 or more, and not all 0")
        return cls(given, _checked_truth(said, given), counted)

    @property
    def width(self) -> int:
        return int(self.logits.shape[1])

    @property
    def of_classes(self) -> bool:
        """Whether one class of several is true, and not each logit for itself."""
        return self.truth.dim() == 1

    def absent(self) -> str:
        """The first class, or label, that no row is of, by its number; empty where there is none."""
        if self.of_classes:
            empty = np.flatnonzero(np.bincount(self.truth.numpy(), minlength=self.width) == 0)
            return f"class {empty[0]}" if len(empty) else ""
        for place, column in enumerate(self.truth.T):
            if column.min() == column.max():
                side = "0" if column.max() else "1"
                return f"class {side}" if self.width == 1 else f"label {place} with {side}"
        return ""

    def nll(self, logits: Tensor) -> Tensor:
        """The mean over rows, by their weights, of the negative log-likelihood; of labels its mean over them."""
        if self.of_classes:
            each = functional.cross_entropy(logits, self.truth, reduction="none")
        else:
            each = functional.binary_cross_entropy_with_logits(logits, self.truth, reduction="none").mean(dim=1)
        return each.mean() if self.weights is None else (each * self.weights).sum() / self.weights.sum()

    def all_right(self, logits: Tensor) -> bool:
        """Whether the true class of every row is as likely as any other, each label on its side: no likelihood is the greatest then."""
        if not self.of_classes:
            return bool(((2 * self.truth - 1) * logits >= 0).all())
        own = logits.gather(1, self.truth[:, None])
        return bool((own >= logits).all())

    def keep_better(self, method: str, scale: np.ndarray, shift: np.ndarray, note: str) -> Scaling:
        """The scaling, or identity where its likelihood on these rows is no worse."""
        scaled = self.logits * torch.as_tensor(scale) + torch.as_tensor(shift)
        before, after = float(self.nll(self.logits)), float(self.nll(scaled))
        if after < before and self.all_right(scaled):
            note = "every row is right: the surer the better, without a bound, so that the logits are kept as they are"
        elif not after < before:
            note = "nothing fitted is better than the logits as they are: they are kept"
        if self.all_right(scaled) or not after < before:
            return Scaling(method, np.ones_like(scale), np.zeros_like(shift), before, before, len(self.logits), note)
        return Scaling(method, scale, shift, before, after, len(self.logits), note)


def _as_tensor(values: Any) -> Tensor:
    return values.detach().cpu().double() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values, np.float64))


def _checked_truth(truth: Tensor, logits: Tensor) -> Tensor:
    """Class numbers as int64 [n], or 0 and 1 as float64 of the logits' shape; raises ValueError for others."""
    if truth.dim() == 1 and logits.shape[1] > 1:
        found = truth.long()
        if not bool((found == truth).all()) or int(found.min()) < 0 or int(found.max()) >= logits.shape[1]:
            raise ValueError(f"truth must be class numbers from 0 to {logits.shape[1] - 1}, not {truth.min()} to {truth.max()}")
        return found
    found = truth.double().reshape(len(truth), -1)
    if found.shape != logits.shape or not bool(((found == 0) | (found == 1)).all()):
        raise ValueError(f"truth must be 0 or 1 for each of the logits {tuple(logits.shape)}, not {tuple(truth.shape)}")
    return found


def _minimise(parameters: list[Tensor], loss: Any) -> None:
    """LBFGS with a strong Wolfe line search, from where the parameters stand."""
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=ITERATIONS, tolerance_grad=1e-10, tolerance_change=1e-14, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
