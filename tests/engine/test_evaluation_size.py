"""How many rows are evaluated at once: many where they lie in memory, a micro-batch where each is read or made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainwright.data.mapped_rows import MappedRows
from trainwright.data.rows import Rows, TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.opening import MANY, evaluation_size
from trainwright.engine.plan import Plan

PLAN = Plan(1000, 48, 12, 21, 100, "max_steps", None)


class Made(Rows):
    """Rows that are made one by one."""

    def __len__(self) -> int:
        return 1000

    def take(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": torch.zeros(len(indices), 3)}


@pytest.mark.parametrize(
    ("rows", "size"),
    [
        pytest.param(TensorRows({"x": torch.zeros(5, 1)}), MANY, id="in memory"),
        pytest.param(MappedRows({"x": np.zeros((5, 1))}, np.arange(5)), MANY, id="in mapped files"),
        pytest.param(Made(), 12, id="made"),
    ],
)
def test_what_is_decoded_is_evaluated_in_micro_batches(rows: Rows, size: int) -> None:
    """A day of windows takes no more memory than an hour; who asks for a size gets it."""
    assert evaluation_size(TrainerConfig(), PLAN, rows) == size
    assert evaluation_size(TrainerConfig(evaluation_batch_size=7), PLAN, rows) == 7
