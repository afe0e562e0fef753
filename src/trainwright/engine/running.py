"""What the training steps leave behind for logging: the loss since the last row, the outputs since the last evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from trainwright.engine.system import Loss

PIECES = 256
"""Steps after which collected outputs are joined, so that a long epoch does not hold thousands of small tensors."""


HALF = (torch.float16, torch.bfloat16)


class Series:
    """Scalars in the order they came, kept where they are; nothing is computed and the host does not wait until they are read.

    Sums are exact (`math.fsum`), so that they do not depend on where a run was interrupted.
    """

    def __init__(self) -> None:
        self._recent: list[Tensor | float] = []
        self._older: list[Tensor] = []

    def append(self, value: Tensor | float) -> None:
        """Keep a scalar as it is now."""
        if isinstance(value, Tensor):
            # what has a graph was made by this step; anything else may be a weight that changes, and CUDA graphs reuse their outputs
            fresh = value.grad_fn is not None and not value.is_cuda
            value = value.detach() if fresh else value.detach().clone()
        self._recent.append(value)
        if len(self._recent) >= PIECES:
            self._fold()

    def _fold(self) -> None:
        if self._recent:
            tensors = [torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float64) for value in self._recent]
            first = tensors[0]
            self._older.append(torch.stack([each if each.dtype == first.dtype else each.to(first) for each in tensors]))
            self._recent = []

    def tensor(self) -> Tensor:
        """All values (n,), on their device; empty when there are none."""
        self._fold()
        if len(self._older) > 1:
            self._older = [torch.cat([each.to(self._older[0]) for each in self._older])]
        return self._older[0] if self._older else torch.zeros(0)

    def load(self, values: Tensor) -> None:
        """Take the values back."""
        self._recent, self._older = [], [values] if len(values) else []

    def read(self) -> list[float]:
        """All values. Waits for the device."""
        older = [value for each in self._older for value in each.tolist()]
        if any(isinstance(value, Tensor) for value in self._recent):
            self._fold()
            return older + self._older[-1].tolist()
        return older + [float(value) for value in self._recent]

    def __len__(self) -> int:
        return len(self._recent) + sum(len(each) for each in self._older)


class RunningLoss:
    """Losses and items of the steps since the last logged row, read only when a row is logged."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.totals, self.items, self.count = Series(), Series(), 0
        self.parts: dict[str, Series] = {}
        self.ticks: list[int] = []

    def add(self, loss: Loss, tick: int = 0) -> None:
        """Take in the loss of some rows of batch number `tick`."""
        self.totals.append(loss.total)
        self.ticks.append(tick)
        if isinstance(loss.count, int):
            self.count += loss.count
        else:
            self.items.append(loss.count)
        for name, part in loss.parts.items():
            if name not in self.parts:
                self.parts[name] = Series()
            self.parts[name].append(part)

    def means(self) -> dict[str, float]:
        """`loss` and `loss/<part>` per item; NaN before the first step. Waits for the device."""
        count = self.count + exact_sum(self.items.read())
        series = {"loss": self.totals} | {f"loss/{name}": part for name, part in self.parts.items()}
        return {name: exact_sum(each.read()) / count if count else float("nan") for name, each in series.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        found = {"totals": self.totals.tensor(), "items": self.items.tensor(), "count": torch.tensor(self.count)}
        found["ticks"] = torch.tensor(self.ticks, dtype=torch.int64)
        return found | {f"part/{name}": part.tensor() for name, part in self.parts.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self.reset()
        self.totals.load(tensors["totals"])
        self.items.load(tensors["items"])
        self.count, self.ticks = int(tensors["count"]), tensors["ticks"].tolist()
        for name, tensor in tensors.items():
            if name.startswith("part/"):
                self.parts[name.removeprefix("part/")] = part = Series()
                part.load(tensor)

    def first_not_finite(self) -> int | None:
        """The number of the first batch since the last row whose loss was not finite; None when no single one was. Waits for the device."""
        found = zip(self.ticks, self.totals.read(), strict=True)
        return next((tick for tick, total in found if not math.isfinite(total)), None)


def exact_sum(values: list[float]) -> float:
    """The sum, rounded once; NaN and infinities as floating-point addition has them."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


class RunningValues:
    """Values that systems and callbacks log, kept until a row is logged."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._series: dict[str, Series] = {}
        self._reduce: dict[str, str] = {}

    def add(self, name: str, value: float | Tensor, reduce: str = "mean") -> None:
        """Take in a value: the row will have the mean, the sum or the last of those since the row before. Never waits for the device."""
        series = self._series.get(name)
        if series is None or reduce == "last":
            self._series[name] = series = Series()
            self._reduce[name] = reduce
        series.append(value)

    def values(self) -> dict[str, float]:
        """The values of the row. Waits for the device."""
        found = {}
        for name, series in self._series.items():
            values = series.read()
            found[name] = exact_sum(values) / (len(values) if self._reduce[name] == "mean" else 1)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        return {f"{self._reduce[name]}/{name}": series.tensor() for name, series in self._series.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self.reset()
        for key, values in tensors.items():
            reduce, _, name = key.partition("/")
            self._series[name], self._reduce[name] = Series(), reduce
            self._series[name].load(values)


class RunningOutputs:
    """Outputs of the last steps, at most `limit` rows (an epoch's worth): the training metrics are over these."""

    def __init__(self, limit: int, batches: int = 0) -> None:
        """`batches`: ready batches of an epoch, where only they are known; the limit is then so many times the rows of the largest."""
        self.limit, self._batches = limit, batches
        self._pieces: list[dict[str, Tensor]] = []
        self._joined = 0

    def add(self, outputs: dict[str, Tensor]) -> None:
        """Take in the outputs of some rows, detached; nothing when a system gives none."""
        if outputs:
            if any(tensor.requires_grad for tensor in outputs.values()):  # else every step's graph would stay in memory
                outputs = {name: tensor.detach() for name, tensor in outputs.items()}
            self._pieces.append(in_float32(outputs))
            if self._batches:
                self.limit = max(self.limit, self._batches * len(next(iter(outputs.values()))))
            if len(self._pieces) - self._joined > PIECES:
                self._join()

    def _join(self) -> None:
        recent = join(self._pieces[self._joined :])
        older = self._pieces[: self._joined]
        rows = [len(next(iter(piece.values()))) for piece in (*older, recent)]
        while older and sum(rows[1:]) >= self.limit:
            del older[0], rows[0]
        self._pieces = [*older, recent]
        self._joined = len(self._pieces)

    def tensors(self) -> dict[str, Tensor]:
        """All outputs, joined: the last `limit` rows in the order they were seen."""
        if not self._pieces:
            return {}
        joined = {name: tensor[-self.limit :] for name, tensor in join(self._pieces).items()}
        self._pieces, self._joined = [joined], 1
        return joined

    def reset(self) -> None:
        """Begin anew."""
        self._pieces, self._joined = [], 0

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take the state back."""
        self._pieces = [{name: tensor.to(device) for name, tensor in tensors.items()}] if tensors else []
        self._joined = len(self._pieces)


def in_float32(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs in half precision as float32, which metrics compute in; others as they are."""
    if any(tensor.dtype in HALF for tensor in outputs.values()):
        return {name: tensor.float() if tensor.dtype in HALF else tensor for name, tensor in outputs.items()}
    return outputs


def join(pieces: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of several batches as one, in order (rows first)."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
