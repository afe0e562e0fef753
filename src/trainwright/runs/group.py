"""A group of runs: a folder with a configuration and a run for each member, and `group.json`, which lists them."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trainwright._version import __version__
from trainwright.config.errors import RunError
from trainwright.files.text import read_json, refusal, write_json, write_text
from trainwright.files.whole import remove_empty
from trainwright.runs.directory import folder_name, refuse_inside
from trainwright.runs.listing import summarize_run
from trainwright.runs.lock import RunLock
from trainwright.runs.results import flatten_metrics, read_results
from trainwright.runs.signing import sign

FILE, TABLE, BEST, REPORT, FORMAT = "group.json", "table.csv", "best.yaml", "report.html", 1
BASE = "base.yaml"
"""The configuration that was asked for, before seeds and folds replaced anything in it."""
SEED, FOLD = "run.seed", "data.split.fold"
"""Settings by which members repeat one point of a grid."""
PLAIN = re.compile(r"[\w.=+-]{1,80}", re.ASCII)
"""Names of members that are folders as they are."""


@dataclass(frozen=True)
class Member:
    """One run of a group."""

    folder: Path
    """That of the group."""
    name: str
    settings: dict[str, str]
    """What makes it another run than the other members, as text: `{"run.seed": "0"}`."""

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / f"{self.name}.yaml"

    @property
    def run(self) -> Path:
        """The directory of its run."""
        return self.folder / self.name

    @property
    def printed(self) -> Path:
        """What its command prints."""
        return self.folder / f"{self.name}.txt"

    @property
    def words(self) -> tuple[str, ...]:
        """The command that begins it, or continues it where it is."""
        return ("train", str(self.config), f"run.dir={self.run}", "--resume")

    @property
    def begun(self) -> bool:
        """Whether there is a run of it."""
        return os.path.lexists(self.run / "run.json")

    def summarize(self) -> dict[str, Any]:
        """Status, headline metric and value as `list_runs` has them; status `waiting` where nothing has begun."""
        if not self.begun:
            return {"status": "waiting", "metric": "", "value": None, "split": "", "target": ""}
        return summarize_run(self.run)

    def metrics(self) -> dict[str, float]:
        """Every number of its results as `split.target.metric`; empty before it is finished."""
        found = read_results(self.run) if self.run.is_dir() else None
        return dict(flatten_metrics((found or {}).get("metrics") or {}))


@dataclass(frozen=True)
class GroupDirectory:
    """The runs of a group, in order."""

    folder: Path
    members: tuple[Member, ...]
    axes: tuple[str, ...]
    """Settings by which members differ."""
    digests: tuple[str, ...] = ()
    """The sha256 of the configuration that each member was begun with."""
    threads: int = 0
    """Of each member, as it was begun; 0 before that is known."""
    made: tuple[Path, ...] = ()
    """Folders around it that were made for it."""

    @property
    def grid(self) -> tuple[str, ...]:
        """The options of its grid: the axes that are neither seeds nor folds."""
        return tuple(each for each in self.axes if each not in (SEED, FOLD))

    @classmethod
    def create(
        cls,
        folder: Path,
        members: Sequence[tuple[Mapping[str, str], str]],
        axes: Sequence[str],
        base: str = "",
    ) -> GroupDirectory:
        """Write the folder of a new group; `members`: what differs, and the whole configuration as YAML text.

        `base`: the configuration that was asked for, before seeds and folds replaced anything in it.
        Raises RunError where the place is taken or cannot be written.
        """
        refuse_inside(folder / "member")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            fix = f"continue it: trainwright sweep {folder}; or choose another place with run.dir=DIR"
            raise RunError("this place is taken", where=str(folder), fix=fix)
        names = name_members([settings for settings, _ in members], axes)
        place = folder.absolute()
        listed = tuple(Member(place, name, dict(each)) for name, (each, _) in zip(names, members, strict=True))
        digests = [hashlib.sha256(config.encode()).hexdigest() for _, config in members]
        told = [{"name": each.name, "settings": each.settings, "sha256": digest} for each, digest in zip(listed, digests, strict=True)]
        created = datetime.now().astimezone().isoformat()
        content = {"format": FORMAT, "version": __version__, "created": created, "axes": axes, "members": told}
        absent = [each for each in place.parents if not each.exists()]
        made = cls(place, listed, tuple(axes), tuple(digests), made=tuple(absent))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for member, (_, config) in zip(listed, members, strict=True):
                write_text(member.config, config)
            if base:
                write_text(folder / BASE, base)
            write_json(folder / FILE, content, sync=True)  # last: a folder that has it is whole
        except (OSError, RunError) as error:
            with suppress(OSError):
                made.remove_unbegun()
            raise error if isinstance(error, RunError) else refusal(error, folder) from error
        sign(folder)
        return made

    @classmethod
    def open(cls, folder: Path) -> GroupDirectory:
        """Read a group. Raises RunError for a folder that is none, a newer one, and one whose list is damaged."""
        content = read_json(folder / FILE)
        if content is None:
            raise RunError(
                "this is no group of runs", where=str(folder), why=f"there is no {FILE}", fix="trainwright sweep CONFIG --seeds 5 makes one"
            )
        if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
            raise RunError("this group is from a newer Trainwright", where=str(folder), fix="pip install -U trainwright")
        try:
            members = tuple(Member(folder.absolute(), _checked(each["name"]), dict(each["settings"])) for each in content["members"])
            digests = tuple(str(each["sha256"]) for each in content["members"])
            axes = tuple(map(str, content["axes"]))
            return cls(folder.absolute(), members, axes, digests, int(content.get("threads") or 0))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{FILE} is damaged", where=str(folder), why=str(error), fix="restore it from a copy, or begin the group anew"
            ) from error

    def fix_threads(self, threads: int) -> int:
        """The threads of each member: those that it was begun with, else `threads` from now on, so that going on changes no number."""
        if self.threads:
            return self.threads
        write_json(self.folder / FILE, {**(read_json(self.folder / FILE) or {}), "threads": threads}, sync=True)
        return threads

    def ensure_unchanged(self) -> None:
        """Raise RunError where a member has another configuration than the group was begun with, whose numbers it would spoil."""
        for member, digest in zip(self.members, self.digests, strict=True):
            try:
                found = hashlib.sha256(member.config.read_bytes()).hexdigest()
            except OSError as error:
                raise refusal(error, member.config) from error
            if found != digest:
                why = "the members of a group differ by their settings alone, and this file was changed since"
                fix = "put it back, or train it by itself: trainwright train FILE run.dir=DIR"
                raise RunError("this member is no longer of the group", where=str(member.config), why=why, fix=fix)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from running the members meanwhile. Raises RunError where one does."""
        lock = RunLock(self.folder / ".lock")
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def remove_unbegun(self) -> None:
        """Remove the folder where no member has begun, and it holds only what was written for them."""
        if any(each.run.exists() for each in self.members) or (self.folder / "slurm").exists():
            return
        for each in self.members:
            each.config.unlink(missing_ok=True)
            each.printed.unlink(missing_ok=True)
        for name in (FILE, TABLE, BASE, BEST, REPORT, ".lock", "signature.json"):
            (self.folder / name).unlink(missing_ok=True)
        remove_empty([self.folder, *self.made])

    def write_table(self) -> None:
        """Write `table.csv`: a row for each member, with its settings, its status and every number of its results."""
        rows = [{"member": each.name, **each.settings, "status": each.summarize()["status"], **each.metrics()} for each in self.members]
        names = list(dict.fromkeys(name for row in rows for name in row))
        try:
            with (self.folder / TABLE).open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, names, restval="")
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise refusal(error, self.folder / TABLE) from error


def is_group(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a group of runs."""
    return bool(os.fspath(folder)) and os.path.lexists(Path(folder) / FILE)


def free_folder(name: str, root: str = "runs") -> Path:
    """A folder for a new group that nothing has: `runs/NAME/sweep-TIME`."""
    base = Path(root) / folder_name(name) / f"sweep-{datetime.now():%Y%m%d-%H%M%S}"
    return next(each for number in range(10_000) if not (each := base if not number else base.with_name(f"{base.name}-{number}")).exists())


def name_members(settings: Sequence[Mapping[str, str]], axes: Sequence[str]) -> list[str]:
    """A folder name for each member, of the last words of what differs; numbers where these are too long, or not apart."""
    names = ["_".join(f"{key.rpartition('.')[2]}={each[key]}" for key in axes) for each in settings]
    if len({each.lower() for each in names}) == len(names) and all(map(PLAIN.fullmatch, names)):
        return names
    return [f"{number:04d}" for number in range(len(names))]


def _checked(name: Any) -> str:
    """A name that leads nowhere but into the group."""
    if not isinstance(name, str) or not PLAIN.fullmatch(name) or name.strip(".") == "":
        raise ValueError(f"{name!r} is no name of a member")
    return name
