"""What the training steps leave behind for logging: the loss since the last row, the outputs since the last evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainwright.engine.system import Loss

PIECES = 256
"""Steps after which collected outputs are joined, so that a long epoch does not hold thousands of small tensors."""


class RunningLoss:
    """Sums of losses and items, kept on the device and read only when a row is logged."""

    def __init__(self, device: torch.device) -> None:
        wide = torch.float32 if device.type == "mps" else torch.float64
        self.total = torch.zeros((), dtype=wide, device=device)
        self.items = torch.zeros((), dtype=wide, device=device)
        self.count = 0
        self.parts: dict[str, Tensor] = {}

    def add(self, loss: Loss) -> None:
        """Take in the loss of some rows."""
        self.total.add_(loss.total.detach())
        if isinstance(loss.count, int):
            self.count += loss.count
        else:
            self.items.add_(loss.count)
        for name, part in loss.parts.items():
            if name not in self.parts:
                self.parts[name] = torch.zeros_like(self.total)
            self.parts[name].add_(part.detach())

    def means(self) -> dict[str, float]:
        """`loss` and `loss/<part>` per item; NaN before the first step. Waits for the device."""
        count = self.count + float(self.items)
        sums = {"loss": self.total} | {f"loss/{name}": part for name, part in self.parts.items()}
        return {name: float(total) / count if count else float("nan") for name, total in sums.items()}

    def reset(self) -> None:
        """Begin anew."""
        for tensor in (self.total, self.items, *self.parts.values()):
            tensor.zero_()
        self.count = 0

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        sums = {"total": self.total, "items": self.items, "count": torch.tensor(self.count)}
        return sums | {f"part/{name}": part for name, part in self.parts.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self.total.copy_(tensors["total"])
        self.items.copy_(tensors["items"])
        self.count = int(tensors["count"])
        named = {name.removeprefix("part/"): tensor for name, tensor in tensors.items() if name.startswith("part/")}
        self.parts = {name: tensor.to(self.total) for name, tensor in named.items()}


class RunningOutputs:
    """Outputs of the last steps, at most `limit` rows (an epoch's worth): the training metrics are over these."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pieces: list[dict[str, Tensor]] = []
        self._joined = 0

    def add(self, outputs: dict[str, Tensor]) -> None:
        """Take in the outputs of some rows, detached; nothing when a system gives none."""
        if outputs:
            if any(tensor.requires_grad for tensor in outputs.values()):  # else every step's graph would stay in memory
                outputs = {name: tensor.detach() for name, tensor in outputs.items()}
            self._pieces.append(outputs)
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


def join(pieces: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs of several batches as one, in order (rows first)."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
