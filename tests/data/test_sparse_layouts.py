"""Batches in every sparse layout of torch, hybrid ones and those in blocks too, train as the dense tensors of the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import trainwright as tw
from trainwright.data.sparse import dense_parts, select_rows, stack_samples
from trainwright.engine.fingerprint import digest_of

pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
torch.sparse.check_sparse_tensor_invariants.disable()  # said, so that torch does not warn


def hybrid() -> Tensor:
    dense = torch.zeros(3, 3, 1, 1)
    dense[0, 0] = dense[1, 2] = dense[2, 1] = 1
    return dense


def in_blocks() -> Tensor:
    dense = torch.zeros(4, 3, 1)
    dense[0:2, 0] = dense[0:2, 2] = dense[2:4, 1] = 1
    return dense


COO = torch.sparse_coo_tensor(torch.tensor([[0, 1, 1], [2, 0, 2]]), torch.tensor([3.0, 4.0, 5.0]), (2, 4))
COMPRESSED = (torch.tensor([0, 2, 4]), torch.tensor([0, 1, 0, 1]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
BLOCKS = (torch.tensor([0, 1, 2]), torch.tensor([0, 1]), torch.tensor([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]))
GRID = torch.randn(10, 10, generator=torch.Generator().manual_seed(0))
MADE: dict[str, Callable[[], Tensor]] = {
    "coo": lambda: COO,
    "coo of an inferred shape": lambda: torch.sparse_coo_tensor(COO._indices(), COO._values()),
    "coo without entries": lambda: torch.sparse_coo_tensor(torch.empty(1, 0, dtype=torch.int64), torch.empty(0, 2), (1, 2)),
    "csr": lambda: torch.sparse_csr_tensor(*COMPRESSED),
    "csc": lambda: torch.sparse_csc_tensor(*COMPRESSED),
    "bsr": lambda: torch.sparse_bsr_tensor(*BLOCKS),
    "bsc": lambda: torch.sparse_bsc_tensor(*BLOCKS),
    "to coo": lambda: torch.tensor([[0.0, 0, 0], [9, 0, 10], [0, 0, 0]]).to_sparse(),
    "to hybrid coo": lambda: torch.tensor([[0.0, 0, 0], [9, 0, 10], [0, 0, 0]]).to_sparse(1),
    "to csr": lambda: GRID.to_sparse_csr(),
    "to hybrid csr": lambda: hybrid().to_sparse_csr(dense_dim=2),
    "to csc": lambda: GRID.to_sparse_csc(),
    "to hybrid csc": lambda: hybrid().to_sparse_csc(dense_dim=2),
    "csr to bsr": lambda: GRID.to_sparse_csr().to_sparse_bsr((5, 5)),
    "to hybrid bsr": lambda: in_blocks().to_sparse_bsr((2, 1), 1),
}


class Weighted(tw.System):
    """A weight for every number of a batch, whatever its layout."""

    def build(self, data: Any) -> None:
        self.w = nn.Parameter(torch.tensor(0.5))
        self.seen: list[torch.layout] = []

    def training_step(self, batch: Any, context: Any) -> Tensor:
        self.seen.append(batch["x"].layout)
        return ((batch["x"].to_dense() * self.w) ** 2).mean() + (1 - self.w) ** 2


def fit(batches: Any, place: Path, **options: Any) -> Weighted:
    system = Weighted()
    fixed: dict[str, Any] = {"max_epochs": 1, "optimizer": "sgd", "learning_rate": 0.01, "console": False, "device": "cpu"}
    fixed["evaluation"] = {"report": False}
    tw.fit(system, batches, run_dir=place, **fixed, **options)
    return system


def test_batches_of_every_layout_reach_the_step_as_they_are_and_train_as_dense_ones(tmp_path: Path) -> None:
    batches = [each() for each in MADE.values() if each()._nnz()]

    def stream(dense: bool) -> Iterator[Any]:
        return iter([{"x": each.to_dense() if dense else each} for each in batches])

    sparse = fit(lambda: stream(False), tmp_path / "sparse", batched=True)
    dense = fit(lambda: stream(True), tmp_path / "dense", batched=True)
    assert sparse.seen == [each.layout for each in batches] and set(dense.seen) == {torch.strided}
    assert len(set(sparse.seen)) == 5, "coo, csr, csc, bsr and bsc"
    tw.testing.assert_close(sparse, dense)
    assert float(sparse.w.detach()) != 0.5


@pytest.mark.parametrize("name", MADE)
def test_it_is_fingerprinted_by_what_it_holds(name: str) -> None:
    assert digest_of(MADE[name]()) == digest_of(MADE[name]().clone())
    assert sum(each.numel() for each in dense_parts(MADE[name]())) < 2 * MADE[name]().to_dense().numel() + 12


def test_rows_of_a_hybrid_tensor_are_taken_with_their_dense_part() -> None:
    whole = torch.arange(16.0).reshape(2, 2, 2, 2).to_sparse(2)
    assert torch.equal(select_rows(whole, torch.tensor([1, 1])).to_dense(), whole.to_dense()[[1, 1]])
    assert torch.equal(torch.narrow_copy(whole, 0, 0, 1).to_dense(), select_rows(whole, torch.tensor([0])).to_dense())


def test_a_dense_tensor_is_taken_where_a_sparse_one_has_entries() -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.tensor([[0, 4, 2, 2], [1, 0, 2, 3]])
    pattern = torch.sparse_coo_tensor(places, torch.ones(4, 2, 2), (5, 5, 2, 2)).coalesce()
    dense = torch.randn(5, 5, 2, 2, generator=generator)
    masked = dense.sparse_mask(pattern)
    expected = torch.zeros_like(dense)
    expected[places[0], places[1]] = dense[places[0], places[1]]
    tw.testing.assert_close(masked, expected.to_sparse(2), rtol=0, atol=0)
    assert torch.equal(select_rows(masked, torch.tensor([2, 0])).to_dense(), expected[[2, 0]])


def collate(samples: list[Any]) -> Any:
    """Sparse samples of one shape as one batch, the first dimension the sample."""
    return {"x": stack_samples(samples)}


def test_sparse_samples_become_a_batch_by_a_collate(tmp_path: Path) -> None:
    rows = [row.to_sparse() for row in GRID.relu()]
    batch = next(iter(DataLoader(rows, batch_size=10, collate_fn=collate)))["x"]
    tw.testing.assert_close(batch, GRID.relu().to_sparse(), rtol=0, atol=0)
    system = fit(DataLoader(rows, batch_size=5, collate_fn=collate), tmp_path / "r")
    assert set(system.seen) == {torch.sparse_coo}
    dense = fit(DataLoader([{"x": row} for row in GRID.relu()], batch_size=5), tmp_path / "dense")
    tw.testing.assert_close(system, dense)
