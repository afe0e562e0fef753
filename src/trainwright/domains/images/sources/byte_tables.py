"""Tables that hold pictures as bytes: Parquet and Arrow files, sets of Hugging Face on disk or in memory."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainwright.config.errors import DataError
from trainwright.data.files import found_files
from trainwright.data.source import TableSource
from trainwright.domains.images.reading.tables import open_arrow
from trainwright.domains.images.sources.arranging import SPLITS
from trainwright.domains.images.sources.folder_table import UNTOLD, given_split
from trainwright.domains.images.sources.options import ImageTableOptions
from trainwright.domains.images.sources.walking import list_names
from trainwright.files.download import cache_folder
from trainwright.files.whole import whole_file

WHERE = "data.source"
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP", b"P5", b"P6")
"""How the content of pictures begins; WebP and AVIF say so a little later."""
SPLIT_NAME = re.compile(r"(?:^|[-_.])(train|training|val|valid|validation|test|testing)(?:[-_.]|$)", re.IGNORECASE)
LABELS = ("label", "labels")


class ImageTable(TableSource):
    """The columns of Parquet or Arrow files; those of pictures as references to the rows that hold their bytes."""

    def __init__(self, options: ImageTableOptions, memory_limit: int) -> None:
        files = table_files(options.path)
        super().__init__(*_given(files, options.path))
        _describe(self, files, [_split_of(each, files) for each in files])


class GivenSet(TableSource):
    """A `datasets.Dataset` of Hugging Face with pictures: its rows in its order, read from its files, or kept once where it has none."""

    def __init__(self, data: Any) -> None:
        files = [Path(each["filename"]) for each in data.cache_files] or [keep_table(data.data.table)]
        table, name = _given(files, "the given dataset")
        rows = None if data._indices is None else data._indices.column(0).to_numpy()
        super().__init__(table if rows is None else table.take(pa.array(rows)), name)
        _describe(self, files, ["" for _ in files], rows)


def adopt_set(data: Any) -> TableSource | None:
    """The rows of a `datasets.Dataset` that has pictures; None for any other object."""
    if type(data).__module__.partition(".")[0] != "datasets" or not hasattr(data, "cache_files"):
        return None
    return GivenSet(data) if picture_columns(data.data.table.schema, data.data.table.slice(0, 1)) else None


def table_files(given: str) -> list[Path]:
    """The Parquet or Arrow files that a path or pattern names, of training first; those of a saved set. Raises DataError."""
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        return [each.absolute() for each in found_files(given)]
    parts = json.loads((path / "dataset_dict.json").read_text())["splits"] if (path / "dataset_dict.json").is_file() else [""]
    found = [each for part in parts for each in _files_in(path / str(part))] or _files_in(path / "data")
    if not found:
        raise DataError(f"no Parquet or Arrow file in '{given}'", where=WHERE, fix="name a folder that `save_to_disk` wrote, or the files")
    order = {name: number for number, name in enumerate(("", "train", "validation", "test"))}
    return sorted(found, key=lambda each: (order.get(_split_of(each, found), 0), str(each)))


def _files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if (folder / "state.json").is_file():
        return [folder / each["filename"] for each in json.loads((folder / "state.json").read_text())["_data_files"]]
    return sorted(each for each in folder.iterdir() if each.suffix in (".parquet", ".arrow") and not each.name.startswith("cache-"))


def _split_of(file: Path, files: Sequence[Path]) -> str:
    """The split that the folder of a saved set, or the name of a file among several, says."""
    folder = SPLITS.get(file.parent.name.lower(), "")
    if folder and (file.parent.parent / "dataset_dict.json").is_file():
        return folder
    named = SPLIT_NAME.search(file.stem) if len(files) > 1 else None
    return SPLITS[named[1].lower()] if named else ""


def picture_columns(schema: pa.Schema, first: pa.Table) -> dict[str, str]:
    """Columns of pictures → what is looked at of them (`image.bytes`): as metadata of Hugging Face say, or by their first bytes."""
    told = _features(schema)
    found: dict[str, str] = {}
    for each in schema:
        kind, inside = each.type, "bytes"
        if pa.types.is_struct(kind) and kind.get_field_index(inside) >= 0 and _is_binary(kind.field(inside).type):
            values = first[each.name].combine_chunks().field(inside) if first.num_rows else []
            found |= {each.name: f"{each.name}.{inside}"} if told.get(each.name, {}).get("_type") == "Image" or _begins(values) else {}
        elif _is_binary(kind) and _begins(first[each.name] if first.num_rows else []):
            found[each.name] = each.name
    return found


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: each for name, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _begins(values: Any) -> bool:
    """Whether the first of some bytes begins as pictures do."""
    held = next((each.as_py() for each in values if each.is_valid), b"")
    return held.startswith(MAGIC) or held[8:12] == b"WEBP" or held[4:12] in (b"ftypavif", b"ftypavis")


def head_of(file: Path) -> tuple[pa.Schema, pa.Table]:
    """The schema of a Parquet or Arrow file, and its first row. Raises OSError or ArrowException."""
    if file.suffix.lower() in (".parquet", ".pq"):
        opened = pq.ParquetFile(file)
        first = next(opened.iter_batches(batch_size=1), None)
        return opened.schema_arrow, pa.Table.from_batches([first] if first is not None else [], opened.schema_arrow)
    status = os.stat(file)
    table = open_arrow(str(file), status.st_size, status.st_mtime_ns)
    return table.schema, table.slice(0, 1)


def _given(files: Sequence[Path], name: str) -> tuple[pa.Table, str]:
    try:
        pieces = [_without_bytes(each) for each in files]
        return pa.concat_tables(pieces, promote_options="default"), name
    except (pa.ArrowException, OSError) as error:
        what = f"'{name}' cannot be read, or its files have not the same columns"
        raise DataError(what, where=WHERE, why=str(error), fix="name files of one kind that are whole") from error


def _without_bytes(file: Path) -> pa.Table:
    """The rows of a file, with a reference in place of the bytes of each picture."""
    schema, first = head_of(file)
    columns = picture_columns(schema, first)
    if not columns:
        fix = "name files with a column of bytes, or of structs of bytes and path"
        raise DataError(f"'{file.name}' has no column of pictures", where=WHERE, why=f"its columns are {list_names(schema.names)}", fix=fix)
    others = [name for name in schema.names if name not in columns]
    if file.suffix.lower() in (".parquet", ".pq"):
        opened = pq.ParquetFile(file)
        count, table = opened.metadata.num_rows, opened.read(columns=others)
    else:
        status = os.stat(file)
        whole = open_arrow(str(file), status.st_size, status.st_mtime_ns)
        count, table = whole.num_rows, whole.select(others)
    numbers = pa.array(np.arange(count)).cast(pa.string())
    made = {name: pc.binary_join_element_wise(f"{file}#row=", numbers, f"&column={name}", "") for name in columns}
    table = pa.table(
        {name: made[name] if name in made else _with_classes(table[name], _features(schema).get(name, {})) for name in schema.names}
    )
    return table.replace_schema_metadata({"pictures": json.dumps(list(columns))})


def _with_classes(values: pa.ChunkedArray, feature: Mapping[str, Any]) -> pa.ChunkedArray:
    """Numbers of classes as their names, where the metadata of Hugging Face say these; -1 is no class."""
    names = feature.get("names")
    if feature.get("_type") != "ClassLabel" or not names:
        return values
    codes = pc.if_else(pc.less(values, 0), None, values)
    return pa.chunked_array([pa.array(names, pa.string()).take(each) for each in codes.chunks], pa.string())


def _describe(source: TableSource, files: Sequence[Path], splits: Sequence[str], rows: np.ndarray | None = None) -> None:
    """What the source says of its columns and splits."""
    pictures = [name for name in source.schema.names if _is_reference(source, name)]
    source.files = list(files)
    source.declared_columns = {name: {"type": "image"} for name in pictures}
    source.default_targets = [name for name in LABELS if name in source.schema.names][:1]
    if len(set(splits)) > 1 and "train" in splits and "split" not in source.schema.names and rows is None:
        first = source.table[pictures[0]]
        names = pa.array(splits, pa.string())
        by_file = {str(file): number for number, file in enumerate(files)}
        numbers = [by_file[each.rpartition("#row=")[0]] for each in first.to_pylist()]
        source.table = source.table.append_column("split", names.take(pa.array(numbers)))
        source.declared_columns["split"], source.declared_split = UNTOLD, given_split(source.table["split"].combine_chunks())


def _is_reference(source: TableSource, name: str) -> bool:
    column = source.table[name]
    return bool(len(column)) and pa.types.is_string(column.type) and "#row=" in (column[0].as_py() or "")


def keep_table(table: pa.Table) -> Path:
    """A table in memory as an Arrow file in the cache, written once: pictures are then read where they lie."""
    digest = hashlib.blake2b(digest_size=16)
    for column in table.columns:
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                digest.update(b"-" if buffer is None else buffer)
            digest.update(f"{chunk.offset}+{len(chunk)}".encode())
    digest.update(str(table.schema).encode())
    path = cache_folder() / "data" / f"{digest.hexdigest()}.arrow"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as place, pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, table.schema) as written:
            written.write_table(table)
    return path
