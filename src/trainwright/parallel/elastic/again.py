"""Whether ranks that have ended are started again, and what is said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainwright.parallel.agent import INTERRUPTED, REFUSED, Ending
from trainwright.parallel.launchers.base import Command

CHECKPOINTS = "checkpoints"
FOLDER = re.compile(r"step-(\d{8,})")
"""What a whole checkpoint of a run is called."""


def failed(ending: Ending, heard: Sequence[int]) -> bool:
    """Whether it is a failure that another start may get over: no end that was asked for, and no request that is wrong at every start."""
    return ending.code not in (0, REFUSED, INTERRUPTED) and not heard


def newest_step(run: Path | None) -> int:
    """The step of the newest whole checkpoint of a run; -1 where there is none."""
    try:
        names = [each.name for each in (run / CHECKPOINTS).iterdir()] if run is not None else []
    except OSError:
        names = []
    return max((int(found[1]) for each in names if (found := FOLDER.fullmatch(each))), default=-1)


def is_finished(run: Path | None) -> bool:
    """Whether a run says that it is."""
    try:
        return run is not None and json.loads((run / "run.json").read_text(encoding="utf-8")).get("status") == "finished"
    except (OSError, ValueError):
        return False


def words_again(command: Command, run: Path | None) -> tuple[str, ...]:
    """The command for another start, which goes on with `run`; None where it has not made its directory yet."""
    words = command.words
    if words[0] == "resume":
        if "--fork" not in words or run is None:
            return words
        kept = [each for each in words[1:] if each == "--trust-code" or each.startswith("launch.")]
        return ("resume", str(run), *kept)  # the child has the settings now
    more = [] if command.run_dir or run is None else [f"run.dir={run}"]
    known = bool(command.run_dir) or run is not None
    more += ["--resume"] if known and not command.resume else []
    cut = words.index("--") if "--" in words else len(words)
    return (*words[:cut], *more, *words[cut:])


def going_on_from(step: int) -> str:
    """Where another start goes on."""
    return f"from step {step}" if step >= 0 else "from the beginning, since there is no checkpoint"


def tell_given_up(ending: Ending, restarts: int, before: int, newest: int) -> Ending:
    """The ending with what was tried before it; `before`: the newest checkpoint when the ranks were first started again."""
    if ending.failure is None or restarts == 0:
        return ending
    times = "once" if restarts == 1 else f"{restarts} times"
    moved = f"the newest checkpoint is of step {newest} now" if newest > before else "no checkpoint was written since the first time"
    note = f"note: all ranks were started again {times} (launch.restarts={restarts}); {moved}"
    first = ending.failure.told[0]
    told = (replace(first, notes=(*first.notes, note)), *ending.failure.told[1:])
    return replace(ending, failure=replace(ending.failure, told=told))
