"""Arrays and plain values of pickles that older projects left: read by an allow-list, so that nothing of them runs, and written anew."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, RequestError, did_you_mean
from trainwright.files.outputs import ensure_output, write_output

MAGIC = b"\x93NUMPY"
KINDS = "biufcSU"
"""Kinds of numbers and texts that arrays may be of."""
LONGEST_LIST = 1_000_000
"""Arrays of a list that are written under names of their own; of more, the list is refused."""
PROGRAM = "read it in the program that wrote it, where you trust the file, and write it with numpy.savez"


class _Array:
    """An array as a pickle makes it, step by step. numpy's own would take any state, also one that points into memory."""

    def __init__(self) -> None:
        self.content: np.ndarray | list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if isinstance(content, list):
            self.content = content if len(shape) == 1 else _nested(content, shape)
            return
        raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
        self.content = np.frombuffer(raw, _plain(kind)).reshape(shape, order="F" if fortran else "C").copy()


class _Dtype:
    """A type of numbers as a pickle makes it: its code, and then its order of bytes."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: Any) -> None:
        _, order, subdtype, names, fields, *_ = state
        if subdtype is not None or names or fields:
            raise pickle.UnpicklingError("it holds fields with names")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


def _plain(kind: Any) -> np.dtype[Any]:
    """The type of numbers. Raises UnpicklingError for one of others, such as pointers."""
    if not isinstance(kind, _Dtype) or kind.dtype.kind not in KINDS:
        raise pickle.UnpicklingError(f"it holds {kind.dtype if isinstance(kind, _Dtype) else 'an array'}, not numbers or texts")
    return kind.dtype


def _nested(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """An array of objects as lists in lists."""
    inner = len(values) // shape[0] if shape[0] else 0
    rows = [values[place * inner : (place + 1) * inner] for place in range(shape[0])]
    return rows if len(shape) == 2 else [_nested(each, shape[1:]) for each in rows]


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _from_buffer(buffer: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    return np.frombuffer(bytes(buffer), _plain(kind)).reshape(shape, order="F" if order == "F" else "C").copy()


def _scalar(kind: Any, content: Any) -> Any:
    raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
    return np.frombuffer(raw, _plain(kind))[0]


def _encode(text: str, codec: str = "latin1") -> bytes:
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {codec}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    **{(module, name): kind for module in ("builtins", "__builtin__") for name, kind in (("set", set), ("frozenset", frozenset))},
    **{(module, "bytearray"): bytearray for module in ("builtins", "__builtin__")},
}
"""What a pickle may name. Each makes data of data; those of numpy are our own, which take what numpy writes and nothing else."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = ALLOWED.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"'{module}.{name}' would have to run")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it points outside of itself")


@dataclass
class ConvertedPickle:
    """What was taken of a pickle, and what was left."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """Name → what it is."""


def read_plain_pickle(path: Path) -> Any:
    """Arrays, numbers, texts, lists, tuples, sets and mappings of a pickle, or of an `.npy` file of objects.

    Raises ConfigError for what names anything else, which would have to run, and for what is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RequestError(f"'{path}' cannot be read", where="command line: OLD", why=error.strerror or str(error)) from error
    try:
        if content.startswith(MAGIC):
            return _of_npy(content)
        return _finished(_Reader(io.BytesIO(content), encoding="latin1").load())
    except pickle.UnpicklingError as error:
        why = f"{error}, and that may be anything" if "have to run" in str(error) else " ".join(str(error).split())
        raise ConfigError("this file holds more than arrays and plain values", where=str(path), why=why, fix=PROGRAM) from error
    except RecursionError as error:
        raise ConfigError("this file holds itself, or too many levels", where=str(path), fix=PROGRAM) from error
    except (EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, MemoryError, UnicodeError, OverflowError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError("this file is no pickle, or is damaged", where=str(path), why=why, fix="copy it again") from error


def _finished(content: Any) -> Any:
    """Some content with its arrays in place."""
    if isinstance(content, _Array):
        if content.content is None:
            raise pickle.UnpicklingError("it holds an array without content")
        return _finished(content.content)
    if isinstance(content, _Dtype):
        return str(content.dtype)
    if isinstance(content, Mapping):
        return {key: _finished(value) for key, value in content.items()}
    return type(content)(_finished(each) for each in content) if type(content) in (list, tuple) else content


def _of_npy(content: bytes) -> Any:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read(file)
    if not dtype.hasobject:
        return np.load(io.BytesIO(content), allow_pickle=False)
    return _finished(_Reader(file, encoding="latin1").load())


def convert_pickle(old: Path, new: Path, key: str = "", force: bool = False) -> ConvertedPickle:
    """Write the arrays of a pickle to `.npz`, by names with dots between the levels, or its only one to `.npy`.

    `key` takes what lies under a name. Raises RequestError or ConfigError, with nothing written.
    """
    if new.exists() and not force:
        raise RequestError("this file is there already", where=f"command line: NEW {new}", fix="--force replaces it, or name another")
    ensure_output(new, [str(old)])
    found = ConvertedPickle()
    _take(_under(read_plain_pickle(old), key, old), "", found)
    if not found.arrays:
        raise ConfigError("this file holds no arrays of numbers", where=str(old), why=_listed(found.left), fix="name another file")
    if new.suffix == ".npy" and len(found.arrays) > 1:
        names = ", ".join(list(found.arrays)[:6])
        raise RequestError(
            f"the file holds {len(found.arrays)} arrays: {names}",
            where="command line: NEW",
            fix=f"--key NAME, or {new.with_suffix('.npz')}",
        )
    with write_output(new) as place, open(place, "wb") as file:
        if new.suffix == ".npy":
            np.save(file, next(iter(found.arrays.values())), allow_pickle=False)
        else:
            np.savez(file, **{name or "array": each for name, each in found.arrays.items()})  # type: ignore[arg-type]
    return found


def _under(content: Any, key: str, path: Path) -> Any:
    for name in key.split(".") if key else ():
        if not isinstance(content, Mapping) or name not in content:
            names = [str(each) for each in content] if isinstance(content, Mapping) else []
            raise RequestError(f"there is no '{name}' in the file", where=f"--key {key}", fix=did_you_mean(name, names))
        content = content[name]
    return content


def _take(content: Any, name: str, found: ConvertedPickle) -> None:
    """Put the arrays of some content under names into `found`, and what is none into `left`."""
    if isinstance(content, Mapping):
        for each, value in content.items():
            _take(value, _below(name, each), found)
    elif isinstance(content, list | tuple):
        _take_list(list(content), name, found)
    elif isinstance(content, np.ndarray | np.generic | bool | int | float | str):
        array = np.asarray(content)
        if array.dtype.kind in "biufcUS":
            found.arrays[name] = array
        else:
            found.left[name] = f"numbers of the type {array.dtype}"
    else:
        found.left[name] = type(content).__name__


def _take_list(content: list[Any], name: str, found: ConvertedPickle) -> None:
    """A list of numbers or of texts is an array, one of arrays and mappings has a name for each."""
    kinds = {type(each) for each in content}
    if content and (all(issubclass(each, bool | int | float | np.number) for each in kinds) or kinds == {str}):
        found.arrays[name] = np.array(content)
    elif len(content) > LONGEST_LIST:
        found.left[name] = f"a list of {len(content):,}"
    else:
        for number, each in enumerate(content):
            _take(each, _below(name, number), found)


def _below(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _listed(left: Mapping[str, str]) -> str:
    return ", ".join(f"{name or 'the whole'} is {kind}" for name, kind in list(left.items())[:5])
