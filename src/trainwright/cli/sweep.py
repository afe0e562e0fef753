"""`trainwright sweep`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import count_things, dim, table, wrap
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from trainwright.api.axes import Axes
    from trainwright.api.group_summary import Point, Spread, Summary
    from trainwright.runs.group import GroupDirectory, Member

ENDINGS = {"0": "finished", "1": "failed", "2": "refused", "75": "interrupted and saved"}
INTERRUPTED = ("-1", "-2", "-10", "-15", "130")
"""Codes of commands that were asked to end while nothing was there to be saved."""
NUMBERS = re.compile(r"\d+(,\d+)*")


def run(words: Sequence[str]) -> int:
    """Run the members of a group, new or there already, and show them in one table."""
    made = parser()
    arguments = made.parse(words)
    if not arguments.words:
        raise RequestError("nothing to train on", fix="name a config or data: trainwright sweep config.yaml --seeds 5")
    jobs = None if arguments.jobs is None else _whole_number(arguments.jobs, "--jobs")
    from trainwright.runs.group import FILE
    from trainwright.runs.log import console_logging

    console_logging()
    # with --json stdout is for JSON alone, whatever a launcher or a part of one's own prints meanwhile
    with redirect_stdout(sys.stderr) if arguments.json else nullcontext():
        group, code = (_go_on if os.path.lexists(Path(arguments.words[0]) / FILE) else _begin)(arguments, jobs)
    if group.folder.exists():
        print(json.dumps(_summary(group).to_dict(), indent=2, ensure_ascii=False) if arguments.json else describe_group(_summary(group)))
    else:
        print("nothing was written", file=sys.stderr)
    return code


def _summary(group: GroupDirectory) -> Summary:
    from trainwright.api.group_summary import Summary

    return Summary.of(group)


def _begin(arguments: argparse.Namespace, jobs: int | None) -> tuple[GroupDirectory, int]:
    from trainwright.api.sweep import check_plan, crew_of, plan_group, run_group
    from trainwright.cli.settings import composed_from

    words, target = arguments.words, arguments.target
    seed = _first_seed(composed_from(words, target)) if arguments.seeds else 0
    axes = read_axes(arguments, seed)
    plan = plan_group(lambda settings: composed_from([*words, *(f"{key}={value}" for key, value in settings.items())], target), axes)
    with crew_of(plan.first, jobs, len(plan.members)) as crew:
        said = check_plan(plan) if crew.here else []
        group = plan.write()
        if not arguments.json:
            print(f"{count_things(len(group.members), 'run')} in {os.path.relpath(group.folder)}{crew.describe()}")
            print("\n".join(wrap(each, 0) for each in said), flush=True)
        return group, run_group(group, plan.first, jobs, _teller(arguments), crew)


def _go_on(arguments: argparse.Namespace, jobs: int | None) -> tuple[GroupDirectory, int]:
    from trainwright.api.sweep import crew_of, first_config, run_group, unfinished
    from trainwright.runs.group import GroupDirectory

    launch = read_launch_settings(arguments)
    group = GroupDirectory.open(Path(arguments.words[0]))
    config, waiting = first_config(group, launch), unfinished(group)
    with crew_of(config, jobs, len(waiting), group.threads) as crew:
        if not arguments.json:
            print(f"going on with {os.path.relpath(group.folder)}{crew.describe() if waiting else ': all runs are finished'}", flush=True)
        return group, run_group(group, config, jobs, _teller(arguments), crew, launch)


def _teller(arguments: argparse.Namespace) -> Callable[[Member, str, float | None], None]:
    return partial(tell_member, shown=None if arguments.json else set())


def _first_seed(composed: Any) -> int:
    """The seed that the configuration names, from which on seeds are counted."""
    found = composed.values.get("run")
    seed = found.get("seed", 0) if isinstance(found, dict) else 0
    return seed if isinstance(seed, int) else 0


def read_axes(arguments: argparse.Namespace, seed: int) -> Axes:
    """By what the members differ, as the flags say it. Raises RequestError for what is no number, no option or no value."""
    from trainwright.api.axes import Axes

    seeds: tuple[int, ...] = ()
    if arguments.seeds is not None:
        if not NUMBERS.fullmatch(arguments.seeds) or arguments.seeds == "0":
            raise RequestError(f"'{arguments.seeds}' is no number of seeds", where="--seeds", fix="--seeds 5, or --seeds 3,7,11")
        seeds = tuple(map(int, arguments.seeds.split(","))) if "," in arguments.seeds else tuple(range(seed, seed + int(arguments.seeds)))
    folds = 0 if arguments.folds is None else _whole_number(arguments.folds, "--folds", least=2)
    grid = tuple(map(_read_grid, arguments.grid))
    return Axes(_apart(seeds, "--seeds"), folds, arguments.folds_by or "", arguments.groups or "", grid)


def _apart(values: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    twice = next((each for each, times in Counter(values).items() if times > 1), None)
    if twice is not None:
        raise RequestError(f"{twice} is given twice", where=where, fix="each value makes one run: leave one of them out")
    return values


def _read_grid(text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, values = text.partition("=")
    if not equals or not key.strip():
        fix = "--grid trainer.optimizer.learning_rate=1e-3,1e-2"
        raise RequestError(f"'{text}' names no option and its values", where="--grid", fix=fix)
    written = values.strip()
    inner = written[1:-1] if written.startswith("[") and written.endswith("]") and _depth_ends_last(written) else written
    found = tuple(each.strip() for each in split_values(inner))
    if not all(found):
        raise RequestError(f"a value is empty: {text}", where="--grid", fix="leave the comma out, or write '' for an empty text")
    if len(found) < 2:
        fix = f"give several with commas between, or say {text} without --grid"
        raise RequestError(f"one value makes no grid: {text}", where="--grid", fix=fix)
    return key.strip(), _apart(found, f"--grid {key}")


def _depth_ends_last(text: str) -> bool:
    """Whether the bracket that opens a text is closed by its last character."""
    depth = 0
    for place, each in enumerate(text):
        depth += (each in "[{(") - (each in "]})")
        if depth == 0:
            return place == len(text) - 1
    return False


def split_values(text: str) -> list[str]:
    """Text between commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for each in text:
        if quote:
            quote = "" if each == quote else quote
        elif each in "\"'":
            quote = each
        else:
            depth += (each in "[{(") - (each in "]})")
        if each == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += each
    return parts


def _whole_number(text: str, where: str, least: int = 1) -> int:
    if not text.isdigit() or int(text) < least:
        raise RequestError(f"'{text}' is no whole number of at least {least}", where=where, fix=f"{where} {max(least, 5)}")
    return int(text)


def read_launch_settings(arguments: argparse.Namespace) -> list[str]:
    """How a group that is there goes on. Raises RequestError for what would change it, since it goes on as it was begun."""
    given = {"--seeds": arguments.seeds, "--folds": arguments.folds, "--grid": arguments.grid, "--target": arguments.target}
    given |= {"--folds-by": arguments.folds_by, "--groups": arguments.groups}
    others = [each for each in arguments.words[1:] if not each.startswith(("launch=", "launch."))]
    flag = next((name for name, value in given.items() if value), None) or (others or [None])[0]
    if flag is not None:
        fix = f"trainwright sweep {arguments.words[0]} goes on with it, and takes launch settings alone; other runs are another group"
        raise RequestError("a group goes on as it was begun", where=f"command line: {flag}", fix=fix)
    return list(arguments.words[1:])


def tell_member(member: Member, code: str, seconds: float | None, *, shown: set[str] | None) -> None:
    """A line for each member that begins and ends, and what ended one that failed, unless it is in `shown`; None: nothing."""
    if shown is None:
        return
    if seconds is None:
        print(f"{member.name}  {'goes on' if member.begun else 'begins'}", flush=True)
        return
    print(f"{member.name}  {name_ending(code)}  ({seconds:.1f} s)", flush=True)
    if code in ("0", "75") or code.startswith("-") or code in INTERRUPTED:  # what was killed has not said why
        return
    said = "\n".join(f"  {line}" for line in last_error(member.printed.read_text("utf-8", "replace")))
    if said not in shown:
        shown.add(said)
        print(said, file=sys.stderr, flush=True)


def name_ending(code: str) -> str:
    """How a member ended, in words: by its exit code, negative for a signal."""
    if code in INTERRUPTED:
        return "interrupted before its first step, or after its last"
    if code.startswith("-"):
        from trainwright.parallel.signals import name_signal

        return f"killed ({name_signal(-int(code))})"
    return ENDINGS.get(code, f"ended with {code}")


def last_error(text: str) -> list[str]:
    """The lines of the last error that a command printed; its last lines where it has said nothing of the kind."""
    lines = text.rstrip().splitlines()
    start = max((place for place, line in enumerate(lines) if line.startswith("error:")), default=max(0, len(lines) - 5))
    return lines[start:]


def describe_group(summary: Summary) -> str:
    """The members with their status and main numbers; below them mean and deviation, differences, and what was chosen."""
    group = summary.group
    header = (*(_short(key) for key in group.axes), "status", *_splits(summary))
    rows = [
        (
            *(each.settings[key] for key in group.axes),
            summary.found[each.name]["status"],
            *(_number(summary.numbers.get(each.name, {}).get(name)) for name in summary.metrics),
        )
        for each in group.members
    ]
    runs = table(header, rows, right=range(len(group.axes) + 1, len(header)))
    blocks = [
        f"{summary.headline} of each run\n{runs}" if summary.headline else runs,
        _spreads(summary),
        _pooled(summary),
        _axes(summary),
        _differences(summary),
    ]
    if summary.unfinished:
        from trainwright.api.group_summary import count_statuses

        blocks.append(wrap(f"not finished, and in no mean: {count_statuses(summary.unfinished)}", 0))
    blocks.append(_choice(summary))
    return "\n" + "\n\n".join(each for each in blocks if each)


def _spreads(summary: Summary) -> str:
    """Mean and deviation of each point of the grid."""
    rows = [(point, [point.spread(metric) for metric in summary.metrics]) for point in summary.points]
    if not any(spread and len(spread.values) > 1 for _, spreads in rows for spread in spreads):
        return ""
    grid = summary.group.grid
    header = (*(_short(key) for key in grid), "n", *(f"{split} (mean ± sd)" for split in _splits(summary)))
    cells = [(*(point.settings[key] for key in grid), _count(point), *map(_spread, spreads)) for point, spreads in rows]
    return table(header, cells, right=range(len(grid), len(header)))


def _pooled(summary: Summary) -> str:
    """The test rows of all folds measured together, and simple models of the same folds."""
    from trainwright.api.group_baselines import spread_baselines

    lines = []
    for each in summary.pooled:
        shared = ", ".join(f"{_short(key)}={value}" for key, value in each.settings.items())
        found = ", ".join(f"{name} {value:.4f}" for name, value in each.metrics.items()) or f"not measured: {each.why_not}"
        head = f"{each.target}, all {each.rows:,} test rows of {each.folds} folds together{f' ({shared})' if shared else ''}"
        lines.append(wrap(f"{head}: {found}", 2).lstrip())
    beside = spread_baselines(summary.group.members, summary.headline)
    if beside and not summary.group.grid:
        told = "; ".join(f"{name} {spread}" for name, spread in beside.items())
        lines.append(wrap(f"baselines, {summary.headline} on test rows: {told}", 2).lstrip())
    return "\n".join(lines)


def _axes(summary: Summary) -> str:
    """Mean and deviation over all runs with one value of an option, for grids of several."""
    rows = []
    for axis, values in summary.by_axis().items():
        for value, spreads in values.items():
            count = max((len(each.values) for each in spreads.values()), default=0)
            rows.append((f"{_short(axis)}={value}", str(count), *(_spread(spreads.get(metric)) for metric in summary.metrics)))
    return table(("over all with", "n", *_splits(summary)), rows, right=range(1, 2 + len(summary.metrics))) if rows else ""


def _differences(summary: Summary) -> str:
    """How every point differs from the one they are compared with, over the same folds or seeds."""
    rows, methods = [], dict[str, None]()
    for each in summary.differences:
        interval = each.interval
        between = "" if interval is None else f"{interval[0]:+.4f} … {interval[1]:+.4f}"
        clear = "" if each.clear is None else "equal" if not any(each.values) else each.better or "differs" if each.clear else "not clear"
        deviation = "" if each.deviation is None else f"{each.deviation:.4f}"
        rows.append((each.name, each.metric.partition(".")[0], str(len(each.values)), f"{each.mean:+.4f}", deviation, between, clear))
        if interval is not None:
            methods[summary.interval_method(each)] = None
    if not rows or summary.reference is None:
        return ""
    chosen = "the best on validation rows" if summary.best is not None else "the first"
    paired = "folds" if "data.split.fold" in summary.group.axes else "seeds" if "run.seed" in summary.group.axes else "runs"
    head = wrap(f"{summary.headline}, paired by {paired}, less that of {summary.reference.name} ({chosen}):", 0)
    shown = table(("", "rows", "n", "difference", "sd", "interval", ""), rows, right=(2, 3, 4, 5))
    return "\n".join([head, shown, *(dim(wrap(each, 0)) for each in methods)])


def _choice(summary: Summary) -> str:
    """What was written, and where."""
    from trainwright.api.group_choice import describe_choice

    folder = Path(os.path.relpath(summary.group.folder))
    lines = []
    if (summary.group.folder / "best.yaml").is_file():
        lines += [wrap(f"{folder / 'best.yaml'}: {describe_choice(summary)}", 0), f"train it:    trainwright train {folder / 'best.yaml'}"]
    elif summary.group.grid and summary.numbers:
        lines.append(f"no best.yaml: {summary.why_no_best()}")
    if summary.numbers:
        lines += [dim(f"all numbers: {folder / 'table.csv'}"), dim(f"a page:      trainwright report {folder}")]
    return "\n".join(lines)


def _splits(summary: Summary) -> list[str]:
    """Of the metrics shown, the rows that they are measured on."""
    return [each.partition(".")[0] for each in summary.metrics]


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _count(point: Point) -> str:
    done = sum(each.name in point.numbers for each in point.members)
    return str(done) if done == len(point.members) else f"{done} of {len(point.members)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _spread(spread: Spread | None) -> str:
    return "" if spread is None else str(spread)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    from trainwright.cli.train import train_settings, usual_of_training

    made = ConfiguredParser(
        "sweep",
        "Train the same configuration with other seeds, other folds or other values of options: a folder of ordinary runs, some at a time, "
        "and one table of them with mean and standard deviation. Given the folder of a group, go on with those that are not finished.",
        "CONFIG|DATA|GROUP [--target COLUMNS] [--seeds N] [--folds K | --folds-by COLUMN] [--groups COLUMN] "
        "[--grid OPTION=VALUE,VALUE] [--jobs N] [--json] [key=value …]",
        [
            "trainwright sweep config.yaml --seeds 5",
            "trainwright sweep titanic.csv --target survived --folds 10",
            "trainwright sweep config.yaml --grid trainer.optimizer.learning_rate=1e-3,1e-2 --seeds 3 run.dir=runs/rates",
            "trainwright sweep runs/rates",
        ],
        train_settings,
        usual_of_training,
    )
    made.add_argument("words", nargs="*", metavar="CONFIG|DATA|GROUP", help="what `train` takes, then settings; or the folder of a group")
    made.add_argument("-t", "--target", "--targets", action="append", default=[], metavar="COLUMNS", help="what to predict, as of `train`")
    made.add_argument("--seeds", metavar="N|A,B", help="so many seeds, from run.seed on; or these")
    made.add_argument("--folds", metavar="K", help="each of K folds is the test rows of one run; they are stratified by class or label")
    made.add_argument("--folds-by", metavar="COLUMN", help="the folds are the values of a column, in place of --folds")
    made.add_argument("--groups", metavar="COLUMN", help="rows of one value, such as a patient's, are never in two folds")
    made.add_argument(
        "--grid", action="append", default=[], metavar="OPTION=A,B", help="each value of an option; given several times, every combination"
    )
    made.add_argument("--jobs", metavar="N", help="runs at a time (default: as many as there are processors for)")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    return made
