"""What went wrong in which rank: written down by each, so that a person reads the first cause once, whoever started the processes.

The files have the form of torch's elastic launcher, which shows the message of the earliest one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from trainwright.config.errors import Interrupted, ManyErrors, TrainwrightError

FILE = "TORCHELASTIC_ERROR_FILE"
"""The variable by which a launcher says where a process is to write what ended it."""


class RankLost(TrainwrightError):
    """Another process of the run has ended, or did not come in time: what came of a failure, not its cause."""


@dataclass(frozen=True)
class Told:
    """One error as a person reads it."""

    what: str
    where: str = ""
    why: str = ""
    fix: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: TrainwrightError) -> Told:
        """The error's own words."""
        return cls(error.what, error.where, error.why, error.fix, tuple(getattr(error, "__notes__", ())))

    def as_error(self, kind: type[TrainwrightError] = TrainwrightError) -> TrainwrightError:
        """An error with these words."""
        made = kind(self.what, where=self.where, why=self.why, fix=self.fix)
        for each in self.notes:
            made.add_note(each)
        return made


@dataclass(frozen=True)
class Failure:
    """What ended one rank."""

    rank: int
    told: tuple[Told, ...]
    exit_code: int = 1
    moment: float = field(default_factory=time.time)
    """Seconds of the clock, by which the first one is known."""
    consequence: bool = False
    """Whether another rank had left before, and this one could not go on."""
    interrupted: bool = False
    traceback: str = ""

    @classmethod
    def of(cls, rank: int, error: TrainwrightError, traceback: str = "") -> Failure:
        """What an error says."""
        told = tuple(map(Told.of, error.errors if isinstance(error, ManyErrors) else [error]))
        lost = isinstance(error, RankLost)
        return cls(rank, told, error.exit_code, consequence=lost, interrupted=isinstance(error, Interrupted), traceback=traceback)

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """By what failures of the same kind in several ranks are known to be one."""
        return tuple((each.what, each.where) for each in self.told)

    def to_json(self) -> str:
        """As torch's launcher reads it, with all of it beside."""
        first = self.told[0]
        place = f"{first.where}: " if first.where else ""
        message = {
            "message": place + first.what,
            "extraInfo": {"py_callstack": self.traceback or str(first.as_error()), "timestamp": str(int(self.moment))},
        }
        return json.dumps({"message": message, "trainwright": asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Failure | None:
        """The failure; None for a text that is none, such as one of another library."""
        try:
            found = json.loads(text)["trainwright"]
            told = tuple(Told(**{**each, "notes": tuple(each["notes"])}) for each in found.pop("told"))
            return cls(told=told, **found)
        except (ValueError, KeyError, TypeError):
            return None


def write_failure(failure: Failure, places: Iterable[Path]) -> None:
    """Write it to each place that can be written; a failure to write must not hide the failure."""
    for place in places:
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(failure.to_json(), encoding="utf-8")


def error_file() -> list[Path]:
    """Where the launcher wants to find what ended this process."""
    return [Path(found)] if (found := os.environ.get(FILE)) else []


def read_failure(place: Path) -> Failure | None:
    """What is written at a place; None where nothing is, or something else."""
    try:
        return Failure.from_json(place.read_text(encoding="utf-8"))
    except OSError:
        return None


def first_cause(failures: Sequence[Failure]) -> Failure | None:
    """The one that a person should read: the earliest that did not follow from another; of the same words in several, the lowest rank's."""
    causes = [each for each in failures if not each.consequence] or list(failures)
    if not causes:
        return None
    worse = [each for each in causes if not each.interrupted] or causes
    first = min(worse, key=lambda each: each.moment)
    return min((each for each in worse if each.words == first.words), key=lambda each: each.rank)


def with_rank(failure: Failure, failures: Sequence[Failure], size: int) -> Failure:
    """The failure as it is told: with its rank, unless every rank met the same."""
    alike = {each.rank for each in failures if each.words == failure.words}
    if len(alike) == size or failure.interrupted:
        return failure
    named = tuple(replace(each, where=f"rank {failure.rank}{': ' if each.where else ''}{each.where}") for each in failure.told)
    return replace(failure, told=named)


def as_told(value: Any) -> TrainwrightError:
    """An error of any kind in the form of ours."""
    if isinstance(value, TrainwrightError):
        return value
    made = TrainwrightError(f"{type(value).__name__}: {value}")
    for each in getattr(value, "__notes__", ()):
        made.add_note(each)
    return made
