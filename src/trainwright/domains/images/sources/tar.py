"""Tar shards as WebDataset writes them: members of one stem are a row. Each is indexed once, and pictures are read where they lie."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainwright.config.errors import DataError
from trainwright.data.files import expand_braces, found_files, is_glob
from trainwright.data.source import TableSource
from trainwright.domains.images.sources.endings import PICTURES, is_litter
from trainwright.domains.images.sources.folder_table import READ_WHOLE, UNTOLD
from trainwright.domains.images.sources.options import TarOptions
from trainwright.domains.images.sources.walking import list_names
from trainwright.files.download import cache_folder
from trainwright.files.whole import whole_file
from trainwright.report.figures import plural

WHERE = "data.source"
KEPT_TEXT = 1 << 16
"""Bytes of a text member up to which it is kept with the index."""
TEXTS = (".cls", ".json", ".txt", ".text", ".caption", ".id", ".index")
INDEX = pa.schema([("key", pa.string()), ("ending", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("text", pa.string())])
FORMAT = 1


class TarShards(TableSource):
    """A row for each stem of the members of shards: `key`, `image`, and of members `.cls`, `.json`, `.txt` `label`, fields and `txt`."""

    def __init__(self, options: TarOptions, memory_limit: int) -> None:
        shards = find_shards(options.path)
        rows: list[dict[str, Any]] = []
        unread: Counter[str] = Counter()
        for shard in shards:
            rows += _rows_of(shard, index_of(shard), unread)
        pictures = list(dict.fromkeys(name for row in rows for name in row["pictures"]))
        if not pictures:
            why = (
                f"there are members that end in {', '.join(name for name, _ in unread.most_common(8))}"
                if unread
                else "they have no members"
            )
            raise DataError(f"no picture in '{options.path}'", where=WHERE, why=why, fix=f"names of pictures end in {' '.join(PICTURES)}")
        names = {each: "image" if len(pictures) == 1 else each.rpartition(".")[0].strip(".") or "image" for each in pictures}
        columns: dict[str, Any] = {"key": pa.array([row["key"] for row in rows], pa.string())}
        columns |= {name: pa.array([row["pictures"].get(each) for row in rows], pa.string()) for each, name in names.items()}
        for name in dict.fromkeys(name for row in rows for name in row["values"]):
            columns.setdefault(name, _column([row["values"].get(name) for row in rows]))
        classes = "label" in columns and not pa.types.is_floating(columns["label"].type)
        super().__init__(
            pa.table(columns),
            options.path,
            default_targets=["label"] if "label" in columns else [],
            files=shards,
            columns={
                "key": UNTOLD,
                **{name: {"type": "image"} for name in names.values()},
                **({"label": {"type": "category"}} if classes else {}),
            },
            named_by=["key"],
        )
        self.notes = [f"{plural(len(shards), 'shard')} with {plural(len(rows), 'row')}, by the stems of their members"]
        if unread:
            listed = ", ".join(f"{count:,} {ending}" for ending, count in unread.most_common(6))
            self.notes.append(f"members that are neither pictures nor text are not read: {listed}")
        lacking = sum(not row["pictures"] for row in rows)
        self.notes += [f"{plural(lacking, 'row has', 'rows have')} no picture"] if lacking else []

    def fingerprint(self) -> dict[str, Any]:
        """That of the shards; of more than a gibibyte of the names, places and sizes of their members, which it says."""
        size = sum(each.stat().st_size for each in self.files)
        if size <= READ_WHOLE:
            return super().fingerprint()
        digest = hashlib.sha256()
        for each in self.files:
            table = index_of(each)
            digest.update(json.dumps([each.name, table.select(["key", "ending", "offset", "size"]).to_pydict()]).encode())
        said = {"paths": [str(each) for each in self.files], "bytes": size, "sha256": digest.hexdigest(), "sha256_of": "members and sizes"}
        return {**said, "rows": len(self)}


def find_shards(given: str) -> list[Path]:
    """The shards that a path, a pattern, braces (`{000..146}`) or a folder name, in order. Raises DataError for one that is not there."""
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.name.endswith(".tar") and not is_litter(each.name))
        if not found:
            raise DataError(f"no .tar file in '{given}'", where=WHERE, fix="name a folder of shards, or the shards: 'train-{000..146}.tar'")
        return [each.absolute() for each in found]
    if is_glob(given):
        return [each.absolute() for each in found_files(given)]
    named = [Path(each).expanduser().absolute() for each in expand_braces(given)]
    absent = [each.name for each in named if not each.is_file()]
    if absent:
        why = f"{len(absent):,} of {len(named):,} are not there"
        raise DataError(f"there is no shard {list_names(absent)}", where=WHERE, why=why, fix="name those that are")
    return named


def index_of(shard: Path) -> pa.Table:
    """Key, ending, offset, size and text of the members of a shard; kept in the cache while the shard is the same. Raises DataError."""
    found = shard.stat()
    told = f"{FORMAT}|{shard}|{found.st_size}|{found.st_mtime_ns}"
    place = cache_folder() / "data" / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.members.parquet"
    if place.is_file():
        with suppress(pa.ArrowInvalid, OSError):
            return pq.read_table(place)
    made = _index(shard, found.st_size)
    with suppress(OSError):  # a disk that is full or may not be written costs time, not the run
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place) as written:
            pq.write_table(made, written)
    return made


def _index(shard: Path, size: int) -> pa.Table:
    members: dict[str, list[Any]] = {name: [] for name in INDEX.names}
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if not member.isreg() or is_litter(os.path.basename(member.name)):
                    continue
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"'{member.name}' goes beyond its end")
                key, ending = split_member_name(member.name)
                text = None
                if ending.endswith(TEXTS) and member.size <= KEPT_TEXT:
                    text = os.pread(file.fileno(), member.size, member.offset_data).decode("utf-8", "replace")
                for name, value in zip(INDEX.names, (key, ending, member.offset_data, member.size, text), strict=True):
                    members[name].append(value)
                archive.members = []  # type: ignore[attr-defined]  # of a million members the index alone is held
    except (tarfile.TarError, OSError, EOFError) as error:
        why = str(error) or type(error).__name__
        raise DataError(f"'{shard.name}' cannot be read as a tar file", where=WHERE, why=why, fix="fetch it again") from error
    return pa.table(members, schema=INDEX)


def split_member_name(name: str) -> tuple[str, str]:
    """The key and the ending of a member, as WebDataset has them: up to the first dot of its last part, and the rest in small letters."""
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{ending}".lower()


def _rows_of(shard: Path, index: pa.Table, unread: Counter[str]) -> list[dict[str, Any]]:
    """The rows of a shard: key, pictures by ending, and values by column. Raises DataError for a member that is there twice."""
    rows: dict[str, dict[str, Any]] = {}
    for key, ending, offset, size, text in zip(*(index[name].to_pylist() for name in INDEX.names), strict=True):
        row = rows.setdefault(key, {"key": key, "pictures": {}, "values": {}})
        if ending.endswith(PICTURES):
            if ending in row["pictures"]:
                what = f"'{shard.name}' has the member '{key}{ending}' twice"
                raise DataError(what, where=WHERE, fix="write it again: members of one stem are one row")
            row["pictures"][ending] = f"{shard}#bytes={offset}+{size}"
        elif text is not None:
            row["values"] |= _values(shard, key, ending, text)
        else:
            unread[ending or "without an ending"] += 1
    return list(rows.values())


def _values(shard: Path, key: str, ending: str, text: str) -> dict[str, Any]:
    """What a member of text says, by column. Raises DataError for JSON that is none."""
    if ending.endswith(".json"):
        try:
            found = json.loads(text)
        except ValueError as error:
            what = f"'{key}{ending}' in '{shard.name}' is no JSON"
            raise DataError(what, where=WHERE, why=str(error), fix="write the shard again") from error
        return {name: each for name, each in found.items() if not isinstance(each, dict)} if isinstance(found, dict) else {"json": found}
    if ending.endswith(".cls"):
        return {"label": text.strip()}
    return {ending.rpartition(".")[2]: text.strip()}


def _column(values: Sequence[Any]) -> pa.Array:
    """Values as Arrow types them, numbers that are written as text as numbers; mixed ones as text."""
    try:
        made = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if each is None else each if isinstance(each, str) else json.dumps(each) for each in values], pa.string())
    if pa.types.is_string(made.type) and pc.all(pc.match_substring_regex(made, r"^-?\d{1,18}$")).as_py():
        return made.cast(pa.int64())
    return made
