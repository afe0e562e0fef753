"""Rows that a person gives to samples, read as training rows were, and what samples begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.source import Source
from trainwright.data.sources.memory import WHERE as GIVEN
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.editing.inpainting import checked_mask
from trainwright.domains.diffusion.findings import ROUNDING
from trainwright.domains.diffusion.layout import find_layout
from trainwright.domains.diffusion.transforms import transforms_of
from trainwright.domains.forms import as_rows
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.table_rows import table_rows

TABLES = (".csv", ".parquet", ".jsonl", ".json", ".tsv")


def read_init(artifact: Artifact, given: Any) -> Tensor:
    """What samples begin with (m, *shape), as the network is given it: a file, a folder or table of them, an array of one or several.

    Raises DataError for what is nothing of the kind that is made.
    """
    layout = artifact.system.layout
    if hasattr(given, "shape"):
        return _of_array(artifact, torch.as_tensor(given))
    if isinstance(given, str | Path) and not Path(given).expanduser().exists():
        raise DataError("there is no such file", where=f"init {given}", fix="name a file of what is made, or a folder or table of them")
    column = artifact.made[0]
    alone = isinstance(given, str | Path) and Path(given).is_file() and Path(given).suffix.lower() not in TABLES
    rows = [{column: str(Path(given).expanduser().absolute())}] if alone else given
    batch, encoder = encode_columns(artifact, artifact.made, rows, f"init {given}")
    found = find_layout(encoder.spec, artifact.made, [])
    if found.shape != layout.shape:
        shapes = ["×".join(map(str, each)) for each in (found.shape, layout.shape)]
        raise DataError(f"it is {shapes[0]}, and what is made {shapes[1]}", where=f"init {given}", fix=f"give one of {shapes[1]}")
    values = found.read(batch)
    ensure_finite(values, f"init {given}")
    return values


def _of_array(artifact: Artifact, values: Tensor) -> Tensor:
    """An array in the units of the data, or several (m, *shape), as samples are."""
    shape = artifact.system.layout.shape
    several = values if values.dim() == len(shape) + 1 else values[None]
    if tuple(several.shape[1:]) != shape:
        shown = "×".join(map(str, values.shape))
        raise DataError(f"init is {shown}, and what is made {'×'.join(map(str, shape))}", where="init", fix="give samples as they are made")
    ensure_finite(several, "init")
    ensure_range(several, artifact.system.units.range)
    return artifact.system.units.encode(several)


def ensure_finite(values: Tensor, where: str) -> None:
    """Raise DataError for values that are no numbers."""
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).sum())
        what = f"{bad:,} of {values.numel():,} values are NaN or infinite"
        raise DataError(what, where=where, why="every step would be made of them", fix="correct them")


def ensure_range(values: Tensor, stated: tuple[float, float] | None) -> None:
    """Raise DataError for an array beyond black and white, where what is made has them."""
    low, high = float(values.min()), float(values.max())
    if stated is None or (low >= stated[0] - ROUNDING and high <= stated[1] + ROUNDING):
        return
    what = f"init goes from {low:.4g} to {high:.4g}, and pictures from {stated[0]:g} to {stated[1]:g}"
    fix = "init / 127.5 - 1" if low >= 0 and high <= 255 else f"scale it to {stated[0]:g} to {stated[1]:g}"
    raise DataError(what, where="init", why="black and white are the ends", fix=fix)


def read_mask(artifact: Artifact, given: Any) -> Tensor:
    """Where samples are made anew, from 0 to 1, of the places of one sample: a picture (white is 1), `.npy`, or an array.

    Raises RequestError for one of another shape, and DataError for a file that is none.
    """
    shape = artifact.system.layout.shape
    mask = torch.as_tensor(given).float() if hasattr(given, "shape") else _mask_in(str(given), shape)
    return checked_mask(mask, torch.zeros(1, *shape))[0]


def _mask_in(named: str, shape: tuple[int, ...]) -> Tensor:
    """The mask in a file; a picture of another size is made one of theirs."""
    path = Path(named).expanduser()
    try:
        if path.suffix.lower() == ".npy":
            return torch.from_numpy(np.load(path, allow_pickle=False)).float()
        from PIL import Image

        with Image.open(path) as picture:
            if len(shape) != 3:
                raise DataError("a picture says nothing of what has no height and width", where=f"mask {named}", fix="give an array, .npy")
            pixels = np.asarray(picture.convert("L").resize((shape[2], shape[1]), Image.Resampling.BOX))
            return torch.from_numpy(pixels / 255.0).float()
    except (OSError, ValueError) as error:
        raise DataError("this mask cannot be read", where=f"mask {named}", why=str(error), fix="a picture, or an array in .npy") from error


def encode_columns(artifact: Artifact, columns: Sequence[str], given: Any, where: str) -> tuple[dict[str, Tensor], TableEncoder]:
    """Rows of these columns alone as the tensors of a batch, read as training rows were; raises DataError as `encode_rows`."""
    encoder = encoder_of(artifact, columns)
    batch, _ = encode_rows(encoder, read_rows(encoder, given, where), where)
    return batch, encoder


def encoder_of(artifact: Artifact, columns: Sequence[str]) -> TableEncoder:
    """What reads these columns alone as training rows were; the class, a target there, is an input of it."""
    state = artifact.encoder.state()
    kept = {name: state["columns"][name] for name in [*state["inputs"], *state["targets"]] if name in columns}
    for name in set(kept) & set(state["targets"]):
        kept[name] = {**kept[name], "config": {**kept[name]["config"], "missing": "drop"}}
    tied = {name: members for name, members in state["tied"].items() if all(each in kept for each in members)}
    return TableEncoder.restore({**state, "inputs": list(kept), "targets": [], "tied": tied, "columns": kept, "selection": None})


def read_rows(encoder: TableEncoder, given: Any, where: str) -> Source:
    """The rows of a table, a file, a frame or a mapping; raises DataError for what is none of them."""
    with said_of(where):
        return encoder.read(as_rows(given, set(encoder.inputs)))


def encode_rows(encoder: TableEncoder, source: Source, where: str) -> tuple[dict[str, Tensor], EncodedTable]:
    """Rows as the tensors of a batch, all of them; raises DataError for one that lacks a value: those after it would move up."""
    with said_of(where):
        encoded = encoder.encode(source, targets=False)
    for each in encoded.dropped:
        what = f"{each.reason}: {encoder.features[each.column].listed(each.rows)}"
        why = "sample number k takes row k, and the rows after it would move up"
        raise DataError(what, where=where, why=why if len(source) > 1 else "", fix="give it a value, or leave such rows out")
    if not len(encoded.rows):
        raise DataError("there are no rows", where=where, fix="give a row for each sample, or fewer, which are taken in turn")
    positions = torch.arange(len(encoded.rows))
    batch = dict(table_rows(encoded, positions.numpy()).take(positions))
    transforms = transforms_of(encoder.spec)
    return (batch if transforms is None else dict(transforms.always(batch))), encoded


@contextmanager
def said_of(where: str) -> Iterator[None]:
    """Errors that name no file are told of the option that the rows were given by."""
    try:
        yield
    except DataError as error:
        if error.where in (GIVEN, "data.source", ""):
            error.where = where
        raise
