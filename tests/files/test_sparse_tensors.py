"""Pruned weights in sparse layouts: smaller files, the same numbers, refused where they do not fit together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import trainwright as tw
from trainwright.config.errors import RunError
from trainwright.files.sparse_tensors import PARTS, Packed, pack_sparse, unpack_sparse
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.weights.files import read_weights_file

LAYOUTS = list(PARTS)


def weights(share: float = 0.05) -> dict[str, Tensor]:
    """A matrix and a convolution in blocks of 4 that are zero or not, a bias, and a matrix without zeros."""
    generator = torch.Generator().manual_seed(0)
    kept = (torch.rand(16, 32, generator=generator) < share).repeat_interleave(4, 0).repeat_interleave(4, 1)
    return {
        "a.weight": torch.randn(64, 128, generator=generator) * kept,
        "conv.weight": (torch.randn(64, 128, generator=generator) * kept).reshape(64, 32, 2, 2).to(torch.bfloat16),
        "a.bias": torch.zeros(64),
        "full.weight": torch.randn(4, 4, generator=generator),
        "steps": torch.tensor(3),
    }


def write(packed: Packed, path: Path) -> Path:
    save_tensors(path, packed.tensors, packed.metadata)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_pruned_weights_is_smaller_and_read_as_the_dense_one(layout: str, tmp_path: Path) -> None:
    dense = weights()
    packed = pack_sparse(dense, layout)  # type: ignore[arg-type]
    assert set(packed.layouts) == {"a.weight", "conv.weight"}
    save_tensors(tmp_path / "dense.safetensors", dense)
    small = write(packed, tmp_path / "sparse.safetensors")
    assert small.stat().st_size < (tmp_path / "dense.safetensors").stat().st_size * 0.3
    tw.testing.assert_close(load_tensors(small), dense, rtol=0, atol=0)
    tw.testing.assert_close(read_weights_file(small)[0], dense, rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_stored_are_torchs_own_indices_and_values(layout: str) -> None:
    dense = {"w": weights()["a.weight"]}
    packed = pack_sparse(dense, layout)  # type: ignore[arg-type]
    wanted = dense["w"].to_sparse(layout=getattr(torch, f"sparse_{layout}"), blocksize=(4, 4) if layout.startswith("bs") else None)
    for part in PARTS[layout]:
        whole = wanted.coalesce() if layout == "coo" else wanted
        assert torch.equal(packed.tensors[f"w.{part}"].long(), getattr(whole, part)().long()) or part == "values"
    again = unpack_sparse(packed.tensors, packed.metadata, dense=False)["w"]
    assert again.layout is wanted.layout and again._nnz() == wanted._nnz()
    assert torch.equal(again.to_dense(), dense["w"])
    x = torch.randn(128, 3)
    again = again.to_sparse_bsr((4, 4)) if layout == "bsc" else again  # of which torch has no product on a CPU
    torch.testing.assert_close(again @ x, dense["w"] @ x)


def test_a_tensor_that_would_not_be_smaller_stays_dense() -> None:
    half = {"w": torch.arange(64.0).reshape(8, 8) - 9}
    assert not pack_sparse(half, "csr").layouts and not pack_sparse(half, "csr").metadata
    assert not pack_sparse({"w": torch.zeros(6, 8)}, "bsr").layouts, "blocks of 4 do not fit 6 rows"
    assert set(pack_sparse({"w": torch.zeros(6, 8)}, "bsr", block=2).layouts) == {"w"}
    assert not pack_sparse({"w": torch.zeros(0, 8)}, "csr").layouts


def tampered(told: dict[str, object] | str, **parts: Tensor) -> tuple[dict[str, Tensor], dict[str, str]]:
    found = {"w.crow_indices": torch.tensor([0, 1, 2]), "w.col_indices": torch.tensor([0, 1]), "w.values": torch.ones(2)}
    found |= {f"w.{name}": each for name, each in parts.items()}
    return found, {"sparse": told if isinstance(told, str) else json.dumps({"w": told})}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (tampered({"layout": "csr", "shape": [2, 2]}, col_indices=torch.tensor([0, 9])), "indices of 'w' do not fit"),
        (tampered({"layout": "csr", "shape": [2, 2]}, crow_indices=torch.tensor([0, 1, 99])), "indices of 'w' do not fit"),
        (tampered({"layout": "csr", "shape": [2, 10**9]}), "would be"),
        (tampered({"layout": "csr", "shape": [2, -2]}), "the shape of 'w'"),
        (tampered({"layout": "dia", "shape": [2, 2]}), "layout of 'w' is none of coo"),
        (tampered({"layout": "csc", "shape": [2, 2]}), "'w.ccol_indices' is missing"),
        (tampered('{"w": 3}'), "layout of 'w' is none of"),
    ],
)
def test_parts_that_do_not_fit_together_are_damage(given: tuple[dict[str, Tensor], dict[str, str]], words: str, tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", *given)
    with pytest.raises(RunError, match=rf"damaged\n.*{words}"):
        read_weights_file(tmp_path / "w.safetensors")
