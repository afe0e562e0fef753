"""Columns of files: pictures, recordings and arrays that come with a request, read as training read them, and never by a path."""

from __future__ import annotations

import base64
import binascii
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import RunError, TrainwrightError
from trainwright.deploy.host.description import RE_EXPORT, Column
from trainwright.deploy.host.faults import Told
from trainwright.deploy.host.readers import ColumnReader, Parts
from trainwright.features.npy import Unreadable

KEYS = ("bytes", "base64")
SENT = 'send the file in a form, or its content in JSON as {"base64": "…"}'


class TooLarge(Unreadable):
    """A file that holds more than is read; seen only inside this package."""


class FileReader(ColumnReader):
    """Reads the files of a column; `folder` is where paths lie, None for a server, which opens none."""

    takes = (dict, bytes, str)
    folder: Path | None = None
    takes_numbers = False
    """Whether lists of numbers are taken in place of a file."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.shape: list[int] = list(column.option("shape", []))
        self.further = Further(column)

    @abstractmethod
    def array(self, content: bytes) -> np.ndarray:
        """What a file holds; raises Unreadable."""

    @abstractmethod
    def join(self, arrays: Sequence[np.ndarray | None]) -> Parts:
        """The arrays of some rows, None where there is none, as the graph takes them."""

    @property
    def fix(self) -> str:
        endings = self.accept.replace(",", ", ")
        return f"send {self.wanted} that is whole{'' if endings in self.wanted else f', one of {endings}'}"

    def quick(self, written: Sequence[Any], told: Told) -> Parts | None:
        return self._parts(written, np.arange(len(written)), told)

    def read(self, values: pa.Array, rows: np.ndarray, told: Told, written: Sequence[Any] | None = None) -> Parts:
        return self._parts(values.to_pylist(), rows, told)

    def _parts(self, values: Sequence[Any], rows: np.ndarray, told: Told) -> Parts:
        arrays = [self._array(value, int(row), told) for value, row in zip(values, rows, strict=True)]
        told.count(self.name, "missing", sum(each is None for each in values))
        return self.join(arrays)

    def _array(self, value: Any, row: int, told: Told) -> np.ndarray | None:
        """What a value holds; None where it is null, and where it is a fault, which is told."""
        if value is None:
            return None
        try:
            content = None if isinstance(value, list) and self.takes_numbers else content_of(value, self.folder)
        except Unreadable as error:
            fix = SENT if self.folder is None else "name a file that is there and may be read"
            told.refuse(self.name, [row], [""], "the file cannot be read", why=str(error), fix=fix)
            return None
        try:
            return self.further.applied(self.of_numbers(value, told) if content is None else self.of_file(content, told))
        except TooLarge as error:
            told.refuse(self.name, [row], [""], "the file is too large", why=str(error), fix="send a smaller one", too_large=True)
        except Unreadable as error:
            told.refuse(self.name, [row], [""], "the file cannot be read", why=str(error), fix=self.fix)
        except TrainwrightError as error:
            told.refuse(self.name, [row], [""], error.what, why=error.why, fix=error.fix)
        return None

    def of_file(self, content: bytes, told: Told) -> np.ndarray:
        """What a file holds, with what it does not say noted; raises Unreadable."""
        return self.array(content)

    def of_numbers(self, value: list[Any], told: Told) -> np.ndarray:
        """The array that lists of numbers are; raises Unreadable."""
        raise Unreadable("it is no content of a file")

    def missing(self, arrays: Sequence[np.ndarray | None]) -> np.ndarray:
        """1 for rows without a file, as the graph takes it."""
        return np.array([float(each is None) for each in arrays], np.float32)


def content_of(value: Any, folder: Path | None = None) -> bytes:
    """The bytes of a file that was sent, or of one below `folder` by its path; raises Unreadable."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in KEYS:
        value = value["bytes"] if "bytes" in value else _decoded(value["base64"])
    if isinstance(value, str) and folder is not None:
        return _opened(folder / value)
    if isinstance(value, str):
        raise Unreadable("it is a text, and a server opens no paths and no addresses")
    if not isinstance(value, bytes):
        raise Unreadable("it is no content of a file")
    return value


class Further:
    """What training does with an array beside reading it, for which torch is needed."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.transforms = [each for each in column.option("transform", []) if each.get("applies_in", "always") == "always"]
        self.chain: Any = None

    def drop(self, kind: str) -> dict[str, Any] | None:
        """The first transform where it is of a kind, which is then done by whoever asks; None where it is another."""
        return self.transforms.pop(0) if self.transforms and self.transforms[0]["type"] == kind else None

    def applied(self, array: np.ndarray) -> np.ndarray:
        """The array after the transforms; raises DataError for what goes wrong in them."""
        if not self.transforms:
            return array
        import torch

        self.prepare()
        found: np.ndarray = self.chain(torch.from_numpy(array)).numpy()
        return found

    def prepare(self) -> None:
        """Make the transforms; raises RunError where torch is not installed, or one is not known."""
        if self.chain is not None or not self.transforms:
            return
        names = ", ".join(str(each["type"]) for each in self.transforms)
        where = f"column '{self.column.name}'"
        try:
            from trainwright.config.choice import choose
            from trainwright.data.transforms.chain import Chain

            self.chain = Chain([choose("transform", each) for each in self.transforms], training=False)
        except ImportError as error:
            why = f"what is done with its files ({names}) is done by torch"
            raise RunError("this needs torch, which is not installed", where=where, why=why, fix="pip install torch") from error
        except ValueError as error:
            raise RunError(f"its transforms cannot be made: {names}", where=where, why=str(error)[:300], fix=RE_EXPORT) from error


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Unreadable("its base64 is damaged") from error


def _opened(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
