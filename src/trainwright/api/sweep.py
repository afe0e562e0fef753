"""Groups of runs: the same configuration with other seeds, other folds, or other values of some options."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainwright.api.kinds import with_name
from trainwright.config.compose import Composed
from trainwright.config.dump import dump
from trainwright.config.errors import EXIT_REQUEST, ConfigError, RequestError
from trainwright.parallel.launchers.base import Members, make_launcher
from trainwright.parallel.members import Job, Pool
from trainwright.parallel.shares import cores
from trainwright.runs.group import Group, Member, free_folder
from trainwright.systems.run_config import Config, check_config, read_config

MOST = 10_000
"""Members beyond which a grid is taken for a slip."""
Settings = dict[str, str]
"""Option → its value as text."""


@dataclass(frozen=True)
class Axes:
    """By what the members of a group differ."""

    seeds: tuple[int, ...] = ()
    folds: int = 0
    grid: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Options and their values, as text."""

    def members(self) -> list[Settings]:
        """The settings of each member; the last axis changes fastest. Raises ConfigError for none, and for too many."""
        self._refuse_twice()
        axes: list[list[Settings]] = [[{key: value} for value in values] for key, values in self.grid]
        if self.folds:
            same = {"data.split.type": "kfold", "data.split.folds": str(self.folds), **({"data.split.seed": "0"} if self.seeds else {})}
            axes.append([{**same, "data.split.fold": str(fold)} for fold in range(self.folds)])
        if self.seeds:
            axes.append([{"run.seed": str(seed)} for seed in self.seeds])
        if not axes:
            raise ConfigError(
                "nothing says how the runs differ", where="sweep", fix="give --seeds 5, --folds 10 or --grid OPTION=VALUE,VALUE"
            )
        if (count := math.prod(map(len, axes))) > MOST:
            raise ConfigError(f"{count:,} runs are too many", where="sweep", why=f"a group has at most {MOST:,}", fix="give fewer values")
        return [dict(itertools.chain.from_iterable(each.items() for each in chosen)) for chosen in itertools.product(*axes)]

    def _refuse_twice(self) -> None:
        """Raise ConfigError for an option that two flags set, and for one that says where a member lies."""
        taken = ["run.dir", "run.name", *(["run.seed"] if self.seeds else []), *(["data.split"] if self.folds else [])]
        seen: list[str] = []
        for key, _ in self.grid:
            folded = key.replace("-", "_")
            other = next((each for each in [*taken, *seen] if _is_within(folded, each) or _is_within(each, folded)), "")
            if other:
                flag = "another --grid" if other in seen else {"run.seed": "--seeds", "data.split": "--folds"}.get(other, "the group")
                raise ConfigError(f"{key} is set by {flag} already", where=f"--grid {key}", fix="say it once")
            seen.append(folded)

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that differ."""
        folds, seeds = ("data.split.fold",) if self.folds else (), ("run.seed",) if self.seeds else ()
        return (*(key for key, _ in self.grid), *folds, *seeds)


def _is_within(option: str, section: str) -> bool:
    return f"{option}.".startswith(f"{section}.")


def begin_group(compose: Callable[[Settings], Composed], axes: Axes) -> tuple[Group, Config]:
    """Write the folder of a new group, and give it with the configuration of its first member.

    `compose` lays settings over what the person asked for. Raises ConfigError, and writes nothing, where any member is a wrong request.
    """
    wanted = axes.members()
    configs = [check_config(compose(each)) for each in wanted]
    first = with_name(configs[0])
    folder = Path(first.run.dir) if first.run.dir else free_folder(first.run.name or name_of_data(first))
    written = [dump(_without_place(each)) for each in configs]
    return Group.create(folder, list(zip(wanted, written, strict=True)), axes.names), first


def name_of_data(config: Config) -> str:
    """`titanic-survived`, as the runs of a table are called, as far as the configuration says it."""
    source = getattr(config.data, "source", None)
    named = str(getattr(source, "path", "") or getattr(source, "name", ""))
    stem = Path(named.removeprefix("builtin:")).name.split(".")[0]
    return "-".join([each for each in (stem, *list(getattr(config.system, "targets", None) or [])[:2]) if each]) or "run"


def _without_place(config: Config) -> Config:
    """Each member lies in the folder of the group."""
    return config.model_copy(update={"run": config.run.model_copy(update={"dir": ""})})


def first_config(group: Group, launch: Sequence[str] = ()) -> Config:
    """The configuration of the first member, with other settings of `launch`. Raises ConfigError or RunError where it cannot be taken."""
    group.ensure_unchanged()
    return read_config(group.members[0].config, launch)


def run_group(
    group: Group, config: Config, jobs: int | None, tell: Callable[[Member, str, float | None], None], launch: Sequence[str] = ()
) -> int:
    """Run the members that are not finished, here or by the launcher that the configuration names, and give the exit code.

    `jobs`: how many at a time; else as many as there are processors for. `tell` hears of each that begins (`""`, None) and ends.
    `launch`: settings of that section which every member is given.
    """
    waiting = [each for each in group.members if each.summarize()["status"] != "finished"]
    if not waiting:
        group.write_table()  # members that ended elsewhere, in jobs, have not written it
        return 0
    with group.locked():
        members = Members(
            group.folder, tuple(each.name for each in waiting), tuple((*each.words, *launch) for each in waiting), jobs, config.run.device
        )
        try:
            ending = make_launcher(config.launch).run_members(members)
        except RequestError:
            group.remove_unbegun()
            raise
        if ending is not None:
            group.write_table()
            return ending.code
        size = config.launch.devices if isinstance(config.launch.devices, int) else 1
        most = min(jobs or max(1, cores() // size), len(waiting))
        pool = Pool(
            [Job((*each.words, *launch), each.printed) for each in waiting],
            most,
            began=lambda number: tell(waiting[number], "", None),
            ended=lambda number, code, seconds: tell(waiting[number], str(code), seconds),
            threads=config.run.threads or max(1, cores() // (most * size)),
        )
        code = pool.run()
        if code == EXIT_REQUEST:
            group.remove_unbegun()
        else:
            group.write_table()
        return code


@dataclass(frozen=True)
class Spread:
    """A metric over the members that differ by seed and fold alone."""

    settings: Settings
    """The values of the grid that they have in common."""
    metric: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation; None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def measure_spread(group: Group, metrics: Mapping[str, Mapping[str, float]], shown: Sequence[str]) -> list[Spread]:
    """The spread of each shown metric, for each combination of the grid; `metrics`: member → its numbers."""
    grid = [each for each in group.axes if each not in ("run.seed", "data.split.fold")]
    places: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for each in group.members:
        places.setdefault(tuple((key, each.settings[key]) for key in grid), []).append(each)
    found = []
    for settings, members in places.items():
        for metric in shown:
            values = tuple(metrics[each.name][metric] for each in members if metric in metrics.get(each.name, {}))
            if values:
                found.append(Spread(dict(settings), metric, values))
    return found
