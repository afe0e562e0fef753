"""Rows of sparse tensors (COO, CSR, CSC), and what they hold as dense ones; torch's own indexing knows few of their layouts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import DataError

COMPRESSED = (torch.sparse_csr, torch.sparse_csc)


def is_sparse(tensor: Tensor) -> bool:
    """Whether a tensor is sparse in any layout."""
    return tensor.layout is not torch.strided


def select_rows(tensor: Tensor, indices: Tensor) -> Tensor:
    """The rows at `indices` (int64, b), in that order and in the layout of the tensor."""
    if tensor.layout is torch.sparse_csr:
        return _csr_rows(tensor, indices)
    if tensor.layout is torch.sparse_csc:
        return tensor.to_sparse().index_select(0, indices).to_sparse_csc()
    return tensor.index_select(0, indices)


def rows_between(tensor: Tensor, start: int, end: int) -> Tensor:
    """The rows from `start` to before `end`: of a dense tensor a view."""
    if not is_sparse(tensor):
        return tensor[start:end]
    return select_rows(tensor, torch.arange(start, min(end, len(tensor)), device=tensor.device))


def _csr_rows(tensor: Tensor, indices: Tensor) -> Tensor:
    """Costs what the chosen rows hold, not the whole."""
    begins, columns, values = tensor.crow_indices(), tensor.col_indices(), tensor.values()
    first = begins[indices]
    counts = begins[indices + 1] - first
    ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    places = torch.arange(int(ends[-1]), device=values.device) + torch.repeat_interleave(first - ends[:-1], counts)
    size = (len(indices), tensor.shape[1])
    return torch.sparse_csr_tensor(ends, columns[places], values[places], size, dtype=values.dtype, device=values.device)


def dense_parts(tensor: Tensor) -> list[Tensor]:
    """Where the values are, and the values, as dense tensors; of a dense tensor itself."""
    if not is_sparse(tensor):
        return [tensor]
    if tensor.layout is torch.sparse_coo:
        whole = tensor.detach().coalesce()
        return [whole.indices(), whole.values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.detach().values()]
    return [tensor.ccol_indices(), tensor.row_indices(), tensor.detach().values()]


def bytes_held(tensor: Any) -> int:
    """Bytes of a tensor or an array."""
    return sum(each.nbytes for each in dense_parts(tensor)) if isinstance(tensor, Tensor) else int(tensor.nbytes)


def refuse_layout(name: str, tensor: Tensor) -> None:
    """Raise DataError for a sparse tensor of which no rows can be taken."""
    if tensor.layout not in (torch.strided, torch.sparse_coo, *COMPRESSED) or (tensor.layout in COMPRESSED and tensor.dim() != 2):
        kind = str(tensor.layout).removeprefix("torch.")
        why = "its blocks hold several rows" if "bs" in kind else "only those of two dimensions have rows"
        what = f"no rows can be taken of '{name}', a {kind} tensor of shape {tuple(tensor.shape)}"
        raise DataError(what, why=why, fix="give .to_sparse()")


def stack_samples(samples: list[Tensor]) -> Tensor:
    """Sparse samples of one shape as a batch (COO), the first dimension the sample."""
    return torch.stack([each if each.layout is torch.sparse_coo else each.to_sparse() for each in samples])
