"""Directories of torch.distributed.checkpoint: read without running anything in them, and written so that torch reads them without us.

Their `.metadata` is a pickle. It is read by a reader that knows the names such a file has and gives plain data for each: not one of them
is looked up in torch, so nothing that stands in the file can be called.
"""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainwright.checkpoint.layout import Entry, Part, ensure_whole
from trainwright.checkpoint.manifest import Damaged
from trainwright.checkpoint.parts import Box, overlap
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.received import damage, open_regular, read_bytes
from trainwright.files.tensors import NAMES

METADATA = ".metadata"
PACKAGE = "torch.distributed.checkpoint."
SAFE = (
    "in a program that trusts it: torch.distributed.checkpoint.load, then torch.save(model.state_dict(), 'weights.pt'); then convert that"
)


class Record:
    """What stands in the pickle for an object of torch's: its fields, and nothing that runs."""

    fields: Any = ()
    """Of an object that is made without a state: none."""

    def __init__(self, *fields: Any) -> None:
        self.fields = fields

    def __setstate__(self, state: Any) -> None:
        self.fields = state

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


class Index(Record):
    """The key of a part: name and offsets."""

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """The same as a tuple."""
        return str(self["fqn"]), _size(self.fields.get("offset") or ())

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self.key == other.key


def _size(given: Any = ()) -> tuple[int, ...]:
    return tuple(int(each) for each in given)


def _first(value: Any = None, *others: Any) -> Any:
    return value


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    (f"{PACKAGE}metadata", "MetadataIndex"): Index,
    (f"{PACKAGE}metadata", "_MEM_FORMAT_ENCODING"): _first,
    ("torch.distributed._shard.sharded_tensor.metadata", "TensorProperties"): Record,
    ("torch.distributed._shard.sharded_tensor.metadata", "MEM_FORMAT_ENCODING"): _first,
    (f"{PACKAGE}filesystem", "_StorageInfo"): Record,
    ("torch", "Size"): _size,
    ("torch.serialization", "_get_layout"): _first,
    ("collections", "OrderedDict"): dict,
    **{
        (f"{PACKAGE}metadata", name): Record
        for name in (
            "BytesStorageMetadata",
            "ChunkStorageMetadata",
            "Metadata",
            "StorageMeta",
            "TensorProperties",
            "TensorStorageMetadata",
        )
    },
    **{(module, f"{kind}Path"): Record for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows", "PurePosix")},
}
"""Every name that such a file may have → what makes plain data of it."""
REFUSED = {pickle.BYTEARRAY8[0], pickle.NEXT_BUFFER[0], pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0], pickle.INST[0], pickle.OBJ[0]}
"""Codes of a pickle that no such file needs."""
TYPES = {str(dtype).removeprefix("torch."): name for dtype, name in NAMES.items()}
DTYPES = {name: dtype for dtype, name in NAMES.items()}


class MetadataReader(pickle._Unpickler):
    """Reads a pickle whose names are all of those above. Raises pickle.UnpicklingError at any other, before it is looked up.

    It is the reader that is written in Python: the other one asks for as much memory as a damaged length says.
    """

    dispatch = {code: act for code, act in pickle._Unpickler.dispatch.items() if code not in REFUSED}

    def find_class(self, module: str, name: str) -> Any:
        """The plain stand-in for a name."""
        if module == "torch" and name in TYPES:
            return TYPES[name]
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"'{module}.{name}'")
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """There are no objects outside of such a file."""
        raise pickle.UnpicklingError("an object outside of the file")


@dataclass(frozen=True)
class Piece:
    """Where a part of a tensor lies, saved by torch.save."""

    offset: int
    length: int


@dataclass(frozen=True)
class DcpDirectory:
    """What a directory of torch.distributed.checkpoint holds; tensors are read when asked for."""

    folder: Path
    entries: Mapping[str, Entry]
    """Tensors by their names, those of mappings inside mappings joined with dots."""
    pieces: Mapping[tuple[str, tuple[int, ...]], Piece]
    paths: Mapping[str, tuple[str | int, ...]]
    """Name → the keys that lead to it in the state dict that was saved."""
    others: tuple[str, ...] = ()
    """Names of what is no tensor: pickles, which are left where they are."""

    def tensor(self, name: str) -> Tensor:
        """A tensor, whole and on the CPU. Raises RunError for a part that is damaged, ConfigError for one that holds more than data."""
        entry = self.entries[name]
        dtype = DTYPES[entry.dtype]
        found = torch.empty(entry.shape, dtype=dtype)
        everything: Box = (0,) * len(entry.shape), entry.shape
        for part in entry.parts:
            held = self._load(part.file, self.pieces[name, part.offsets])
            if not isinstance(held, Tensor) or tuple(held.shape) != part.shape or held.dtype != dtype or held.layout != torch.strided:
                raise damage(self.folder / part.file, f"the part of '{name}' at {part.offsets} is not what {METADATA} says")
            common = overlap(everything, (part.offsets, part.shape))
            if common is not None:
                found[common[0]] = held
        return found

    def _load(self, file: str, piece: Piece) -> Any:
        path = self.folder / file
        with os.fdopen(open_regular(path), "rb") as opened:
            opened.seek(piece.offset)
            content = opened.read(piece.length)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            why = "it holds objects that are no data, and to read them anything might run"
            raise ConfigError("this file holds more than weights", where=str(path), why=why, fix=SAFE) from error
        except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, IndexError, TypeError, OverflowError) as error:
            raise damage(path, " ".join(str(error).split())[:200] or type(error).__name__) from error

    def make_state_dict(self) -> tuple[dict[str, Any], dict[int, str]]:
        """The state dict that was saved, with tensors without memory (meta device) for its own; and the name of each of those by its id."""
        found: dict[str, Any] = {}
        names: dict[int, str] = {}
        for name, entry in self.entries.items():
            path = [str(each) for each in self.paths.get(name, (name,))] or [name]
            place = found
            for key in path[:-1]:
                inner = place.setdefault(key, {})
                if not isinstance(inner, dict):
                    raise damage(self.folder / METADATA, f"'{name}' lies in another tensor")
                place = inner
            place[path[-1]] = torch.empty(entry.shape, dtype=DTYPES[entry.dtype], device="meta")
            names[id(place[path[-1]])] = name
        return found, names


def is_dcp(folder: Path) -> bool:
    """Whether a folder is one of torch.distributed.checkpoint."""
    return (folder / METADATA).is_file()


def read_dcp(folder: Path) -> DcpDirectory:
    """What a directory of torch.distributed.checkpoint holds; nothing in it is run.

    Raises ConfigError for a `.metadata` that holds more than data, or parts that are compressed; RunError where it is damaged.
    """
    path = folder / METADATA
    try:
        content = MetadataReader(io.BytesIO(read_bytes(path))).load()
    except pickle.UnpicklingError as error:
        if not str(error).startswith("'"):
            raise damage(path, " ".join(str(error).split())[:200]) from error
        why = f"to read it, {error} would have to be looked up, which may run anything"
        raise ConfigError(f"{METADATA} of this directory holds more than a checkpoint's", where=str(path), why=why, fix=SAFE) from error
    except (TrainwrightError, OSError):
        raise
    except Exception as error:
        raise damage(path, f"it is no pickle that can be read: {' '.join(str(error).split())[:200]}") from error
    try:
        return _directory(folder, content)
    except Damaged as error:
        raise damage(path, str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError, MemoryError) as error:
        raise damage(path, f"it is none of torch.distributed.checkpoint: {' '.join(str(error).split())[:200]}") from error


def _directory(folder: Path, content: Any) -> DcpDirectory:
    files, pieces = dict[str, str](), dict[tuple[str, tuple[int, ...]], Piece]()
    sizes = {each.name: each.stat().st_size for each in folder.iterdir() if each.is_file() and not each.is_symlink()}
    for index, info in content["storage_data"].items():
        _ensure_plain(folder, info)
        where = info["relative_path"]
        if where not in sizes:
            raise Damaged(f"{where} is missing")
        if not 0 <= info["offset"] <= info["offset"] + info["length"] <= sizes[where]:
            raise Damaged(f"{where} is too short for what is said to be in it")
        name, offsets = index.key
        files[f"{name}{offsets}"] = where
        pieces[name, offsets] = Piece(int(info["offset"]), int(info["length"]))
    entries, others = {}, []
    for name, told in content["state_dict_metadata"].items():
        if not isinstance(told.fields, dict) or "chunks" not in told.fields:
            others.append(str(name))
            continue
        entries[str(name)] = _entry(str(name), told, files)
        ensure_whole(str(name), entries[str(name)], sizes, METADATA)
    paths = {str(name): tuple(path) for name, path in (content["planner_data"] or {}).items() if isinstance(path, tuple)}
    return DcpDirectory(folder, entries, pieces, paths, tuple(others))


def _entry(name: str, told: Record, files: Mapping[str, str]) -> Entry:
    chunks = [(_size(chunk["offsets"]), _size(chunk["sizes"])) for chunk in told["chunks"]]
    parts = [Part(files[f"{name}{offsets}"], offsets, sizes) for offsets, sizes in chunks]
    properties = told["properties"].fields
    dtype = properties["dtype"] if isinstance(properties, dict) else properties[0]
    return Entry(str(dtype), _size(told["size"]), parts)


def _ensure_plain(folder: Path, info: Record) -> None:
    """Raise for a part that lies elsewhere, or is compressed."""
    where = info["relative_path"]
    if not isinstance(where, str) or Path(where).name != where or where.startswith("."):
        raise Damaged(f"it names '{where}', which is not beside it")
    if info.fields.get("transform_descriptors"):
        what = "the parts of this directory are compressed or encrypted"
        raise ConfigError(what, where=str(folder), why=f"{info['transform_descriptors']}", fix=SAFE)


def write_dcp(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors into an empty folder as torch.distributed.checkpoint does; `torch.distributed.checkpoint.load` reads it."""
    from torch.distributed.checkpoint.state_dict_saver import save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one process is meant
        save(dict(tensors), checkpoint_id=folder, no_dist=True)
