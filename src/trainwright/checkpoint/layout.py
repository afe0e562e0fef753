"""Where the parts of every tensor of a sharded checkpoint lie: its layout, how ranks come to one, and what makes one whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from trainwright.checkpoint.manifest import Damaged, FileName, Manifest
from trainwright.checkpoint.names import part_name
from trainwright.config.received import read_text
from trainwright.files.tensors import NAMES

LAYOUT = "layout.json"
"""The file of a checkpoint that has it."""
FORMAT = 1
BYTES = {name: dtype.itemsize for dtype, name in NAMES.items()}
MOST_CELLS = 1 << 22
"""Cells that the edges of the parts cut one tensor into, at most: more than there can be ranks."""

Size = Annotated[int, Field(ge=0, lt=2**48)]
Sizes = Annotated[tuple[Size, ...], Field(max_length=64)]


class Part(NamedTuple):
    """A box of a tensor, under the tensor's name in a file."""

    file: FileName
    offsets: Sizes
    shape: Sizes


@dataclass(frozen=True)
class Entry:
    """A tensor and the parts that make it up."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    dtype: str
    """As safetensors names it."""
    shape: Sizes
    parts: list[Part] = field(default_factory=list)

    @property
    def in_one_piece(self) -> bool:
        """Whether one part is all of it."""
        return len(self.parts) == 1 and self.parts[0].shape == self.shape

    @property
    def bytes(self) -> int:
        """Of the whole tensor."""
        return prod(self.shape) * BYTES[self.dtype]


Files = dict[str, dict[str, Entry]]
"""File, as a checkpoint of one process has it → tensors by name."""


class Local(NamedTuple):
    """What a rank has of a tensor."""

    dtype: str
    whole: tuple[int, ...]
    offsets: tuple[int, ...]
    shape: tuple[int, ...]


LocalFiles = dict[str, dict[str, Local]]
"""The same, as one rank has it."""


@dataclass(frozen=True)
class Shared:
    """Who writes what: the same on all ranks, since it follows from what all of them told."""

    files: Files
    """Those whose parts several ranks write."""
    mine: list[dict[str, dict[str, str]]]
    """By rank: file to be written → name in it → file that a checkpoint of one process would have it in."""


def share_out(told: Sequence[LocalFiles]) -> Shared:
    """Who writes what of the tensors that all ranks `told` of: of parts that several have, the lowest of their ranks.

    A file of which rank 0 has all is written by rank 0 under its own name. Raises ValueError where ranks tell of other shapes or types,
    or what all of them have of a tensor is not all of it.
    """
    found: Files = {}
    owners: dict[str, dict[tuple[str, tuple[int, ...]], int]] = {}
    for rank, files in enumerate(told):
        for file, tensors in files.items():
            for name, local in tensors.items():
                _take(found.setdefault(file, {}), owners.setdefault(file, {}), name, local, rank, part_name(file, rank))
    mine: list[dict[str, dict[str, str]]] = [{} for _ in told]
    split: Files = {}
    for file, who in owners.items():
        alone = set(who.values()) <= {0} and all(each.in_one_piece for each in found[file].values())
        if not alone:
            split[file] = found[file]
        for name, entry in found[file].items():
            if not _tiles(entry.shape, [(part.offsets, part.shape) for part in entry.parts]):
                raise ValueError(f"what the ranks have of '{name}' does not make it up")
        for (name, _), rank in who.items():
            mine[rank].setdefault(file if alone else part_name(file, rank), {})[name] = file
    return Shared(split, mine)


def _take(tensors: dict[str, Entry], owners: dict[tuple[str, tuple[int, ...]], int], name: str, local: Local, rank: int, file: str) -> None:
    entry = tensors.setdefault(name, Entry(local.dtype, local.whole))
    if (entry.dtype, entry.shape) != (local.dtype, local.whole):
        raise ValueError(f"'{name}' is {local.dtype} {local.whole} on rank {rank} and {entry.dtype} {entry.shape} on one before it")
    nothing = 0 in local.shape and local.shape != local.whole
    if not nothing and (name, local.offsets) not in owners:
        owners[name, local.offsets] = rank
        entry.parts.append(Part(file, local.offsets, local.shape))


def layout_document(files: Files) -> dict[str, Any]:
    """The layout as JSON holds it."""
    return {"format": FORMAT, "files": {file: {name: asdict(each) for name, each in tensors.items()} for file, tensors in files.items()}}


def read_layout(folder: Path, manifest: Manifest) -> Files:
    """The layout of a checkpoint directory, each tensor made up by its parts; none for one that a single process wrote.

    Raises Damaged: a digest says that nothing was lost, not who wrote it, so that it is checked whether parts cover each tensor once.
    """
    if all(each.name != LAYOUT for each in manifest.files):
        return {}
    try:
        body = json.loads(read_text(folder / LAYOUT))
    except FileNotFoundError:
        raise Damaged(f"{LAYOUT} is missing") from None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{LAYOUT} cannot be read: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise Damaged(f"{LAYOUT} is of no format that this program reads")
    try:
        files = layout_fields().validate_python(body.get("files"))
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(f"{LAYOUT}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    held = {each.name: each.bytes for each in manifest.files}
    for tensors in files.values():
        for name, entry in tensors.items():
            ensure_whole(name, entry, held)
    return files


def reduce_layout(files: Files, manifest: Manifest, names: Sequence[str]) -> Files:
    """The layout of a checkpoint of the weights alone: of the first of `names`, with what the others have instead; none without one.

    A file that rank 0 wrote whole has no layout of its own: that its tensors are not among those of others is seen to by who writes it.
    """
    if not any(name in files for name in names):
        return {}
    merged = {name: entry for file in names for name, entry in files.get(file, {}).items()}
    return {names[0]: merged}


@cache
def layout_fields() -> TypeAdapter[Files]:
    return TypeAdapter(Files)


def ensure_whole(name: str, entry: Entry, held: Mapping[str, int], source: str = LAYOUT) -> None:
    """Raise Damaged where parts do not make up a tensor: one is outside of it, two lie over each other, or something is left.

    `held`: the files there are, with their bytes; `source`: the file that tells of the parts.
    """
    if entry.dtype not in BYTES:
        raise Damaged(f"{source}: '{name}' has no type that is known: {entry.dtype}")
    for part in entry.parts:
        if part.file not in held:
            raise Damaged(f"{source}: '{name}' is in {part.file}, which the checkpoint does not have")
        if not len(part.offsets) == len(part.shape) == len(entry.shape) or any(
            min(start, length) < 0 or start + length > size
            for start, length, size in zip(part.offsets, part.shape, entry.shape, strict=True)
        ):
            raise Damaged(f"{source}: '{name}' has a part outside of it")
    if entry.bytes > sum(held[file] for file in {part.file for part in entry.parts}):
        raise Damaged(f"{source}: '{name}' is larger than the files it is in")
    if not _tiles(entry.shape, [(part.offsets, part.shape) for part in entry.parts]):
        raise Damaged(f"{source}: the parts of '{name}' do not make it up")


def _tiles(shape: Sequence[int], boxes: Sequence[tuple[Sequence[int], Sequence[int]]]) -> bool:
    """Whether boxes within a shape cover it once: none of it twice, and as much as there is of it."""
    if 0 in shape:
        return len(boxes) <= 1
    if sum(prod(sizes) for _, sizes in boxes) != prod(shape):
        return False
    edges = [sorted({edge for offsets, sizes in boxes for edge in (offsets[d], offsets[d] + sizes[d])}) for d in range(len(shape))]
    places = [{edge: number for number, edge in enumerate(each)} for each in edges]
    seen: set[tuple[int, ...]] = set()
    for offsets, sizes in boxes:
        ranges = [range(at[start], at[start + length]) for at, start, length in zip(places, offsets, sizes, strict=True)]
        if len(seen) + prod(map(len, ranges)) > MOST_CELLS:
            return False
        for cell in product(*ranges):
            if cell in seen:
                return False
            seen.add(cell)
    return True
