"""Pictures made smaller once, with the table that names them, as one file that is mapped and read where it lies."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainwright._version import __version__
from trainwright.config.errors import DataError, RequestError
from trainwright.data.claims import type_of_files
from trainwright.data.source import notes_on_new_rows
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.images.reading.libraries import pillow
from trainwright.domains.images.reading.reference import read_bytes
from trainwright.domains.images.reading.suspects import say_what_it_is
from trainwright.features.floats import is_text
from trainwright.features.npy import Unreadable
from trainwright.features.places import Folders
from trainwright.files.outputs import ensure_output, write_output
from trainwright.files.packed import FORMAT, write_pack

TABLE = "pictures.parquet"
SHOWN = 8
AHEAD = 256
"""Pictures that are made before the first of them is written."""
RESIZED = ("L", "RGB", "RGBA", "LA", "1", "P")
"""Modes of pictures that are made smaller; others are taken as they are."""
ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "PPM": ".ppm"}
SKIP = "--unreadable skip leaves such rows out, and lists them"


@dataclass(frozen=True)
class AskedPictures:
    """How pictures are written."""

    size: int | None = None
    """The short side, in pixels, of those that are larger; None: each file as it is."""
    format: Literal["jpeg", "raw"] = "jpeg"
    """Of pictures that are made smaller: JPEG, or pixels as they are, which takes more room and no time to decode."""
    quality: int = 95
    skips: bool = False
    """Whether rows whose picture cannot be read are left out."""


@dataclass
class PackedPictures:
    """What was written."""

    path: Path
    columns: dict[str, int] = field(default_factory=dict)
    """Column → how many pictures."""
    smaller: int = 0
    """Pictures that were made smaller."""
    left: Counter[str] = field(default_factory=Counter)
    """Kind of picture that was taken as it is though it is larger → how many."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Reference → why it cannot be read."""
    bytes: int = 0
    targets: list[str] = field(default_factory=list)


def pack_pictures(
    data: str | os.PathLike[str], output: str | os.PathLike[str], asked: AskedPictures, *, overwrite: bool = False
) -> PackedPictures:
    """Write the pictures of a folder or table to a pack, which `train` takes as DATA. Raises RequestError or DataError, writing nothing."""
    path = Path(output)
    if path.suffix != ".pack":
        why, fix = "by that it is known for one", f"-o {path.with_suffix('.pack')}"
        raise RequestError(f"'{path}' does not end with .pack", where="-o", why=why, fix=fix)
    if path.exists() and not overwrite:
        raise RequestError("this is there already", where=f"-o {path}", fix="--overwrite replaces it, or name another")
    ensure_output(path, [str(data)])
    source: Any = open_source(options_of(str(data)), 4 << 30)
    if (refusal := getattr(source, "refusal", None)) and source.default_targets:
        raise refusal
    columns = picture_columns(source, str(data))
    made = PackedPictures(path, targets=list(source.default_targets))
    said: dict[str, Any] = {
        "columns": {**dict(getattr(source, "declared_columns", {})), **{name: {"type": kind} for name, kind in columns.items()}}
    }
    said |= {
        "split": dict(getattr(source, "declared_split", {})),
        "targets": made.targets,
        "named_by": list(getattr(source, "named_by", [])),
    }
    said["notes"] = notes_on_new_rows(source)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "trainwright": __version__,
        "source": {"type": "parquet", "path": TABLE},
        "tables": [TABLE],
    }
    with write_output(path) as place:
        write_pack(place, manifest | {"said": said}, _members(source, columns, asked, made))
    made.bytes = path.stat().st_size
    return made


def picture_columns(source: Any, data: str) -> dict[str, str]:
    """The columns of pictures, and of masks, with their types. Raises DataError where there is none."""
    declared = {name: each.get("type") for name, each in getattr(source, "declared_columns", {}).items()}
    found = {name: str(kind) for name, kind in declared.items() if kind in ("image", "mask")}
    for each in source.schema if not found else ():
        if is_text(each.type):
            values = [value for value in source.read(np.arange(min(100, len(source))), [each.name])[each.name].to_pylist() if value]
            inferred = type_of_files(each.name, values)
            found |= {each.name: inferred[0]} if inferred and inferred[0] in ("image", "mask") else {}
    if not found:
        raise DataError(
            f"no column of '{data}' names pictures", where="command line: DATA", fix="name a folder of pictures, or a table of paths"
        )
    return found


def _members(source: Any, columns: dict[str, str], asked: AskedPictures, made: PackedPictures) -> Iterator[tuple[str, bytes]]:
    """The files of the pack one by one, and at last the table that names them. Raises DataError for a picture that cannot be read."""
    folders, kept = Folders(source), list[int]()
    references: dict[str, list[str | None]] = {name: [] for name in columns}
    texts = {name: source.read(columns=[name])[name] for name in columns}
    with ThreadPoolExecutor() as pool:
        tasks = ((row, {name: each[row].as_py() for name, each in texts.items()}) for row in range(len(source)))
        while piece := list(islice(tasks, AHEAD)):
            for (row, written), done in zip(
                piece, pool.map(lambda task: _row(folders, task[0], task[1], columns, asked), piece), strict=True
            ):
                if isinstance(done, str):
                    named = next((each for each in written.values() if each), "")
                    if not asked.skips:
                        raise DataError(f"the picture '{named}' cannot be read", where=source.place(row), why=done, fix=SKIP)
                    made.skipped[named] = done
                    continue
                kept.append(row)
                for name, found in done.items():
                    references[name].append(None if found is None else f"{name}/{row:07}{found[0]}")
                    if found is not None:
                        made.columns[name] = made.columns.get(name, 0) + 1
                        made.smaller += found[2] == "smaller"
                        made.left.update([found[2]] if found[2] not in ("smaller", "") else [])
                        yield f"{name}/{row:07}{found[0]}", found[1]
    if not kept:
        raise DataError("no picture can be read", why="; ".join(f"{name}: {why}" for name, why in list(made.skipped.items())[:SHOWN]))
    table = source.read(np.array(kept))
    for name, values in references.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.string()))
    held = io.BytesIO()
    pq.write_table(table, held)
    yield TABLE, held.getvalue()


def _row(
    folders: Folders, row: int, written: dict[str, str | None], columns: dict[str, str], asked: AskedPictures
) -> dict[str, tuple[str, bytes, str] | None] | str:
    """What is written of the pictures of a row: ending, content and what was done; or why one cannot be read."""
    done: dict[str, tuple[str, bytes, str] | None] = {}
    for name, text in written.items():
        content: bytes | np.ndarray = b""
        try:
            if text is not None:
                content = read_bytes(folders.path(row, text))
            done[name] = None if text is None else convert(content, text, columns[name] == "mask", asked)
        except Unreadable as error:
            return str(error)
        except (OSError, ValueError, SyntaxError, EOFError):  # what Pillow raises for files that are damaged
            return say_what_it_is(content) if isinstance(content, bytes) else "its numbers are no pixels"
    return done


def convert(content: bytes | np.ndarray, name: str, mask: bool, asked: AskedPictures) -> tuple[str, bytes, str]:
    """Ending and content of a picture as it is written, and what was done: `smaller`, a kind that is left as it is, or nothing.

    Raises Unreadable, or what Pillow raises.
    """
    from PIL import ImageOps

    image = pillow()
    ending = os.path.splitext(name.partition("#")[0])[1].lower()
    if isinstance(content, np.ndarray):
        picture = image.fromarray(content)
        ending = ".png"
        content = _encoded(picture, "PNG", asked)
    else:
        picture = image.open(io.BytesIO(content))
        ending = ending if "#" not in name and ending else f".{(picture.format or 'png').lower()}"
        picture.load()  # what is cut off is found here, not in training
    if asked.size is None or min(picture.size) <= asked.size:
        return ending, content, ""
    if picture.mode not in RESIZED or getattr(picture, "n_frames", 1) > 1:
        return ending, content, "of several frames" if getattr(picture, "n_frames", 1) > 1 else f"of mode {picture.mode}"
    upright = ImageOps.exif_transpose(picture)
    short = min(upright.size)
    width, height = (max(int(side * asked.size / short), asked.size) for side in upright.size)
    if mask:
        return ".png", _encoded(upright.resize((width, height), image.Resampling.NEAREST), "PNG", asked), "smaller"
    if upright.mode in ("P", "1"):
        upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB" if upright.mode == "P" else "L")
    smaller = upright.resize((width, height), image.Resampling.BICUBIC, reducing_gap=3.0)
    form = "PNG" if smaller.mode in ("RGBA", "LA") else "PPM" if asked.format == "raw" else "JPEG"
    return ENDINGS[form], _encoded(smaller, form, asked), "smaller"


def _encoded(picture: Any, form: str, asked: AskedPictures) -> bytes:
    held = io.BytesIO()
    picture.save(held, form, **({"quality": asked.quality, "subsampling": 0} if form == "JPEG" else {}))
    return held.getvalue()
