"""Recordings decoded and resampled once: a table and its recordings as one pack of arrays, or as a folder of WFDB records."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainwright._version import __version__
from trainwright.config.errors import DataError, RequestError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.data.sources.opening import open_source, options_of
from trainwright.domains.signals.reading import Facts, Reference, Unreadable, probe, read
from trainwright.domains.signals.reading.rates import MOST_RATIO, REACH, resampled_window
from trainwright.domains.signals.reading.reference import split_reference
from trainwright.domains.signals.reading.sound import is_sound
from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.sources.options import RecordsOptions
from trainwright.features.floats import is_text
from trainwright.features.places import Folders
from trainwright.files.outputs import ensure_output, write_output, write_output_folder
from trainwright.files.packed import FORMAT, write_pack

TABLE = "recordings.parquet"
LOOKED_AT = 5
"""Values of a column that are looked at to see whether one names a recording."""
LONGEST = 32767
SHOWN = 8
"""Recordings that are named of those that cannot be read."""
SKIP = "--unreadable skip leaves such rows out, and lists them"
Dtype = Literal["float32", "int16"]


@dataclass(frozen=True)
class Asked:
    """How recordings are written."""

    rate: float | None = None
    """Samples a second; None: each as it is."""
    seconds: float | None = None
    """From the beginning; None: whole."""
    column: str | None = None
    dtype: Dtype = "float32"
    skips: bool = False
    """Whether rows whose recording cannot be read are left out."""


@dataclass
class PackedRecordings:
    """What was written."""

    path: Path
    column: str
    count: int = 0
    resampled: int = 0
    cut: int = 0
    bytes: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    """Reference → why it cannot be read."""
    columns: dict[str, Any] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """One row's recording as it is written."""

    reference: Reference
    facts: Facts
    values: np.ndarray
    rate: float


class _Table:
    """The rows of a source, and the recordings that one of its columns names."""

    def __init__(self, data: str, asked: Asked) -> None:
        self.asked, self.root = asked, Path(data).expanduser().absolute()
        self.source: Any = open_source(self._options(data), 4 << 30)
        self.folders = Folders(self.source)
        self.column = asked.column or self._find_column(data)
        if self.column not in self.source.schema.names:
            fix = did_you_mean(self.column, self.source.schema.names)
            raise RequestError(f"the data have no column '{self.column}'", where="--column", fix=fix)
        self.kept = list[int]()
        self.made = PackedRecordings(Path(), self.column, skipped=dict(getattr(self.source, "left_out", {})))
        if self.made.skipped and not asked.skips:
            raise DataError(
                f"{len(self.made.skipped):,} recordings cannot be read", why=listed(self.made.skipped), where=f"DATA {data}", fix=SKIP
            )
        declared = {name: _without_policy(each) for name, each in getattr(self.source, "declared_columns", {}).items()}
        first = next((each for each in self._texts(self.column) if each), "")
        kind = "audio" if is_sound(first.partition("#")[0]) else "signal"
        self.made.columns = {**declared, self.column: declared.get(self.column, {"type": kind})}
        self.made.targets = list(getattr(self.source, "default_targets", []))

    def _options(self, data: str) -> PartConfig:
        """How the data are read: a source that looks at its recordings leaves out and lists what it cannot read, and does not stop."""
        options = options_of(data)
        return options.model_copy(update={"unreadable": "skip"}) if isinstance(options, RecordsOptions) else options

    def _texts(self, name: str, count: int | None = None) -> list[str | None]:
        rows = None if count is None else np.arange(min(count, len(self.source)))
        found: list[str | None] = self.source.read(rows, [name])[name].cast(pa.string()).to_pylist()
        return found

    def _find_column(self, data: str) -> str:
        declared = getattr(self.source, "declared_columns", {})
        named = [name for name, options in declared.items() if options.get("type") in ("signal", "audio")]
        texts = [each.name for each in self.source.schema if is_text(each.type)]
        found = named or [name for name in texts if self._names_recordings(name)]
        if len(found) == 1:
            return found[0]
        what = f"several columns of '{data}' name recordings: {', '.join(found)}" if found else f"no column of '{data}' names recordings"
        raise DataError(what, where="command line: DATA", fix="--column NAME says which")

    def _names_recordings(self, name: str) -> bool:
        return any(_is_recording(self.folders.path(row, each)) for row, each in enumerate(self._texts(name, LOOKED_AT)) if each)

    def recordings(self) -> Iterator[Recording]:
        """Each that can be read, in the order of the rows. Raises DataError for one that cannot, unless such rows are left out."""
        for row, text in enumerate(self._texts(self.column)):
            try:
                if not text:
                    raise Unreadable("there is no reference")
                found = _read(self.folders.path(row, text), self.asked, self.made)
            except Unreadable as error:
                if not self.asked.skips:
                    why = f"row {row + 1}, '{self._name(text)}': {error}"
                    raise DataError("a recording cannot be read", why=why, fix=SKIP) from error
                self.made.skipped[self._name(text) or f"row {row + 1}"] = str(error)
                continue
            self.kept.append(row)
            self.made.count += 1
            yield found
        if not self.kept:
            raise DataError("no recording can be read", why=listed(self.made.skipped))

    def _name(self, reference: str | None) -> str:
        """A reference as a person knows it: below the data that were named."""
        return (reference or "").removeprefix(f"{self.root}{os.sep}")

    def written(self, references: list[str]) -> bytes:
        """The table of those rows, with other references, as a Parquet file."""
        table = self.source.read(np.array(self.kept))
        place = table.column_names.index(self.column)
        made = io.BytesIO()
        pq.write_table(table.set_column(place, self.column, pa.array(references, pa.string())), made)
        return made.getvalue()


def listed(skipped: Mapping[str, str]) -> str:
    """The first of those that cannot be read, each with its reason."""
    shown = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:SHOWN])
    return f"{shown}; …" if len(skipped) > SHOWN else shown


def _without_policy(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a column as the pack says them: what it has could be read."""
    return {name: value for name, value in options.items() if name != "unreadable"}


def _is_recording(place: str) -> bool:
    try:
        return probe(place).length > 0
    except (Unreadable, DataError):
        return False


def _read(place: str, asked: Asked, made: PackedRecordings) -> Recording:
    facts = probe(place)
    if facts.rate is None:
        raise Unreadable("it does not say how many samples there are a second; `#rate=500` at its end says it")
    rate = asked.rate or facts.rate
    ratio = Fraction(rate).limit_denominator(MOST_RATIO) / Fraction(facts.rate).limit_denominator(MOST_RATIO)
    length = math.ceil(facts.length * ratio)
    stop = min(length, round(asked.seconds * rate)) if asked.seconds else length
    up, down = ratio.numerator, ratio.denominator
    values = read(place, 0, -(-stop * down // up) + REACH * max(up, down) // up + 3).values
    made.resampled, made.cut = made.resampled + (ratio != 1), made.cut + (stop < length)
    if ratio != 1:
        lines = [resampled_window(lambda a, b, line=line: line[a:b], len(line), 0, stop, up, down) for line in values]  # type: ignore[misc]
        values = np.stack(lines)
    return Recording(split_reference(place), facts, values[:, :stop], rate)


def pack_recordings(
    data: str | os.PathLike[str], output: str | os.PathLike[str], asked: Asked, *, overwrite: bool = False
) -> PackedRecordings:
    """Write a table and its recordings, decoded and at one rate, to a pack, which `train` takes as DATA.

    Raises RequestError or DataError, with nothing written.
    """
    path = Path(output)
    _ensure_pack(path, overwrite, str(data))
    table = _Table(str(data), asked)
    references = list[str]()
    said = {"columns": table.made.columns, "split": dict(getattr(table.source, "declared_split", {})), "targets": table.made.targets}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "trainwright": __version__,
        "source": {"type": "parquet", "path": TABLE},
        "tables": [TABLE],
    }
    manifest |= {"said": said}

    def members() -> Iterator[tuple[str, Path | bytes]]:
        for number, each in enumerate(table.recordings()):
            name = f"recordings/{number:06}.npy"
            content, scale = _array(each, asked.dtype)
            yield name, content
            at = each.reference.at
            moved = None if at is None else round(at * each.rate / (each.facts.rate or each.rate))
            references.append(
                str(Reference(name, at=moved, layout="channels,time", rate=each.rate, names=each.facts.channels, scale=scale))
            )
        manifest.update(rows=len(references), files={table.column: len(references)})
        yield TABLE, table.written(references)

    with write_output(path) as place:
        write_pack(place, manifest, members())
    table.made.path, table.made.bytes = path, path.stat().st_size
    return table.made


def _ensure_pack(path: Path, overwrite: bool, data: str) -> None:
    if path.suffix != ".pack":
        why, fix = "by that it is known for one", f"-o {path.with_suffix('.pack')}"
        raise RequestError(f"'{path}' does not end with .pack", where="-o", why=why, fix=fix)
    if path.exists() and not overwrite:
        raise RequestError("this is there already", where=f"-o {path}", fix="--overwrite replaces it, or name another")
    ensure_output(path, [data])


def _array(recording: Recording, dtype: Dtype) -> tuple[bytes, float | None]:
    """An `.npy` file of its values, and what its numbers are multiplied with."""
    values, scale = recording.values, None
    if dtype == "int16":
        if not np.isfinite(values).all():
            raise DataError(
                f"'{recording.reference.path}' has values that are no numbers", why="whole numbers have none", fix="--dtype float32"
            )
        scale = float(np.abs(values).max()) / LONGEST or 1.0
        values = np.round(values / scale)
    made = io.BytesIO()
    np.save(made, np.ascontiguousarray(values, dtype))
    return made.getvalue(), scale


def pack_wfdb(data: str | os.PathLike[str], output: str | os.PathLike[str], asked: Asked) -> PackedRecordings:
    """Write a table and its recordings to a folder of WFDB records of format 16, with the table `recordings.parquet` beside them.

    Raises RequestError or DataError, with nothing written.
    """
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(
            "something is there already", where=f"-o {folder}", why="records are written to a folder of their own", fix="name another"
        )
    table = _Table(str(data), asked)
    names = dict[str, int]()
    with write_output_folder(folder) as place:
        references = []
        for each in table.recordings():
            name = _record_name(each.reference, names)
            units = each.facts.units or [""] * len(each.facts.channels)
            write_record(place, name, each.values, each.rate, each.facts.channels, units=units, comments=each.facts.comments)
            references.append(name)
        (place / TABLE).write_bytes(table.written(references))
    table.made.path = folder
    table.made.bytes = sum(each.stat().st_size for each in folder.iterdir())
    return table.made


def _record_name(reference: Reference, names: dict[str, int]) -> str:
    """A name that WFDB takes, of the file's and of what its fragment names, a second one with `_2`."""
    stem = Path(reference.path).name if Path(reference.path).suffix == "" else Path(reference.path).stem
    parts = [stem, *(str(each) for each in (reference.key, reference.row) if each is not None)]
    name = re.sub(r"[^-a-zA-Z0-9_]+", "_", "_".join(parts)).strip("_") or "record"
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name}_{names[name]}"
