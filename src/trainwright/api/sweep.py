"""Groups of runs: the same configuration with other seeds, other folds, or other values of some options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainwright.api.axes import Axes, Settings
from trainwright.api.group_choice import write_choice
from trainwright.api.kinds import column_values, prepare_run, with_name
from trainwright.config.compose import Composed
from trainwright.config.dump import dump_asked, dump_values
from trainwright.config.errors import EXIT_REQUEST, ConfigError, RequestError, did_you_mean, nearest
from trainwright.config.trust import as_received, consents
from trainwright.parallel.commands import Begin, begin_process
from trainwright.parallel.elastic.preloaded import Preloaded, preload, wait_until_ready
from trainwright.parallel.launchers.base import Members, make_launcher
from trainwright.parallel.members import Job, Pool
from trainwright.parallel.shares import cores
from trainwright.parallel.signals import Signals
from trainwright.runs.group import FILE, GroupDirectory, Member, free_folder
from trainwright.systems.run_config import Config, check_config, read_config, takes_columns

MOST_CHECKED = 20
"""Points of a grid whose data are read and whose model is made before anything is written; the others are checked as they begin."""
NEEDED = (
    "sklearn.linear_model",
    "sklearn.ensemble",
    "torch.utils.tensorboard",
    "trainwright.domains.tables.prepared",
    "trainwright.domains.tables.finish",
    "trainwright.systems.supervised",
    "trainwright.api.conclusion",
    "trainwright.api.inspect",
    "trainwright.api.record_in_trackers",
    "trainwright.api.report",
    "trainwright.report.page",
)
"""What a run of a table imports, beside what begins it: the server imports it once, each member would anew."""
Tell = Callable[[Member, str, "float | None"], None]
"""Hears of each member that begins (`""`, None), and ends: its code as text, after how many seconds."""


@dataclass(frozen=True)
class Plan:
    """A group that is not written yet, with every configuration checked."""

    axes: Axes
    members: tuple[tuple[Settings, Composed], ...]
    base: Config | None
    """The configuration that was asked for, where seeds or folds replace something in it."""

    @property
    def first(self) -> Config:
        """The configuration of the first member, with the name of its run."""
        return with_name(check_config(self.members[0][1]))

    def write(self) -> GroupDirectory:
        """Make the folder of the group. Raises RunError where the place is taken or cannot be written."""
        first = self.first
        folder = Path(first.run.dir) if first.run.dir else free_folder(first.run.name or name_of_data(first))
        written = [(settings, dump_asked(_without_place(check_config(composed)))) for settings, composed in self.members]
        return GroupDirectory.create(folder, written, self.axes.names, dump_asked(_without_place(self.base)) if self.base else "")


def plan_group(compose: Callable[[Settings], Composed], axes: Axes) -> Plan:
    """What the members of a new group are; `compose` lays settings over what the person asked for.

    Raises ConfigError, and writes nothing, where any member is a wrong request.
    """
    if not axes.names:
        _ensure_there(compose({}))
    axes.ensure_sound()
    base = check_config(compose(axes.first_point())) if axes.has_folds or axes.seeds else None
    split = None if base is None else getattr(base.data, "split", None)
    found = [(each, compose(each)) for each in axes.members(split, lambda column: column_values(base, column) if base else [])]
    for _, composed in found:
        check_config(composed)
    return Plan(axes, tuple(found), base)


def _ensure_there(composed: Composed) -> None:
    """Raise ConfigError for a path that is not there, with the nearest group: the name of a group may be mistyped."""
    data = composed.values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    source = source.get("path") if isinstance(source, dict) else source
    if not isinstance(source, str) or source.startswith("builtin:") or "://" in source or set(source) & set("*?[!"):
        return
    if (path := Path(source)).exists():
        return
    groups = sorted(each.parent.name for each in path.parent.glob(f"*/{FILE}"))
    close = nearest(path.name, groups)
    others = sorted(each.name for each in path.parent.iterdir() if not each.name.startswith(".")) if path.parent.is_dir() else []
    fix = f"did you mean the group '{path.parent / close}'?" if close else did_you_mean(path.name, others) or "give a path that is there"
    raise ConfigError(f"no table, configuration or group '{source}'", where="sweep", fix=fix)


def check_plan(plan: Plan) -> list[str]:
    """Read the data of each point of the grid, and make its model, as its run will; what a person should know of how rows are divided.

    Raises ConfigError, DataError or ManyErrors for the first that a run would refuse. Writes nothing.
    """
    said: list[str] = []
    seen: set[str] = set()
    for _, composed in plan.members:
        config = check_config(composed)
        if (key := _without_repeats(config)) in seen:
            continue
        seen.add(key)
        found = _check_member(composed)
        said = said or found
        if len(seen) == MOST_CHECKED or not takes_columns(config.system):
            break
    return said


@as_received
def _check_member(composed: Composed) -> list[str]:
    prepared = prepare_run(with_name(check_config(composed)))
    prepared.check(prepared.trainer())
    return prepared.split_lines()


def _without_repeats(config: Config) -> str:
    """The configuration without its seed and fold, as text."""
    told = config.model_dump(mode="json")
    told["run"].pop("seed", None)
    if isinstance(split := (told.get("data") or {}).get("split"), dict):
        split.pop("fold", None)
    return dump_values(told)


def name_of_data(config: Config) -> str:
    """`titanic-survived`, as the runs of a table are called, as far as the configuration says it."""
    source = getattr(config.data, "source", None)
    named = str(getattr(source, "path", "") or getattr(source, "name", ""))
    stem = Path(named.removeprefix("builtin:")).name.split(".")[0]
    return "-".join([each for each in (stem, *list(getattr(config.system, "targets", None) or [])[:2]) if each]) or "run"


def _without_place(config: Config) -> Config:
    """Each member lies in the folder of the group."""
    return config.model_copy(update={"run": config.run.model_copy(update={"dir": ""})})


def first_config(group: GroupDirectory, launch: Sequence[str] = ()) -> Config:
    """The configuration of the first member, with other settings of `launch`. Raises ConfigError or RunError where it cannot be taken."""
    group.ensure_unchanged()
    return read_config(group.members[0].config, launch)


@dataclass
class Crew:
    """How members run on this machine: how many at a time, with how many threads each, and what they are forked from."""

    most: int
    threads: int
    signals: Signals
    server: Preloaded | None = None
    here: bool = True
    """Whether they run on this machine, as far as the configuration says."""

    def describe(self) -> str:
        """How they run, in a few words; empty where a launcher runs them elsewhere."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''} each"
        return f", {self.most} at a time, {threads}" if self.here else ""

    def begin(self) -> Begin:
        """How a member begins: forked from a process that has imported everything, once that is ready, else as a process of its own."""
        if self.server is not None and wait_until_ready(self.server, lambda: self.signals.came):
            return lambda *asked: (begin_process if self.server is None or self.server.gone else self.server.begin)(*asked)
        return begin_process


@contextmanager
def crew_of(config: Config, jobs: int | None, count: int, threads: int = 0) -> Iterator[Crew]:
    """The crew for `count` members, of which `jobs` run at a time (default: as many as there are processors for).

    Each has its share of the processors as threads, unless the configuration, OMP_NUM_THREADS or `threads`, those that the group was begun
    with, say it. Its process begins to import at once, where members run here.
    """
    size = config.launch.devices if isinstance(config.launch.devices, int) else 1
    most = min(jobs or max(1, cores() // size), max(1, count))
    said = os.environ.get("OMP_NUM_THREADS", "")
    share = config.run.threads or (int(said) if said.isdigit() and int(said) else threads or max(1, cores() // (most * size)))
    here = config.launch.type != "slurm"
    crew = Crew(most, share, Signals(), preload(None if said else share, more=NEEDED) if here and count else None, here)
    try:
        yield crew
    finally:
        if crew.server is not None:
            crew.server.close()


def unfinished(group: GroupDirectory) -> list[Member]:
    """The members that have yet to run, or to go on."""
    return [each for each in group.members if each.summarize()["status"] != "finished"]


def run_group(group: GroupDirectory, config: Config, jobs: int | None, tell: Tell, crew: Crew, launch: Sequence[str] = ()) -> int:
    """Run the members that are not finished, here or by the launcher that the configuration names, and give the exit code.

    `launch`: settings of that section which every member is given. The table and the choice are written anew, whatever came.
    """
    with group.locked():
        waiting = unfinished(group)
        code = _run_members(group, waiting, config, jobs, tell, crew, launch) if waiting else 0
        if code == EXIT_REQUEST:
            group.remove_unbegun()
        if group.folder.exists():
            group.write_table()
            write_choice(group)
    return code


def _run_members(
    group: GroupDirectory, waiting: list[Member], config: Config, jobs: int | None, tell: Tell, crew: Crew, launch: Sequence[str]
) -> int:
    words = tuple((*each.words, *launch, *(["--trust-code"] if consents() else [])) for each in waiting)
    members = Members(group.folder, tuple(each.name for each in waiting), words, jobs, config.run.device)
    try:
        ending = make_launcher(config.launch).run_members(members)
    except RequestError:
        group.remove_unbegun()
        raise
    if ending is not None:
        return ending.code
    with crew.signals.listening():
        pool = Pool(
            [Job(each, member.printed) for each, member in zip(words, waiting, strict=True)],
            crew.most,
            began=lambda number: tell(waiting[number], "", None),
            ended=lambda number, code, seconds: tell(waiting[number], str(code), seconds),
            threads=group.fix_threads(crew.threads),
            begin=crew.begin(),
            signals=crew.signals,
        )
        return pool.run()
