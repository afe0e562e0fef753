"""What the encoders of a table's model make of its rows: a vector for each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.data.rows import Rows
from trainwright.domains.tables.model import Model
from trainwright.systems.parts import announced_shape

COLUMN = "embedding"
"""The column of predictions that holds them."""


def embed_rows(model: Model, rows: Rows, size: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """For some rows at a time their vectors `[b, w]`, float32, and the batch; raises RequestError for rows that are cut into windows."""
    if rows.windows is not None:
        fix = "predict the windows: leave data.window out of a run that is to embed"
        raise RequestError("rows that are cut into windows have no one embedding", where="--embeddings", fix=fix)
    device = next(iter(model.system.parameters())).device
    for start in range(0, len(rows), size):
        batch = rows.take(torch.arange(start, min(start + size, len(rows))))
        inputs = {key: block.to(device) for key, block in batch.items() if not key.startswith("target.")}
        with torch.inference_mode():
            tokens = [each.flatten(1).float() for each in model.system.encodings(inputs)]
        yield torch.cat(tokens, dim=1).cpu(), batch


def embeddings_of(model: Model, rows: Rows, size: int) -> np.ndarray:
    """The vectors of all rows `[n, w]`."""
    found = [vectors for vectors, _ in embed_rows(model, rows, size)]
    return torch.cat(found).numpy() if found else np.zeros((0, embedding_width(model)), np.float32)


def embedding_width(model: Model) -> int:
    """How many numbers the vector of a row has."""
    shapes = [announced_shape(encoder) for encoder, _ in model.system.reads]
    return sum(tokens * width for tokens, width in shapes)


def as_column(vectors: np.ndarray) -> pa.Array:
    """Vectors as a column of lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(vectors).reshape(-1)), vectors.shape[1])
