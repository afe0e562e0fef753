"""`trainwright sweep`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import count_things, dim, table
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from trainwright.api.sweep import Axes, Spread
    from trainwright.runs.group import Group, Member

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
    from trainwright.runs.group import FILE, Group
    from trainwright.runs.log import console_logging

    console_logging()
    from trainwright.api.sweep import first_config, run_group

    if os.path.lexists(Path(arguments.words[0]) / FILE):
        launch = read_launch_settings(arguments)
        group = Group.open(Path(arguments.words[0]))
        config, new = first_config(group, launch), False
    else:
        (group, config), new, launch = _begin(arguments), True, []
    if not arguments.json:
        where = os.path.relpath(group.folder)
        print(f"{count_things(len(group.members), 'run')} in {where}" if new else f"going on with {where}", flush=True)
    shown: set[str] = set()
    code = run_group(group, config, jobs, tell=partial(tell_member, shown=None if arguments.json else shown), launch=launch)
    if group.folder.exists():
        print(json.dumps(as_json(group), indent=2, ensure_ascii=False) if arguments.json else describe_group(group))
    else:
        print("nothing was written", file=sys.stderr)
    return code


def _begin(arguments: argparse.Namespace) -> Any:
    from trainwright.api.sweep import begin_group
    from trainwright.cli.settings import composed_from

    words, target = arguments.words, arguments.target
    seed = _first_seed(composed_from(words, target)) if arguments.seeds else 0
    axes = read_axes(arguments, seed)
    return begin_group(lambda settings: composed_from([*words, *(f"{key}={value}" for key, value in settings.items())], target), axes)


def _first_seed(composed: Any) -> int:
    """The seed that the configuration names, from which on seeds are counted."""
    found = composed.values.get("run")
    seed = found.get("seed", 0) if isinstance(found, dict) else 0
    return seed if isinstance(seed, int) else 0


def read_axes(arguments: argparse.Namespace, seed: int) -> Axes:
    """By what the members differ, as the flags say it. Raises RequestError for what is no number, no option or no value."""
    from trainwright.api.sweep import Axes

    seeds: tuple[int, ...] = ()
    if arguments.seeds is not None:
        if not NUMBERS.fullmatch(arguments.seeds) or arguments.seeds == "0":
            raise RequestError(f"'{arguments.seeds}' is no number of seeds", where="--seeds", fix="--seeds 5, or --seeds 3,7,11")
        seeds = tuple(map(int, arguments.seeds.split(","))) if "," in arguments.seeds else tuple(range(seed, seed + int(arguments.seeds)))
    folds = 0 if arguments.folds is None else _whole_number(arguments.folds, "--folds", least=2)
    return Axes(_apart(seeds, "--seeds"), folds, tuple(map(_read_grid, arguments.grid)))


def _apart(values: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    twice = next((each for each in values if values.count(each) > 1), None)
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
    if code in ("0", "75") or code in INTERRUPTED:
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


def describe_group(group: Group) -> str:
    """The members with their status and main numbers, and below them the mean over those that differ by seed and fold alone."""
    from trainwright.api.sweep import measure_spread

    found = {each.name: each.summarize() for each in group.members}
    numbers = {each.name: each.metrics() for each in group.members if found[each.name]["status"] == "finished"}
    shown = main_metrics([found[name] for name in numbers], numbers)
    header = (*(key.rpartition(".")[2] for key in group.axes), "status", *shown)
    rows = [
        (
            *(each.settings[key] for key in group.axes),
            found[each.name]["status"],
            *(_number(numbers.get(each.name, {}).get(name)) for name in shown),
        )
        for each in group.members
    ]
    lines = ["", table(header, rows, right=range(len(group.axes) + 1, len(header)))]
    spreads = [each for each in measure_spread(group, numbers, shown) if len(each.values) > 1]
    lines += ["", *(_line(each) for each in spreads)] if spreads else []
    lines += ["", dim(f"all numbers: {os.path.relpath(group.folder / 'table.csv')}")] if numbers else []
    return "\n".join(lines)


def main_metrics(found: Sequence[dict[str, Any]], numbers: dict[str, dict[str, float]]) -> list[str]:
    """The headline metric of the first finished run, on the validation and the test rows as far as they have it."""
    first = next((each for each in found if each["metric"]), None)
    if first is None:
        return []
    target = f".{first['target']}.{first['metric']}"
    there = {name for each in numbers.values() for name in each}
    return [name for split in ("validation", "test", "train") if (name := f"{split}{target}") in there][:2]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _line(spread: Spread) -> str:
    where = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in spread.settings.items())
    deviation = "" if spread.deviation is None else f" ± {spread.deviation:.4f}"
    return f"{where + ': ' if where else ''}{spread.metric} {spread.mean:.4f}{deviation}  (n = {len(spread.values)}, mean ± sd)"


def as_json(group: Group) -> dict[str, Any]:
    """The group as plain values."""
    members = []
    for each in group.members:
        told = {"name": each.name, "settings": each.settings, "run": str(each.run)}
        members.append({**each.summarize(), **told, "metrics": each.metrics()})
    return {"folder": str(group.folder), "axes": list(group.axes), "members": members}


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    from trainwright.cli.train import train_settings, usual_of_training

    made = ConfiguredParser(
        "sweep",
        "Train the same configuration with other seeds, other folds or other values of options: a folder of ordinary runs, some at a time, "
        "and one table of them with mean and standard deviation. Given the folder of a group, go on with those that are not finished.",
        "CONFIG|DATA|GROUP [--target COLUMNS] [--seeds N] [--folds K] [--grid OPTION=VALUE,VALUE] [--jobs N] [--json] [key=value …]",
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
    made.add_argument("--folds", metavar="K", help="each of K folds is the test rows of one run")
    made.add_argument(
        "--grid", action="append", default=[], metavar="OPTION=A,B", help="each value of an option; given several times, every combination"
    )
    made.add_argument("--jobs", metavar="N", help="runs at a time (default: as many as there are processors for)")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    return made
