"""Opening a pack: its table as it was read before it was packed, the files that it names where they lie in the pack."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from trainwright.config.errors import DataError
from trainwright.config.registry import options_class
from trainwright.data.source import Source
from trainwright.data.sources import PackOptions
from trainwright.files.download import cache_folder
from trainwright.files.packed import Broken, Pack, open_pack
from trainwright.files.whole import sweep, whole_folder

WHERE = "data.source"


class Packed:
    """Where the files of a packed table lie: those below the folder to which its table was taken out, in the pack."""

    def __init__(self, pack: Path, folder: Path) -> None:
        self.pack, self.folder = pack, folder

    def place(self, folder: Path) -> Path:
        """The folder that stands in the pack for one of the table."""
        return Path(f"{self.pack}!") / folder.relative_to(self.folder)


def open_packed(options: PackOptions, memory_limit: int) -> Source:
    """The source that was packed. Raises DataError for what is no pack, or is damaged."""
    from trainwright.data.sources.opening import build_source

    path = Path(options.path).expanduser().absolute()
    try:
        pack = open_pack(str(path))
        folder = take_out(pack)
    except Broken as error:
        raise DataError(
            f"'{options.path}' cannot be read", where=WHERE, why=str(error), fix="pack the data again: trainwright pack"
        ) from error
    given: dict[str, Any] = dict(pack.manifest["source"])
    inner = options_class("source", given["type"]).model_validate({**given, "path": str(folder / given["path"])})
    source: Any = build_source(inner, memory_limit)
    source.packed = Packed(path, folder)
    said = pack.manifest.get("said", {})
    source.declared_columns, source.declared_split = said.get("columns", {}), said.get("split", {})
    source.named_by = said.get("named_by", [])
    source.default_targets = [*source.default_targets, *said.get("targets", [])]
    found: Source = source
    return found


def take_out(pack: Pack) -> Path:
    """The folder in the cache with the table of a pack, as it lay beside the files. Raises Broken."""
    tables = {str(name): bytes(pack.read(str(name))) for name in pack.manifest["tables"]}
    made = hashlib.sha256()
    for name, held in tables.items():
        made.update(f"{name}\0{len(held)}\0".encode())
        made.update(held)
    folder = cache_folder() / "data" / f"{made.hexdigest()[:32]}.packed"
    if folder.is_dir():
        return folder
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in tables):
        raise Broken("it names files outside of itself")
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    try:
        with whole_folder(folder) as place:
            for name, held in tables.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(held)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    return folder
