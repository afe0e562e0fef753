"""The most recent rows, in no more than so many bytes: for what cannot be counted row by row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainwright.metrics.outcome import Outcome

KEPT_BYTES = 512 * 1024
"""What a run keeps, on its device and in each of its checkpoints, of rows that cannot be summed up."""


class RecentRows:
    """The last rows of tensors by name, rows first, as many as `budget` bytes hold; never fewer than one."""

    def __init__(self, budget: int = KEPT_BYTES) -> None:
        self.budget = budget
        self.rows: dict[str, Tensor] = {}
        self.seen = 0
        """How many rows went by."""

    def __len__(self) -> int:
        return len(next(iter(self.rows.values()))) if self.rows else 0

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Take in rows that follow those before. Raises ValueError when they have other names or shapes."""
        before = self.rows
        if before and {n: t.shape[1:] for n, t in before.items()} != {n: t.shape[1:] for n, t in rows.items()}:
            shapes = ", ".join(f"{name} {tuple(each.shape)}" for name, each in rows.items())
            raise ValueError(f"outputs of two batches do not fit together: {shapes}")
        count = len(next(iter(rows.values())))
        limit = self.limit(rows)
        self.seen += count
        room = max(limit - count, 0)
        kept = {name: each[-limit:].detach() for name, each in rows.items()}
        if before and room:
            self.rows = {name: torch.cat([before[name][-room:], each]) for name, each in kept.items()}
        else:
            self.rows = {name: each.clone() for name, each in kept.items()}

    def merge(self, other: RecentRows) -> None:
        """Take in the rows another has kept, after its own."""
        if other.rows:
            gone = other.seen - len(next(iter(other.rows.values())))
            self.add(other.rows)
            self.seen += gone

    def limit(self, rows: Mapping[str, Tensor]) -> int:
        """How many rows are kept."""
        a_row = sum(each[:1].numel() * each.element_size() for each in rows.values())
        return max(self.budget // max(a_row, 1), 1)

    def outcome(self, kind: str, classes: list[str] | None) -> Outcome:
        """Truth and scores of the rows that are kept, for metrics of order."""
        rows = {name: each.cpu().numpy() for name, each in self.rows.items()}
        return Outcome(kind, rows["truth"], rows["scores"], classes, weights=rows.get("weights"))

    @property
    def partial(self) -> bool:
        """Whether rows went by that are not kept."""
        return bool(self.rows) and self.seen > len(next(iter(self.rows.values())))

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        return {"seen": torch.tensor(self.seen), **{f"row/{name}": each for name, each in self.rows.items()}} if self.seen else {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        self.seen = int(tensors["seen"]) if tensors else 0
        self.rows = {name.removeprefix("row/"): each for name, each in tensors.items() if name.startswith("row/")}
