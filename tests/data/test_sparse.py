"""Sparse tensors as data and in batches train as the dense ones of the same numbers, and what cannot is refused in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.data.samples import alike
from trainwright.data.sparse import rows_between, select_rows
from trainwright.engine.fingerprint import digest_of
from trainwright.engine.nan_report import not_finite_columns

pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
X = torch.randn(24, 6, generator=torch.Generator().manual_seed(0)).relu()
Y = (X.sum(1) > X.sum(1).median()).long()


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.linspace(-1, 1, 12).reshape(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(x, self.w) if x.layout is not torch.strided else x @ self.w


class Samples(Dataset[Any]):
    def __init__(self, make: Callable[[Tensor, Tensor], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, place: int) -> Any:
        return self.make(X[place].to_sparse(), Y[place])


def joined(samples: list[Any]) -> Any:
    x, y = zip(*samples, strict=True)
    return torch.stack(x).to_dense().to_sparse_csr(), torch.stack(y)


def batches() -> Iterator[Any]:
    return ((X[place : place + 8].to_sparse(), Y[place : place + 8]) for place in range(0, 24, 8))


PAIRS = Samples(lambda x, y: (x, y))
BY_ROW: dict[str, Any] = {
    "COO": (X.to_sparse(), Y),
    "CSR": (X.to_sparse_csr(), Y),
    "CSC": (X.to_sparse_csc(), Y),
    "by name": {"x": X.to_sparse_csr(), "y": Y},
    "a TensorDataset": TensorDataset(X.to_sparse(), Y),
    "a list of samples": [(row.to_sparse(), target) for row, target in zip(X, Y, strict=True)],
    "a dataset of mappings": Samples(lambda x, y: {"x": x, "y": y}),
}
PIECES: dict[str, Any] = {"batch_size": 8, "micro_batch_size": 3, "clip": {"norm": 0.5}}
IN_BATCHES: dict[str, Any] = {"a loader": DataLoader(PAIRS, batch_size=8, collate_fn=joined), "an iterable": batches}


def train(data: Any, place: Path, **options: Any) -> Tensor:
    model = Table()
    fixed: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.5, "console": False, "evaluation": {"report": False}, "run_dir": place}
    tw.fit(model, data, loss="cross_entropy", **{"max_steps": 4, **fixed, **options})
    return model.w.detach()


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, Tensor]:
    """Trained on the same numbers: by rows in pieces, and in the loader's batches."""
    place = tmp_path_factory.mktemp("dense")
    plain = DataLoader(TensorDataset(X, Y), batch_size=8)
    return train((X, Y), place / "rows", validation=(X, Y), **PIECES), train(plain, place / "batches")


@pytest.mark.parametrize("form", BY_ROW)
def test_rows_of_sparse_tensors_train_in_micro_batches_as_dense_ones(form: str, dense: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    data = BY_ROW[form]
    found = train(data, tmp_path / "r", validation=data, **PIECES)
    torch.testing.assert_close(found, dense[0])


@pytest.mark.parametrize("form", IN_BATCHES)
def test_ready_batches_with_sparse_tensors_train_and_go_on(form: str, dense: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    goes_on = form == "a loader"  # an iterable has as many batches as the run has steps
    if goes_on:
        train(IN_BATCHES[form], tmp_path / "r", max_steps=2)
    torch.testing.assert_close(train(IN_BATCHES[form], tmp_path / "r", resume=goes_on), dense[1])


def test_a_graph_with_its_adjacency_matrix_trains_in_a_system_of_ones_own(tmp_path: Path) -> None:
    class Neighbours(tw.System):
        def build(self, data: Any) -> None:
            self.w = nn.Parameter(torch.ones(3, 2))

        def training_step(self, batch: Any, context: Any) -> Tensor:
            x, adjacency = batch
            return (adjacency @ x @ self.w).pow(2).mean()

    def graphs() -> Iterator[Any]:
        return iter([(torch.ones(5, 3), torch.eye(5).to_sparse()), (torch.ones(4, 3), torch.eye(4).to_sparse_csr())])

    system = Neighbours()
    tw.fit(system, graphs, batched=True, max_epochs=2, console=False, run_dir=tmp_path / "r")
    assert bool((system.w < 1).all())


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
def test_rows_are_taken_and_compared_in_their_layout(layout: Any) -> None:
    whole = X.to_sparse(layout=layout)
    picked = torch.tensor([5, 0, 5, 23])
    assert select_rows(whole, picked).layout is layout
    assert torch.equal(select_rows(whole, picked).to_dense(), X[picked])
    assert torch.equal(rows_between(whole, 20, 99).to_dense(), X[20:99])
    other = X.clone()
    other[3, 2] += 1
    assert alike(whole, X.to_sparse(layout=layout)) and not alike(whole, other.to_sparse(layout=layout))
    assert digest_of(whole) == digest_of(X.to_sparse(layout=layout)) != digest_of(other.to_sparse(layout=layout))
    other[3, 2] = torch.nan
    assert not_finite_columns({"x": other.to_sparse(layout=layout)}) and not not_finite_columns({"x": whole})


def test_a_number_for_a_matrix_too_large_to_be_dense_is_taken_from_what_it_holds() -> None:
    places = torch.tensor([[0, 10**6 - 1], [0, 10**6 - 1]])
    one, other = (torch.sparse_coo_tensor(places, torch.tensor([1.0, value]), (10**6, 10**6)) for value in (2.0, 3.0))
    assert digest_of(one) != digest_of(other) and digest_of(one) == digest_of(one.clone())


def test_what_has_no_rows_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    scipy = pytest.importorskip("scipy.sparse")
    refused: list[tuple[Any, str]] = [
        ((X.to_sparse_bsr((2, 2)), Y), r"no rows can be taken of 'input', a sparse_bsr tensor.*\n.*several rows\n.*to_sparse\(\)"),
        ((scipy.csr_matrix(X.numpy()), Y), r"hold a matrix of scipy\n.*sparse_csr_tensor"),
        (scipy.csr_matrix(X.numpy()), "hold a matrix of scipy"),
        (DataLoader(PAIRS, batch_size=8), "cannot be joined"),
    ]
    for data, words in refused:
        with pytest.raises(DataError, match=words):
            train(data, tmp_path / "r")
    assert not (tmp_path / "r").exists()
