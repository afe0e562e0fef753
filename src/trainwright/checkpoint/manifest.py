"""The manifest of a checkpoint: what it is, and every file with its bytes and sha256, itself under a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from trainwright.checkpoint.names import rank_of
from trainwright.config.errors import RunError
from trainwright.config.received import ensure_right, read_text
from trainwright.files.download import sha256_of

FORMAT = 4
"""2 has `kept`, 3 `name`, 4 what made it where that was several processes; one that has none of them is written as 1, which older programs
read."""
ADDED = {"kept": 2, "name": 3, "strategy": 4, "ranks": 4}
"""Field → the first format that has it."""
Kind = Literal["full", "weights"]
"""`full` can be continued, `weights` only loaded."""
MANIFEST = "manifest.json"
PREFIX: dict[Kind, str] = {"full": "step", "weights": "weights"}
"""Kind → the first part of the directory's name."""

STRICT = ConfigDict(strict=True, extra="forbid")


class Damaged(Exception):
    """A checkpoint is not what was written; the text says how."""


FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=200)]
"""Never a path: nothing outside the checkpoint's own folder can be named."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a checkpoint."""

    __pydantic_config__ = STRICT

    name: FileName
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint directory holds."""

    __pydantic_config__ = STRICT

    kind: Kind
    step: Annotated[int, Field(ge=0)]
    best: list[int] = field(default_factory=list)
    """Steps of the best weights so far when this was written, best first: they are kept as long as this is."""
    value: float | None = None
    """The monitored metric at this step, when it was evaluated."""
    files: list[FileEntry] = field(default_factory=list)
    kept: bool = False
    """Whether it stays for good, whatever comes after it."""
    name: Annotated[str, Field(pattern=r"^[^/\\\x00]*$")] = ""
    """The second name that leads to it, in the same folder; empty for none."""
    strategy: Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=40)] = ""
    """How the processes that wrote it shared the work; empty for one process."""
    ranks: Annotated[int, Field(ge=0)] = 0
    """How many processes that were; 0 for one."""

    @property
    def made_by(self) -> str:
        """Who wrote it, in words: `fsdp × 4`, `one process`."""
        return f"{self.strategy} × {self.ranks}" if self.ranks > 1 else "one process"

    @property
    def folder(self) -> str:
        """The name of the checkpoint's directory."""
        return f"{PREFIX[self.kind]}-{self.step:08d}"

    def text(self) -> str:
        """The manifest as JSON."""
        body = {"format": max((number for name, number in ADDED.items() if getattr(self, name)), default=1), **asdict(self)}
        for name in ADDED:
            if not body[name]:
                del body[name]
        return json.dumps({**body, "digest": digest(body)}, indent=1) + "\n"


def digest(body: dict[str, Any]) -> str:
    """sha256 of the canonical JSON of a manifest without its digest."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a checkpoint directory. Raises Damaged when it is not whole, RunError when its format is newer than this program."""
    try:
        text = read_text(folder / MANIFEST)
        body = json.loads(text)
    except FileNotFoundError:
        raise Damaged(f"{MANIFEST} is missing") from None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise Damaged(f"{MANIFEST} is no JSON object")
    stated = body.pop("digest", None)
    if stated != digest(body):
        raise Damaged(f"{MANIFEST} does not match its digest")
    written = body.pop("format", None)
    if isinstance(written, int) and written > FORMAT:
        why = f"it has format {written}; this program reads up to {FORMAT}"
        raise RunError("this checkpoint is from a newer Trainwright", where=str(folder), why=why, fix="pip install -U trainwright")
    try:
        manifest = _fields().validate_json(json.dumps(body))
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if manifest.text() != text:
        raise Damaged(f"{MANIFEST} is not as it was written")
    if manifest.folder != folder.name:
        raise Damaged(f"{MANIFEST} is that of {manifest.folder}")
    return manifest


@cache
def _fields() -> TypeAdapter[Manifest]:
    """What a manifest must hold. A digest says that nothing was damaged on the way, not who wrote it: each field is checked."""
    return TypeAdapter(Manifest)


def verify(folder: Path) -> Manifest:
    """The manifest, once every file of it was found whole. Raises Damaged naming the first file that is not, RunError without the right."""
    manifest = read_manifest(folder)
    verify_files(folder, manifest.files)
    return manifest


def verify_files(folder: Path, files: Sequence[FileEntry]) -> None:
    """Raise Damaged naming the first of these files of a checkpoint that is not as it was written, RunError without the right to read."""
    for entry in files:
        path = folder / entry.name
        try:
            size = path.lstat().st_size
            if size != entry.bytes:
                raise Damaged(f"{_owner(entry.name)}{entry.name} has {size} bytes instead of {entry.bytes}")
            if sha256_of(path) != entry.sha256:
                raise Damaged(f"{_owner(entry.name)}{entry.name} does not match its sha256")
        except FileNotFoundError:
            raise Damaged(f"{_owner(entry.name)}{entry.name} is missing") from None
        except OSError as error:
            ensure_right(error, path)
            raise Damaged(f"{entry.name} cannot be read: {error}") from error


def _owner(file: str) -> str:
    rank = rank_of(file)
    return "" if rank is None else f"rank {rank}'s file "
