"""A norm over the batch and one row that is left over: joined where we make the pieces, refused with a size that works where others do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.engine.dealing import micro_batches


def made_net(spatial: bool = False) -> nn.Module:
    if spatial:
        return nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 2))
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def dataset(rows: int, spatial: bool = False) -> TensorDataset:
    x = torch.randn(rows, 4)
    return TensorDataset(x[:, None] if spatial else x, torch.arange(rows) % 2)


class Steps(tw.System):
    def __init__(self) -> None:
        super().__init__()
        self.net = made_net()

    def training_step(self, batch, context):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])


def fit(model, data, folder: Path, **asked: object):
    loss = {} if isinstance(model, tw.System) else {"loss": "cross_entropy"}
    return tw.fit(model, data, console=False, run_dir=folder, evaluation={"report": False}, **loss, **asked)


@pytest.mark.parametrize(("rows", "size", "pieces"), [(9, 4, [4, 3, 2]), (5, 4, [3, 2]), (5, 2, [2, 3]), (3, 2, [3]), (8, 4, [4, 4])])
def test_no_piece_is_one_row_left_over(rows: int, size: int, pieces: list[int]) -> None:
    batch = {"x": torch.arange(rows)}
    found = list(micro_batches(batch, rows, size, together=True))
    assert [len(each["x"]) for each in found] == pieces
    assert torch.equal(torch.cat([each["x"] for each in found]), batch["x"])
    assert [len(each["x"]) for each in micro_batches(batch, rows, size)] == [min(size, rows - at) for at in range(0, rows, size)]


def test_micro_batches_and_a_row_left_over_train(tmp_path: Path) -> None:
    assert fit(made_net(), dataset(18), tmp_path / "r", batch_size=9, micro_batch_size=4, max_epochs=1).steps == 2
    assert fit(made_net(), dataset(17), tmp_path / "s", batch_size=8, max_epochs=1).steps == 2


@pytest.mark.parametrize("model", [made_net, Steps])
def test_a_loader_that_leaves_one_row_is_refused_before_anything_is_written_and_its_fix_works(tmp_path: Path, model) -> None:
    data = dataset(9)
    with pytest.raises(DataError, match="one row cannot be normalised") as refused:
        fit(model(), DataLoader(data, batch_size=4), tmp_path / "r", max_epochs=1)
    assert refused.value.where == "batch 3 of 3 of the training data"
    assert "BatchNorm1d" in refused.value.why
    assert not (tmp_path / "r").exists()
    assert "drop_last=True" in refused.value.fix
    other = int(re.search(r"batch_size=(\d+)", refused.value.fix)[1])
    assert fit(model(), DataLoader(data, batch_size=4, drop_last=True), tmp_path / "dropped", max_epochs=1).steps == 2
    assert fit(model(), DataLoader(data, batch_size=other), tmp_path / "other", max_epochs=1).steps == 2


def test_other_loaders_and_sizes_are_told_what_would_do(tmp_path: Path) -> None:
    data = dataset(9)
    with pytest.raises(DataError, match="sampler give no batch of one row"):
        fit(made_net(), DataLoader(data, batch_sampler=[[0, 1], [2], [3, 4]]), tmp_path / "a", max_epochs=1)
    with pytest.raises(DataError, match="batch_size=2 or more"):
        fit(made_net(), DataLoader(data, batch_sampler=BatchSampler(SequentialSampler(data), 1, False)), tmp_path / "b", max_epochs=1)
    with pytest.raises(DataError, match=r"trainer\.micro_batch_size=2 or more"):
        fit(made_net(), data, tmp_path / "c", batch_size=4, micro_batch_size=1, max_epochs=1)
    with pytest.raises(DataError, match=r"trainer\.batch_size=2 or more"):
        fit(made_net(), data, tmp_path / "d", batch_size=1, max_epochs=1)
    assert not any((tmp_path / name).exists() for name in "abcd")
    with pytest.raises(DataError, match="drop_last=True"):  # a stream: its end is not known before it comes
        fit(made_net(), [(torch.randn(4, 4), torch.arange(4) % 2), (torch.randn(1, 4), torch.zeros(1).long())], tmp_path / "e",
            batched=True, max_epochs=1)  # fmt: skip


def test_a_norm_that_has_other_values_takes_one_row_and_so_does_evaluation(tmp_path: Path) -> None:
    assert fit(made_net(spatial=True), DataLoader(dataset(9, spatial=True), batch_size=4), tmp_path / "r", max_epochs=1).steps == 3
    loader = DataLoader(dataset(9), batch_size=4)
    assert fit(made_net(), dataset(8), tmp_path / "s", validation=loader, batch_size=4, max_epochs=1).steps == 2
