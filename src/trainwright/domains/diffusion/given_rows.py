"""Rows that a person gives to samples: what they begin with, and what the network is told of them, read as training rows were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError, RequestError, did_you_mean
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.drawing import Told
from trainwright.domains.diffusion.editing.inpainting import checked_mask
from trainwright.domains.diffusion.findings import ROUNDING
from trainwright.domains.diffusion.layout import Layout, find_layout, is_placed, piece_of
from trainwright.domains.diffusion.transforms import transforms_of
from trainwright.domains.forms import as_rows, is_record
from trainwright.features.encoding import TableEncoder
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


def read_condition(artifact: Artifact, given: Any, classes: Tensor | None) -> Told:
    """What the network is told: the classes, and the columns of a mapping, or of a table with a row for each sample in turn.

    Raises RequestError or DataError for columns that it does not follow, and for those that lack.
    """
    layout = artifact.system.layout
    if given is None:
        return Told(classes)
    if not artifact.told:
        what = "this model follows no columns beside a class" if layout.label else "this model follows no columns"
        raise RequestError(what, where="condition", why="system.condition named none", fix="leave condition out")
    if is_record(given) or isinstance(given, dict):
        strange = next((name for name in given if name not in artifact.told), None)
        if strange is not None:
            what, why = f"this model does not follow '{strange}'", f"it follows {', '.join(artifact.told)}"
            raise RequestError(what, where="condition", why=why, fix=did_you_mean(str(strange), artifact.told))
    batch, encoder = encode_columns(artifact, artifact.told, given, "condition")
    numbers, beside = told_of(artifact, encoder, batch)
    return Told(classes, numbers, beside)


def told_of(artifact: Artifact, encoder: TableEncoder, batch: dict[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """Numbers (m, k) and arrays (m, channels, …) of rows that have the columns which are told, and no others."""
    layout = artifact.system.layout
    pieces = [each for group in encoder.spec.inputs if (each := piece_of(group, artifact.told)) is not None]
    alone = Layout(
        layout.made, layout.shape, None, [each for each in pieces if not is_placed(each)], [each for each in pieces if is_placed(each)]
    )
    return alone.read_told(batch), alone.read_beside(batch)


def encode_columns(artifact: Artifact, columns: Sequence[str], given: Any, where: str) -> tuple[dict[str, Tensor], TableEncoder]:
    """Rows of these columns alone as the tensors of a batch, read as training rows were; raises DataError where none is left."""
    state = artifact.encoder.state()
    kept = {name: state["columns"][name] for name in state["inputs"] if name in columns}
    tied = {name: members for name, members in state["tied"].items() if all(each in kept for each in members)}
    encoder = TableEncoder.restore({**state, "inputs": list(kept), "targets": [], "tied": tied, "columns": kept, "selection": None})
    encoded = encoder.encode(encoder.read(as_rows(given, set(kept))), targets=False)
    if not len(encoded.rows):
        raise DataError("no row can be read", where=where, why="; ".join(each.reason for each in encoded.dropped), fix="give other rows")
    positions = torch.arange(len(encoded.rows))
    batch = dict(table_rows(encoded, positions.numpy()).take(positions))
    transforms = transforms_of(encoder.spec)
    return (batch if transforms is None else dict(transforms.always(batch))), encoder
