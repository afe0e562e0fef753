"""What the members of a run tell each other: one file of each, which it alone writes, with a count that shows the others that it lives.

Files in a folder beside the run are seen by all members, since the run itself is, and outlive any of them. A file is rewritten in place, so
that a network's file system shows its content whenever it is opened; a checksum tells what was torn. No time of day is in any decision.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError

NAME = re.compile(r"member-(\d{4,})")
EVER = re.compile(r"(?:member|facts)-(\d{4,})(?:\.json)?")
"""What is left of every number that was ever taken."""


@dataclass(frozen=True)
class Round:
    """One start of the ranks of all members, as the member that leads has planned it."""

    number: int
    token: str
    """Another for each plan that is made, whoever made it."""
    members: tuple[int, ...]
    """Their numbers, oldest first: the first of them has rank 0."""
    hosts: tuple[str, ...]
    devices: tuple[int, ...]
    """Ranks of each."""
    machines: tuple[str, ...]
    address: str
    """Where the others reach the first one."""
    port: int
    because: str = ""
    """Why there is another round; empty for the first."""
    restarted: bool = False
    """Whether the same members begin again, since a rank of theirs has failed."""
    restarts: int = 0
    """How many rounds followed a failure of a rank."""
    newest: int = -1
    """The step of the newest checkpoint when the ranks were first started again after a failure."""
    joined: tuple[int, ...] = ()
    """Those that were in no round before."""
    stop: str = ""
    """`leave` once the ranks are to save and leave, `cut` once they are to be ended."""
    stop_because: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Number of a member → what it is told, and ends with."""
    over: Mapping[str, Any] | None = None
    """How all ends: `code`, and the `failure` that is told."""
    revision: int = 0
    """Counts what was added to it."""

    @property
    def order(self) -> tuple[int, int, str]:
        """The newest of several plans is the largest."""
        return self.number, self.revision, self.token

    @property
    def one_machine(self) -> bool:
        """Whether all ranks are on one machine, and may meet in a file without any network."""
        return len(set(self.machines)) == 1

    def name(self, number: int) -> str:
        """A member of this round as a person knows it."""
        return name_member(number, self.hosts[self.members.index(number)])


@dataclass(frozen=True)
class Note:
    """What a member says of itself."""

    number: int
    token: str
    """Another for each process, whatever its number."""
    host: str
    machine: str
    place: str
    """Of which processes see each other's numbers."""
    pid: int
    began: str
    """When the process began, as its system counts: numbers of processes are used again."""
    devices: int
    address: str
    port: int
    state: str = "new"
    """`new` until it has compared what it was given, `waiting` for a round, `running` or `ended` in `round`, or `leaving` after it."""
    round: int = 0
    code: int = 0
    """How its ranks ended in that round."""
    failures: tuple[str, ...] = ()
    plan: Round | None = None
    """The newest plan that it knows: its own, where it leads."""

    def name(self) -> str:
        """As a person knows it."""
        return name_member(self.number, self.host)


def name_member(number: int, host: str) -> str:
    """A member by its number and machine."""
    return f"member {number} ({host})"


class Folder:
    """The folder in which the members of one run meet."""

    def __init__(self, run: Path) -> None:
        self.path = run.parent / f".{run.name}.members"

    def claim(self) -> int:
        """A number of one's own, above all there were. Raises RunError where the folder cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            number = max(self._numbers(EVER), default=0) + 1
            while True:
                try:
                    os.close(os.open(self._file(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                    return number
                except FileExistsError:
                    number += 1
        except OSError as error:
            fix = "put the run into a folder that every member can write: run.dir=/shared/runs/x"
            what = "the members of this run cannot meet"
            raise RunError(what, where=str(self.path), why=f"it cannot be written: {error.strerror}", fix=fix) from error

    def write(self, note: Note, beat: int) -> bool:
        """Say it; False where the file is gone, since the others have taken this member for lost."""
        text = json.dumps([beat, asdict(note)]).encode()
        content = b"%08x\n%s\n" % (zlib.crc32(text), text)
        try:
            number = os.open(self._file(note.number), os.O_WRONLY)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # a disk that stalls is no end
        try:
            os.pwrite(number, content, 0)
            os.ftruncate(number, len(content))
        except OSError:
            pass
        finally:
            os.close(number)
        return True

    def read(self) -> dict[int, tuple[int, Note] | None]:
        """Number → count and note of each; None for one that cannot be read now."""
        return {number: self._read(number) for number in self._numbers()}

    def remove(self, number: int) -> None:
        """Take away what a member says; its facts stay to the end, so that nobody is given its number again."""
        with suppress(OSError):
            self._file(number).unlink()

    def write_facts(self, number: int, facts: Mapping[str, str]) -> None:
        """What the other members compare theirs with."""
        (self.path / f"facts-{number:04d}.json").write_text(json.dumps(facts), encoding="utf-8")

    def read_facts(self, number: int) -> dict[str, str]:
        """Those of another member; none where they cannot be read."""
        try:
            found: dict[str, str] = json.loads((self.path / f"facts-{number:04d}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def meeting(self, plan: Round) -> Path:
        """The file in which the ranks of a round find each other where all are on one machine."""
        return self.path / f"meeting-{plan.number}-{plan.port}"

    def sweep(self) -> None:
        """Remove what is left, and the folder. Not before the end: a process that met in such a file looks for it when it ends."""
        for each in (*self.path.glob("meeting-*"), *self.path.glob("facts-*")):
            with suppress(OSError):
                each.unlink()
        with suppress(OSError):
            self.path.rmdir()

    def _file(self, number: int) -> Path:
        return self.path / f"member-{number:04d}"

    def _numbers(self, pattern: re.Pattern[str] = NAME) -> list[int]:
        with suppress(FileNotFoundError):
            return sorted(int(found[1]) for each in os.listdir(self.path) if (found := pattern.fullmatch(each)))
        return []

    def _read(self, number: int) -> tuple[int, Note] | None:
        try:
            check, _, text = self._file(number).read_bytes().partition(b"\n")
            if int(check, 16) != zlib.crc32(text[:-1]):
                return None
            beat, said = json.loads(text)
            return beat, _note_of(said)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _note_of(said: dict[str, Any]) -> Note:
    plan = said["plan"]
    return Note(**{**said, "failures": tuple(said["failures"]), "plan": None if plan is None else _round_of(plan)})


def _round_of(said: dict[str, Any]) -> Round:
    made: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in said.items()}
    return Round(**made)
