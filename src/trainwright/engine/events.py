"""What happened in a run, as lines of JSON: one file per run, and handlers of one's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import FOREIGN
from trainwright.parallel.start import read_start

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FILE = "events.jsonl"
Event = Mapping[str, Any]
"""`time` (ISO 8601, UTC), `event`, `rank` in which it happened, `step` (updates made), and what else is known of it."""


class Events:
    """Hands what happened to whom it may concern. A run in several processes tells it from rank 0, whichever rank it happened in."""

    def __init__(self, *handlers: Callable[[Event], None]) -> None:
        self.handlers = list(handlers)

    def tell(self, event: str, step: int, rank: int = 0, **facts: Any) -> None:
        """Something happened after `step` updates; `facts` are JSON-able. A handler that fails is named once, and told no more."""
        if not self.handlers:
            return
        told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "rank": rank, "step": step, **facts}
        for handler in list(self.handlers):
            try:
                handler(told)
            except FOREIGN as error:  # what a handler raises must not end a run
                self.handlers.remove(handler)
                log.warning("%s is told of no more events: %s: %s", name_of(handler), type(error).__name__, error)


class EventFile:
    """Appends a line for each event to `events.jsonl` of a run, as it happens."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def __call__(self, event: Event) -> None:
        """Write it; nothing for a run that has no directory. Raises OSError when the disk refuses."""
        if not self.path.parent.is_dir():
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


def tell_start(session: Session) -> None:
    """The run begins, or goes on: with how many processes, whether these are as many as before, and why they were started again."""
    parts, size, start = session.parts, session.parts.world.size, read_start()
    starts = [each for each in read_events(parts.folder) if each.get("event") == "start" and "ranks" in each]
    again: dict[str, Any] = {"start": start.number, "restarts": start.restarts, "members": start.members, "because": start.because}
    parts.events.tell(
        "start", session.step, ranks=size, device=str(parts.device), **(again if start.number > 1 or start.members > 1 else {})
    )
    if not starts:
        return
    before = starts[-1]["ranks"], starts[-1].get("members", 1), starts[-1].get("restarts", 0)
    why = start.because or "it was continued"
    if start.others or (size, start.members) != before[:2]:
        parts.events.tell("membership", session.step, before=before[0], ranks=size, members=start.members, because=why)
        log.info("members: %d → %d ranks from step %d on (%s)", before[0], size, session.step, why)
    if start.restarts > before[2]:
        parts.events.tell("restart", session.step, number=start.restarts, most=start.most, because=why)
        log.info("restart %d of %d, from step %d: %s", start.restarts, start.most, session.step, why)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """The events of a run, oldest first; a line that was cut short is left out."""
    path = folder / FILE
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def name_of(handler: Any) -> str:
    """What a handler is called, for a person."""
    owner = getattr(handler, "__self__", handler)
    return getattr(owner, "__name__", None) or type(owner).__name__
