"""Rows of pictures below one folder: paths are relative to it, and are held once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.data.splits import VALIDATION

READ_WHOLE = 1 << 30
"""Bytes of pictures up to which the sha256 of the data is of what they hold; of more it is of their names and sizes."""
PIECE = 1 << 16
UNTOLD: dict[str, object] = {"type": "ignore"}


def given_split(splits: pa.Array) -> dict[str, Any]:
    """`data.split` for a column `split`; with a share of the training rows as validation where no row is of that."""
    given = {"type": "column", "column": "split"}
    return given if "validation" in pc.unique(splits).to_pylist() else {**given, "share": VALIDATION}


class FolderTable(TableSource):
    """A table with a column of paths below `root`."""

    refusal: DataError | None = None
    """Why it cannot be trained on, though its rows can be predicted."""

    def __init__(
        self,
        columns: Mapping[str, pa.Array],
        root: Path,
        name: str,
        *,
        paths: Sequence[str] = ("image",),
        tables: Sequence[Path] = (),
        targets: Sequence[str] = (),
        declared: Mapping[str, Mapping[str, Any]] | None = None,
        split: Mapping[str, Any] | None = None,
        named_by: Sequence[str] = ("file",),
    ) -> None:
        """`paths`: columns of paths below the root. `tables`: what else than pictures the rows were made of."""
        super().__init__(pa.table(dict(columns)), name, default_targets=targets, columns=declared, split=split, named_by=named_by)
        self.root, self.tables = root, list(tables)
        self.listed_columns = list(paths)
        """Columns whose files were found in the folder, so that nothing has to ask whether they are there."""

    def rename(self, names: Mapping[str, str]) -> FolderTable:
        super().rename(names)
        self.listed_columns = [names.get(each, each) for each in self.listed_columns]
        return self

    def fingerprint(self) -> dict[str, Any]:
        """The folder, bytes and rows, and the sha256 of names and contents; of more than a gibibyte of names and sizes, which it says."""
        digest, size = hashlib.sha256(), 0
        for _, status in self._files():
            size += status.st_size
        whole = size <= READ_WHOLE
        for name, status in self._files():
            digest.update(f"{name}\0{status.st_size}\0".encode())
            if whole:
                digest.update((self.root / name).read_bytes())
        for each in self.tables:
            digest.update(each.read_bytes())
        said = {} if whole else {"sha256_of": "names and sizes"}
        return {"paths": [str(self.root)], "bytes": size, "sha256": digest.hexdigest(), **said, "rows": len(self)}

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """The names of the files, and what the system knows of them; those that are not there are told by what reads them."""
        for column in self.listed_columns:
            values = self.table[column]
            for start in range(0, len(values), PIECE):
                for name in values.slice(start, PIECE).to_pylist():
                    try:
                        yield name, os.stat(self.root / (name or ""))
                    except OSError:
                        continue
