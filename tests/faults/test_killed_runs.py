"""SIGKILL at random moments, over several kinds of systems: what is continued ends as what was never killed, to the bit.

KILLS=1000 for the nightly run, in place of two for each kind; SEED for other moments; KINDS=table,loader for some kinds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
from fault_kinds import ALL, process

from fork_server import fork_server
from trainwright.tracking.csv import read_rows

KILLS = int(os.environ.get("KILLS", "56"))
SEED = int(os.environ.get("SEED", "20260101"))
ONE_READS = threading.Lock()
"""An exit code can be read once, and starting a process reads those of all others: two threads at it make one of them 255."""
KILLS_PER_RUN = 10
AT_ONCE = 2 if "KILLS" in os.environ else 1
"""Runs that are killed at the same time; beside other tests they would wait for each other."""
LONGEST = 0.45
"""Share of a whole run after which a start is killed at the latest."""
WALL_CLOCK = {"seconds", "samples_per_second", "timing", "startup_seconds"}
OF_THIS_START = {"log.txt", "events.jsonl", "command.txt", "environment.json", "run.json", "report.html", ".lock", "code", "code.json"}
"""What says when and how a process ran, or repeats it."""
TEXTS = {".yaml", ".txt"}


@dataclass
class Count:
    """What the harness saw."""

    kills: int = 0
    while_writing: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def started(context: Any, kind: str, folder: Path, seconds: float | None, dies_at: int = 0) -> int:
    """Begin or continue a run and SIGKILL it so long after it began to be made; its exit code."""
    begun = Path(f"{folder}.begun")
    begun.unlink(missing_ok=True)
    running = context.Process(target=process, args=(kind, str(folder), dies_at))
    with ONE_READS:
        running.start()
    while seconds is not None and not begun.exists() and not wait([running.sentinel], 0):
        time.sleep(0.002)
    if not wait([running.sentinel], seconds):
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(running.pid, signal.SIGKILL)
        wait([running.sentinel])
    with ONE_READS:
        running.join()
    return int(running.exitcode)


def outcome(folder: Path) -> dict[str, Any]:
    """Everything that a run left, by file, clocks aside; paths of the run are as if it lay elsewhere."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    named = {str(path.relative_to(folder)): path for path in files if path.relative_to(folder).parts[0] not in OF_THIS_START}
    links = {str(path.relative_to(folder)): os.readlink(path) for path in folder.rglob("*") if path.is_symlink()}
    return links | {name: content(path, str(folder)) for name, path in sorted(named.items())}


def content(path: Path, folder: str) -> Any:
    """What stands in a file, clocks aside."""
    if path.name == "metrics.csv":
        return [{name: repr(value) for name, value in row.items() if name not in WALL_CLOCK} for row in read_rows(path)]
    if path.suffix == ".json":
        return without_clocks(json.loads(path.read_text().replace(folder, "RUN")), path.name)
    return path.read_text().replace(folder, "RUN") if path.suffix in TEXTS else path.read_bytes()


def without_clocks(found: Any, name: str) -> Any:
    """A document without what the clock said, and without digests of it."""
    if name == "trainer.json":
        found["last_row"] = found["last_row"][0]
    if name == "manifest.json":
        del found["digest"]
        found["files"] = [each for each in found["files"] if each["name"] != "trainer.json"]

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cleaned(each) for name, each in value.items() if name not in WALL_CLOCK}
        return [cleaned(each) for each in value] if isinstance(value, list) else value

    return cleaned(found)


def killed_again_and_again(context: Any, kind: str, folder: Path, length: float, expected: dict[str, Any], wanted: int) -> Count:
    """One run, killed up to `wanted` times and then left to end."""
    count, moments = Count(runs=1), random.Random(f"{SEED} {folder.name}")
    while count.kills < wanted:
        code = started(context, kind, folder, moments.uniform(0.0, LONGEST) * length)
        if code == 0:
            break
        if code != -9:
            count.lost.append(f"{folder.name}: exit code {code}: {Path(f'{folder}.stderr').read_text()[-2000:]}")
            return count
        count.kills += 1
        count.while_writing += any(folder.glob("checkpoints/.*.tmp"))
    code = started(context, kind, folder, None)
    if code != 0:
        count.lost.append(f"{folder.name}: exit code {code}: {Path(f'{folder}.stderr').read_text()[-2000:]}")
    elif (found := outcome(folder)) != expected:
        names = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
        count.differing.append(f"{folder.name}: {names}: {[difference(expected, found, name) for name in names[:3]]}")
    return count


def chosen() -> list[str]:
    """The kinds that are killed: all, or those that KINDS names, with commas between."""
    asked = os.environ.get("KINDS", "")
    return [kind for kind in ALL if not asked or any(each in kind for each in asked.split(","))]


def difference(expected: dict[str, Any], found: dict[str, Any], name: str) -> str:
    """The first place where two contents differ, for a person to read."""
    one, other = expected.get(name), found.get(name)
    if isinstance(one, list) and isinstance(other, list):
        pairs = [(a, b) for a, b in zip_longest(one, other) if a != b][:1]
        one, other = pairs[0] if pairs else (one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = ({key: a.get(key) for key in {**one, **other} if one.get(key) != other.get(key)} for a in (one, other))
    return f"{str(one)[:600]} | {str(other)[:600]}"


@pytest.mark.slow
def test_runs_of_every_kind_killed_at_random_moments_end_as_those_that_were_not(tmp_path: Path) -> None:
    context = fork_server()
    begun, counts = time.perf_counter(), []
    for kind in chosen():
        name = kind.replace(", ", "-").replace(" ", "_")
        whole, kind_begun = tmp_path / f"{name}-whole", time.perf_counter()
        assert started(context, kind, whole, None) == 0, Path(f"{whole}.stderr").read_text()
        length, expected = time.time() - Path(f"{whole}.begun").stat().st_mtime, outcome(whole)
        left, number, of_kind = -(-KILLS // len(chosen())), 0, []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while left > 0 and not any(each.lost or each.differing for each in of_kind):
                wanted = [min(KILLS_PER_RUN, -(-left // AT_ONCE))] * AT_ONCE
                places = [tmp_path / f"{name}-{number + each}" for each in range(AT_ONCE)]
                tasks = [
                    pool.submit(killed_again_and_again, context, kind, place, length, expected, each)
                    for place, each in zip(places, wanted, strict=True)
                ]
                done = [task.result() for task in tasks]
                of_kind += done
                left, number = left - sum(each.kills for each in done), number + AT_ONCE
        told(kind, of_kind, time.perf_counter() - kind_begun)
        counts += of_kind
        if not any(each.lost or each.differing for each in of_kind):  # or else they are there to be looked at
            for place in tmp_path.glob(f"{name}-*/"):
                shutil.rmtree(place)
    told(f"all kinds, seed {SEED}", counts, time.perf_counter() - begun)
    assert not [each for count in counts for each in count.lost]
    assert not [each for count in counts for each in count.differing]
    assert sum(count.kills for count in counts) >= KILLS


def told(what: str, counts: list[Count], seconds: float) -> None:
    """Print what was seen."""
    kills, writing, runs = (sum(getattr(each, name) for each in counts) for name in ("kills", "while_writing", "runs"))
    lost, differing = (sum(len(getattr(each, name)) for each in counts) for name in ("lost", "differing"))
    told = f"{kills} kills ({writing} while a checkpoint was written) of {runs} runs: {lost} lost, {differing} differing"
    print(f"{what}: {told}, {seconds:.0f} s", flush=True)


@pytest.mark.slow
def test_a_run_of_a_table_killed_before_any_of_its_first_files_leaves_them_all_once_it_was_continued(tmp_path: Path) -> None:
    context = fork_server()
    assert started(context, "table by command", tmp_path / "whole", None) == 0
    expected = outcome(tmp_path / "whole")
    for number in range(2, 9):  # from run.json to the first copy of the configuration
        place = tmp_path / str(number)
        assert started(context, "table by command", place, None, number) == -9
        assert started(context, "table by command", place, None) == 0
        assert outcome(place) == expected
