"""A group of runs as Python sees it, and `tw.sweep`, which trains one."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from trainwright.api.axes import Axes, setting_text
from trainwright.api.exit_codes import exit_as_promised
from trainwright.api.group_summary import Summary
from trainwright.api.run import Run
from trainwright.api.sweep import check_plan, crew_of, first_config, plan_group, run_group, unfinished
from trainwright.config.compose import Assignment, Composed, assign_option
from trainwright.config.errors import EXIT_INTERRUPTED, EXIT_REQUEST, Interrupted, RequestError, RunError
from trainwright.config.trust import trusting
from trainwright.runs.directory import RunDirectory, named_place
from trainwright.runs.group import BEST, TABLE, GroupDirectory, Member, is_group
from trainwright.systems.run_config import compose_config

log = logging.getLogger("trainwright.sweep")
Values = Iterable[Any]


class Group:
    """A folder of runs: `table`, `summary`, `best`, `runs`, `report`."""

    def __init__(self, directory: GroupDirectory, trust_code: bool = False) -> None:
        self.directory, self.trust_code = directory, trust_code

    @property
    def path(self) -> Path:
        """The folder of the group."""
        return self.directory.folder

    @property
    def runs(self) -> dict[str, Run]:
        """Its runs by name, of those that have begun."""
        return {each.name: Run(RunDirectory.open(each.run), self.trust_code) for each in self.directory.members if each.begun}

    @property
    def table(self) -> Any:
        """A pandas DataFrame with a row for each run: its settings, its status and every number of its results."""
        import pandas

        self.directory.write_table()  # members may have ended elsewhere
        return pandas.read_csv(self.path / TABLE)

    @property
    def summary(self) -> dict[str, Any]:
        """What follows from the finished runs: `points` with mean, sd and n, `by_axis`, paired `differences` with intervals, `best`."""
        return Summary.of(self.directory).to_dict()

    @property
    def best(self) -> dict[str, str] | None:
        """The settings of the best point of the grid, by the headline metric on validation rows; None where that cannot be said."""
        found = Summary.of(self.directory).best
        return None if found is None else found.settings

    @property
    def best_config(self) -> Path | None:
        """`best.yaml`, the configuration of the best point, or that all runs share where there is no grid; None before there is one."""
        place = self.path / BEST
        return place if place.is_file() else None

    def report(self) -> Path:
        """Draws report.html of the group and returns its path."""
        from trainwright.api.group_report import write_group_report

        return write_group_report(self.path)

    def _repr_html_(self) -> str:
        summary = Summary.of(self.directory)
        head = "".join(f"<th>{escape(each)}</th>" for each in ("", "n", *summary.metrics))
        rows = []
        for point in summary.points:
            spreads = [point.spread(metric) for metric in summary.metrics]
            cells = [
                point.name,
                str(max((len(each.values) for each in spreads if each), default=0)),
                *("" if each is None else str(each) for each in spreads),
            ]
            rows.append("".join(f"<td>{escape(each)}</td>" for each in cells))
        body = "".join(f"<tr>{each}</tr>" for each in rows)
        return f"<p><code>{escape(str(self.path))}</code></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        done = sum(each.summarize()["status"] == "finished" for each in self.directory.members)
        return f"Group({str(self.path)!r}, {done} of {len(self.directory.members)} runs finished)"


def sweep(
    data: str | os.PathLike[str] | None = None,
    /,
    *,
    target: str | list[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    seeds: int | Iterable[int] = (),
    folds: int = 0,
    folds_by: str = "",
    groups: str = "",
    grid: Mapping[str, Values] | None = None,
    jobs: int | None = None,
    trust_code: bool = False,
    **sections: Any,
) -> Group:
    """Train the same configuration with other seeds, folds, or values of options, some runs at a time, and return their group.

    Arguments are those of `tw.train`, and those of `trainwright sweep`: `seeds=5` or `seeds=[3, 7]`, `folds=10` (with `groups="patient"`
    never divided) or `folds_by="strat_fold"`, `grid={"trainer.optimizer.learning_rate": [1e-3, 1e-2]}`, `jobs` at a time. `data` may be the
    folder of a group: it goes on. Runs are processes of their own, so data in memory are written to a file first. Raises ConfigError,
    DataError or RunError, before anything is written, for a wrong request; Interrupted after a signal, with all that ran saved. A run that
    fails does not stop the others: `group.summary` says which did.
    """
    from trainwright.runs.log import console_logging

    exit_as_promised()
    if not logging.getLogger("trainwright").handlers:
        console_logging()
    with trusting(trust_code):
        if data is not None and isinstance(data, str | os.PathLike) and is_group(data):
            given = {"target": target, "config": config, "run_dir": run_dir, "seeds": seeds, "folds": folds, "folds_by": folds_by}
            _refuse_given({**given, "groups": groups, "grid": grid, **sections})
            return _go_on(Path(data), jobs, trust_code)
        asked = _overrides(data, target, run_dir, sections)

        def compose(settings: Mapping[str, str]) -> Composed:
            return compose_config(config, [*asked, *(f"{key}={value}" for key, value in settings.items())])

        listed = {key: list(values) for key, values in (grid or {}).items()}
        values = tuple((key, _texts(key, each)) for key, each in listed.items())
        plan = plan_group(compose, Axes(_seeds(seeds, compose), folds, folds_by, groups, values))
        with crew_of(plan.first, jobs, len(plan.members)) as crew:
            said = check_plan(plan) if crew.here else []
            group = plan.write()
            log.info("%d runs in %s%s", len(group.members), group.folder, crew.describe())
            for each in said:
                log.info(each)
            return _conclude(group, run_group(group, plan.first, jobs, _tell, crew), trust_code)


def _go_on(folder: Path, jobs: int | None, trust_code: bool) -> Group:
    group = GroupDirectory.open(folder)
    config = first_config(group)
    with crew_of(config, jobs, len(unfinished(group)), group.threads) as crew:
        return _conclude(group, run_group(group, config, jobs, _tell, crew), trust_code)


def _refuse_given(given: Mapping[str, Any]) -> None:
    """Raise RequestError for what would change a group that is there, since it goes on as it was begun."""
    name = next((name for name, value in given.items() if value not in (None, "", 0, ())), None)
    if name is not None:
        raise RequestError("a group goes on as it was begun", where=f"tw.sweep({name})", fix="leave it out; other runs are another group")


def _overrides(data: Any, target: Any, run_dir: Any, sections: Mapping[str, Any]) -> list[str | Assignment]:
    """The arguments as settings, as `tw.train` has them."""
    found: list[str | Assignment] = []
    if data is not None:
        if not isinstance(data, str | os.PathLike):
            why = "each run is a process of its own, which reads its data from a file"
            fix = 'write it first: frame.to_parquet("rows.parquet"); tw.sweep("rows.parquet", …)'
            raise RequestError("data in memory cannot be swept", where="tw.sweep(data)", why=why, fix=fix)
        found.append(assign_option("data.source", os.fspath(data), "tw.sweep(data)"))
    if target is not None:
        found.append(assign_option("targets", [target] if isinstance(target, str) else list(target), "tw.sweep(target)"))
    if run_dir is not None:
        found.append(assign_option("run.dir", named_place(run_dir), "tw.sweep(run_dir)"))
    return found + [assign_option(name, value, f"tw.sweep({name})") for name, value in sections.items()]


def _seeds(asked: int | Iterable[int], compose: Callable[[Mapping[str, str]], Composed]) -> tuple[int, ...]:
    """So many from the seed of the configuration on, or those that are named."""
    if not isinstance(asked, int):
        return tuple(asked)
    run = compose({}).values.get("run") if asked else None
    first = run.get("seed", 0) if isinstance(run, dict) else 0
    return tuple(range(first, first + asked))


def _texts(key: str, values: list[Any]) -> tuple[str, ...]:
    """The values of an option as settings have them."""
    texts = tuple(map(setting_text, values))
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise RequestError("a grid has several values, each once", where=f"tw.sweep(grid[{key!r}])", fix="leave out what is there twice")
    return texts


def _tell(member: Member, code: str, seconds: float | None) -> None:
    if seconds is None:
        log.info("%s  %s", member.name, "goes on" if member.begun else "begins")
    else:
        log.info("%s  %s  (%.1f s)", member.name, "finished" if code == "0" else f"ended with {code}: {member.printed}", seconds)


def _conclude(group: GroupDirectory, code: int, trust_code: bool) -> Group:
    if code == EXIT_INTERRUPTED:
        raise Interrupted(
            "the group was interrupted, its runs are saved", where=str(group.folder), fix=f"tw.sweep({json.dumps(str(group.folder))})"
        )
    if code == EXIT_REQUEST:
        said = next((each.printed.read_text("utf-8", "replace") for each in group.members if each.printed.is_file()), "")
        raise RunError("its runs were refused", where=str(group.folder), why=said.strip()[-2000:])
    return Group(group, trust_code)
