"""The run directory: where everything of one run lies, made whole or not at all, written by one process at a time."""

from __future__ import annotations

import logging
import os
import re
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from trainwright._version import __version__
from trainwright.config.errors import RunError
from trainwright.config.received import name_refusal, refuse_links
from trainwright.config.signature import GROUP
from trainwright.files.text import read_json, refusal, write_json
from trainwright.files.whole import remove_empty, sweep, whole_folder
from trainwright.runs.info import FORMAT, read_info
from trainwright.runs.lock import RunLock

Status = Literal["created", "queued", "running", "finished", "interrupted", "failed"]
"""`queued`: its directory is made, and a job that was submitted elsewhere will begin it."""
RESERVED = "TRAINWRIGHT_RUN"
"""The variable by which a job that was submitted for a directory is known to be the one that it waits for."""

log = logging.getLogger("trainwright.runs")


class Inside:
    """A path inside a run directory, read as an attribute of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: RunDirectory, owner: type[RunDirectory]) -> Path:
        return run.path / self.name


class RunDirectory:
    """One run's directory; `create` makes it and holds its lock, `open` reads one. Its files are properties."""

    def __init__(self, path: Path, info: dict[str, Any], *, note: str = "", resumed: bool = False) -> None:
        self.path, self.info, self.note, self.resumed = path, info, note, resumed
        """`note` says how the path was resolved, `resumed` whether `create` found the run there already."""
        self.lock = RunLock(path / ".lock")

    @classmethod
    def create(cls, dir: str = "", name: str = "run", root: str = "runs", resume: bool = False, *, python: bool = False) -> RunDirectory:
        """Make `dir`, or `root/name/<start time>`, with its run.json, and lock it.

        With `resume` the run already there (or the latest of that name) is opened for writing instead. Raises RunError when the
        place is taken, lies in a run, cannot be written, is another writer's, or is no run; its fix names Python's arguments with `python`.
        """
        if resume:
            place = Path(dir) if dir else latest_run(Path(root) / folder_name(name))
            if place is not None and _is_occupied(place):
                return cls._resume(place)
        if dir and is_awaited(Path(dir)):
            return cls._resume(Path(dir))
        created = datetime.now().astimezone()
        path = Path(dir) if dir else _free_place(Path(root) / folder_name(name), created)
        refuse_inside(path, python)
        refuse_occupied(path, python)
        info = {"format": FORMAT, "version": __version__, "name": name, "status": "created", "created": created.isoformat()}
        missing = [each for each in (path.absolute(), *path.absolute().parents) if not each.exists()]
        try:
            _make(path, info)
        except RunError:
            if dir or not path.exists():
                raise
            return cls.create(dir, name, root, resume, python=python)  # another run took this second's name first
        run = cls(path, info)
        try:
            run.lock.acquire()
        except RunError as error:
            if isinstance(error.__cause__, OSError):  # the disk refused the lock; nothing half made stays
                (path / "run.json").unlink(missing_ok=True)
                run.lock.path.unlink(missing_ok=True)
                remove_empty(missing)
            raise
        return run

    @classmethod
    def follow(cls, path: Path, info: dict[str, Any], resumed: bool) -> RunDirectory:
        """The directory that another process has made and locked, for one that trains with it; nothing in it is read."""
        return cls(path, info, resumed=resumed)

    @classmethod
    def _resume(cls, path: Path) -> RunDirectory:
        run = cls.open(path)
        run.resumed = True
        run.lock.acquire()
        sweep(run.path, deep=True)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str], root: str = "runs") -> RunDirectory:
        """Read the run at `path`; a folder of runs (`runs/<name>`) or a bare name gives its latest run, said in `note` and the log.

        Raises RunError when there is no run, its format is newer, its run.json is damaged, or a link or device lies in a file's place.
        """
        if not os.fspath(path):  # as of an empty variable in a shell: the working directory is not what was meant
            raise RunError("the name of the run is empty", where="the run", fix="name a run directory, or a folder of runs")
        try:
            place, note = resolve(Path(path), Path(root))
            found = cls(place, _info(place), note=note)
            refuse_links(place, FOLDERS)
        except OSError as error:
            raise name_refusal(error, Path(path)) from error
        if note:
            log.info(note)
        return found

    @property
    def name(self) -> str:
        """The run's name: the folder under `runs/`."""
        return str(self.info.get("name", self.path.name))

    @property
    def status(self) -> Status:
        """How far the run came, as run.json says."""
        found: Status = self.info.get("status", "failed")
        return found if found in get_args(Status) else "failed"

    @status.setter
    def status(self, status: Status) -> None:
        self.update(status=status)

    @property
    def received(self) -> Path:
        """The folder whose files name what is built from this run, which somebody else may have written (`config/trust.py`)."""
        return self.path

    @property
    def alive(self) -> bool:
        """Whether a process is writing this run now."""
        return self.lock.is_taken()

    def update(self, **fields: Any) -> None:
        """Set fields of run.json (`status`, `targets`, …) and the time of the change."""
        self.info = {**self.info, **fields, "updated": datetime.now().astimezone().isoformat()}
        self.write_json("run.json", self.info)

    def write_json(self, name: str, value: Any, *, sync: bool = False) -> Path:
        """Write a JSON file of this run, whole or not at all; NaN becomes null. Raises RunError when it cannot be written."""
        write_json(self.path / name, value, sync=sync)
        return self.path / name

    def read_json(self, name: str) -> Any:
        """A JSON file of this run, or None when it has none; raises RunError when the file is damaged."""
        return read_json(self.path / name)

    def close(self) -> None:
        """Let another process write this run."""
        self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r}, {self.status})"

    config = Inside("config.yaml")
    """The composed configuration, itself a valid input."""
    environment = Inside("environment.json")
    """Python, packages and machine."""
    command = Inside("command.txt")
    """The command that started the run."""
    code = Inside("code.json")
    """Commit and state of the code; the diff lies in `code/`."""
    log = Inside("log.txt")
    """The rotating log."""
    events = Inside("events.jsonl")
    """What happened, a line each."""
    metrics = Inside("metrics.csv")
    """One row per logged point."""
    tensorboard = Inside("tensorboard")
    """TensorBoard event files."""
    checkpoints = Inside("checkpoints")
    """Checkpoints, one folder each."""
    model = Inside("model")
    """What is needed to predict."""
    data = Inside("data.json")
    """Columns, split, leaks, dropped rows."""
    splits = Inside("splits.parquet")
    """Row, split and row hash."""
    outcomes = Inside("outcomes")
    """Test rows, truth and scores: `<target>.npz`."""
    results = Inside("results.json")
    """Every final number."""
    analysis = Inside("analysis.json")
    """Confusion, curves, importance, worst rows."""
    report = Inside("report.html")
    """The report."""
    media = Inside("media")
    """Images and samples made while training."""


FOLDERS = ("checkpoints", "model", "media", "outcomes", "code", "tensorboard", "logs")
"""Folders of a run that Trainwright writes and reads; those of trackers and of a person's own are left alone."""


def named_place(run_dir: str | os.PathLike[str] | None) -> str:
    """The directory that a call names for its run, empty where it names none; raises RunError for an empty name."""
    if run_dir is not None and not os.fspath(run_dir):
        raise RunError("the name of the run directory is empty", where="run_dir=''", fix="name one, or leave run_dir out")
    return "" if run_dir is None else os.fspath(run_dir)


def folder_name(name: str) -> str:
    """`name` as one folder: separators and characters that shells or file systems stumble over become `-`."""
    cleaned = re.sub(r"[^\w.+=@-]+", "-", name.strip()).strip("-.")
    return cleaned.encode("utf-8", "ignore")[:120].decode("utf-8", "ignore") or "run"


def _info(path: Path) -> dict[str, Any]:
    info = read_info(path)
    if info is None:
        raise _no_run(path)
    return info


def resolve(path: Path, root: Path = Path("runs")) -> tuple[Path, str]:
    """The run that `path` means (itself, the latest in its folder, or the latest of that name) and a note when it was not itself."""
    if (path / "run.json").is_file():
        return path, ""
    if path.is_file():
        parent = next((each for each in path.parents if (each / "run.json").is_file()), None)
        fix = f"give its directory: {parent}" if parent else "give the directory of a run; `trainwright runs` lists them"
        raise RunError("a file, not a run directory", where=str(path), fix=fix)
    named = len(path.parts) == 1 and not path.exists()
    for folder in [path, root / path] if named else [path]:
        runs = _runs_in(folder)
        if os.path.lexists(folder / GROUP):
            raise _several(folder, runs)
        if runs:
            chosen = max(runs, key=_start_order)
            return chosen, f"{path}: using its latest run of {len(runs)}, {chosen}" if len(runs) > 1 else f"{path}: using its run {chosen}"
    raise _no_run(path)


def latest_run(folder: Path) -> Path | None:
    """The run in `folder` that started last, or None."""
    return max(_runs_in(folder), key=_start_order, default=None)


def _runs_in(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".") and (each / "run.json").is_file()]
    except OSError:
        return []


def _start_order(path: Path) -> tuple[str, str]:
    try:
        created = _info(path).get("created", "")
        moment = datetime.fromisoformat(created)
    except (RunError, ValueError, TypeError):
        return "", path.name
    return f"{moment.timestamp():020.6f}", path.name


def _several(group: Path, runs: list[Path], most: int = 6) -> RunError:
    """The refusal of a group of runs where one run is asked for: which of them is meant, nobody said."""
    names = sorted(each.name for each in runs)
    shown = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    one = f"name one of them, such as {group / names[0]}; " if names else ""
    fix = f"{one}`trainwright compare {group}` shows which is best, `trainwright sweep {group}` goes on with all"
    return RunError("a group of runs, not one run", where=str(group), why=f"it has {shown or 'no run that has begun'}", fix=fix)


def _no_run(path: Path) -> RunError:
    fix = "`trainwright runs` lists the runs here; a run directory holds a run.json"
    if not path.exists():
        return RunError("no such run", where=str(path), why="the directory does not exist", fix=fix)
    return RunError("not a run directory", where=str(path), why="it holds no run.json", fix=fix)


def is_awaited(path: Path) -> bool:
    """Whether a directory was made for this process to begin a run in: it was queued, and this is its job."""
    return os.environ.get(RESERVED, "") == os.path.realpath(path) and not (path / "config.yaml").is_file() and (path / "run.json").is_file()


def _is_occupied(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_dir() and any(path.iterdir()))
    except OSError as error:
        raise refusal(error, path) from error


def refuse_occupied(path: Path, python: bool = False) -> None:
    """Raises RunError when a run, other files or a file are at `path`; `python` says which words its fix uses."""
    if not _is_occupied(path):
        return
    elsewhere = f"choose another place with {'run_dir=DIR' if python else 'run.dir=DIR'}"
    if path.is_file():
        raise RunError("this place is taken by a file", where=str(path), fix=elsewhere)
    if (path / "run.json").is_file():
        fix = f"{'give resume=True' if python else 'add --resume'} to continue it, or {elsewhere}"
        raise RunError("this place is taken: there is a run here already", where=str(path), fix=fix)
    why = "it is not empty and holds no run; nothing in it was touched"
    raise RunError("this place is taken: the directory is in use", where=str(path), why=why, fix=f"{elsewhere}, or empty it")


def refuse_inside(path: Path, python: bool = False) -> None:
    """Raises RunError when a run at `path` would lie inside another run."""
    absolute = path.absolute()
    outer = next((each for each in absolute.parents if (each / "run.json").is_file()), None)
    if outer is not None:
        where = "run_dir=DIR" if python else "run.dir=DIR"
        why = f"{_short(outer)} is a run itself"
        raise RunError("a run cannot lie inside another", where=str(path), why=why, fix=f"choose another place with {where}")


def _short(path: Path) -> Path:
    """The path from the working directory, when it lies below it."""
    return path.relative_to(Path.cwd()) if path != Path.cwd() and path.is_relative_to(Path.cwd()) else path


def _free_place(folder: Path, moment: datetime) -> Path:
    start = folder / moment.strftime("%Y-%m-%d_%H-%M-%S")
    number = 2
    path = start
    while path.exists():
        path, number = start.with_name(f"{start.name}-{number}"), number + 1
    return path


def _make(path: Path, info: dict[str, Any]) -> None:
    """Make the directory with its run.json in it: a hidden one beside it is filled first and renamed, so nothing half made is ever seen."""
    if path.is_dir():  # empty, and perhaps a mount point or the working directory, which cannot be renamed
        write_json(path / "run.json", info, sync=True)
        return
    try:
        if path.parent.is_dir():
            sweep(path.parent)
        with whole_folder(path) as temporary:
            write_json(temporary / "run.json", info, sync=True)
    except OSError as error:
        raise refusal(error, path) from error
