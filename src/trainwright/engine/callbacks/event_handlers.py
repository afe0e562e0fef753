"""Events of a run for handlers of a person's own, and events that code records with torch's elastic package for the run."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.handlers import find_handler
from trainwright.engine.callbacks.options import EventHandlersOptions
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

OF_TORCH = "torchelastic-events-"
"""What the loggers are called that `torch.distributed.elastic.events.record(event, destination)` writes to."""


class EventHandlers(Callback):
    """Hands each line of `events.jsonl` to functions or objects, and takes in what is recorded by torch's `record(event)` meanwhile."""

    def __init__(self, options: EventHandlersOptions | None = None) -> None:
        self.options = options or EventHandlersOptions()
        where = "trainer.callbacks: events.handlers"
        found = [find_handler(each, "record", where, json.dumps) for each in self.options.handlers]
        self._handlers = [each for each in found if each is not None]
        self._listening: list[tuple[logging.Logger, logging.Handler]] = []

    def setup(self, session: Session, system: System) -> None:
        """Listen from here on."""
        session.parts.events.handlers.extend(self._handlers)
        for destination in self.options.recorded:
            pair = logging.getLogger(OF_TORCH + destination), Recorded(session)
            pair[0].setLevel(logging.INFO)
            pair[0].addHandler(pair[1])
            self._listening.append(pair)

    def teardown(self, session: Session, system: System) -> None:
        """Listen no longer."""
        for logger, handler in self._listening:
            logger.removeHandler(handler)
        self._listening = []
        session.parts.events.handlers = [each for each in session.parts.events.handlers if each not in self._handlers]


class Recorded(logging.Handler):
    """Takes what torch's elastic package records, which is a JSON object as text."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it as an event of the run, by the name that it has."""
        try:
            event: dict[str, Any] = json.loads(record.getMessage())
            name, facts = str(event["name"]), {"source": event.get("source"), **(event.get("metadata") or {})}
        except (ValueError, KeyError, TypeError):
            return  # of somebody else, who writes to a logger of this name
        own = {key: value for key, value in facts.items() if key not in ("event", "step", "rank", "time")}
        self._session.parts.events.tell(name, self._session.step, self._session.rank, **own)
