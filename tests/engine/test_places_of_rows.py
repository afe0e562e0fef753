"""What a step knows of its rows beside them: their place in the whole step, so that what is drawn for a row follows from it alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.engine.system import StepContext

SEEN: list[tuple[str, int, int, int, int]] = []


class Places(tw.System):
    """Tells which rows it was given, and what it was told of them."""

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        self.weight = nn.Parameter(torch.zeros(()))

    def training_step(self, batch: dict[str, Tensor], context: StepContext) -> Tensor:
        SEEN.append(("train", context.first, len(batch["x"]), context.rows, context.key))
        return (self.weight - batch["x"]).square().mean()

    def evaluation_step(self, batch: dict[str, Tensor], context: StepContext) -> dict[str, Tensor]:
        SEEN.append(("evaluation", context.first, len(batch["x"]), context.rows, 0))
        return {"loss": (self.weight - batch["x"]).square()}


def places(folder: object, **options: object) -> list[tuple[str, int, int, int, int]]:
    SEEN.clear()
    rows, others = {"x": torch.arange(32.0)}, {"x": torch.arange(20.0)}
    tw.fit(Places(), rows, others, batch_size=16, max_epochs=1, run_dir=str(folder), **options)  # type: ignore[arg-type]
    return list(SEEN)


def test_a_micro_batch_knows_where_it_is_in_its_step_and_an_evaluation_where_it_is_in_the_split(tmp_path) -> None:
    found = places(tmp_path / "run", micro_batch_size=8, evaluation_batch_size=8)
    assert [each[1:4] for each in found if each[0] == "train" and each[3] == 16][:4] == [(0, 8, 16), (8, 8, 16)] * 2
    assert [each[1:4] for each in found if each[0] == "evaluation" and each[3] == 20][-3:] == [(0, 8, 20), (8, 8, 20), (16, 4, 20)]


@pytest.mark.parametrize("size", [8, 4])
def test_the_key_of_a_step_is_the_same_whatever_its_pieces(tmp_path, size: int) -> None:
    found = [
        {each[4] for each in places(tmp_path / name, **options) if each[0] == "train" and each[3] == 16} - {0}
        for name, options in (("whole", {}), ("pieces", {"micro_batch_size": size}))
    ]
    assert len(found[0]) == 2 and found[0] == found[1]
