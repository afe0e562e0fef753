"""Which start of its ranks this is, as whoever starts them again tells them: how many went before, and why. Imports no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from trainwright.parallel.failures import FILE, Failure, first_cause, read_failure

MEETING = "TRAINWRIGHT_MEETING"
"""The variable in which ranks of several members are told where they meet: a file, or `env` for MASTER_ADDR and MASTER_PORT."""
STORY = "TRAINWRIGHT_START"
"""The variable in which our own launcher tells it."""
OF_TORCHRUN = "TORCHELASTIC_RESTART_COUNT"


@dataclass(frozen=True)
class Start:
    """A start of the ranks of a run."""

    number: int = 1
    """Counts all starts under one launcher, from 1 on."""
    restarts: int = 0
    """How many of them followed a failure."""
    most: int = 0
    """How many may."""
    members: int = 1
    """Of how many commands the ranks are."""
    others: bool = False
    """Whether the members are not those of the start before."""
    because: str = ""
    """Why they are started again; empty for the first time."""

    def variables(self) -> dict[str, str]:
        """What a rank is told by."""
        return {STORY: json.dumps(asdict(self))}


def read_start(environment: Mapping[str, str] | None = None) -> Start:
    """The start that this process belongs to: the first one where nobody says."""
    found = os.environ if environment is None else environment
    if told := found.get(STORY):
        return Start(**json.loads(told))
    count = found.get(OF_TORCHRUN, "")
    if not count.isdigit() or count == "0":
        return Start()
    most = found.get("TORCHELASTIC_MAX_RESTARTS", "")
    before = failure_before(found)
    because = "a rank failed" if before is None or before.consequence else describe(before)
    return Start(int(count) + 1, int(count), int(most) if most.isdigit() else 0, because=because)


def failure_before(environment: Mapping[str, str]) -> Failure | None:
    """What ended the start before this one under torchrun, as far as ranks of this machine have written it; None for the first."""
    place, count = Path(environment.get(FILE, "")), environment.get(OF_TORCHRUN, "0")
    if count in ("", "0") or place.parent.parent.name != f"attempt_{count}":
        return None
    folder = place.parent.parent.with_name(f"attempt_{int(count) - 1}")
    return first_cause([failure for each in folder.glob("*/error.json") if (failure := read_failure(each)) is not None])


def describe(failure: Failure | None) -> str:
    """What ended a start, in a few words, with the rank."""
    if failure is None:
        return "a rank ended"
    told = failure.told[0]
    rank = f"rank {failure.rank}"
    return f"{'' if told.where.startswith(rank) else rank + ': '}{told.where + ': ' if told.where else ''}{told.what}"
