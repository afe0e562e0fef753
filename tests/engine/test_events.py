"""What happened in a run is in one file, and handed to handlers of a person's own; so are its numbers, by group."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
from pathlib import Path
from typing import Any

import engine_runs
import pytest
import torch
from torch.distributed.elastic import events as elastic_events
from torch.distributed.elastic import metrics as elastic_metrics

from trainwright.config.errors import ConfigError, Interrupted
from trainwright.engine.callbacks import Callback
from trainwright.engine.callbacks.event_handlers import EventHandlers
from trainwright.engine.callbacks.metric_handlers import MetricHandlers
from trainwright.engine.callbacks.options import EventHandlersOptions, MetricHandlersOptions
from trainwright.engine.events import read_events

HANDLERS = """
import json

class Events:
    def record(self, event):
        with open(__file__ + ".events", "a") as file:
            file.write(json.dumps(event) + chr(10))

class Metrics:
    def emit(self, data):
        with open(__file__ + ".metrics", "a") as file:
            file.write(json.dumps([data.group_name, data.name, data.value]) + chr(10))

def fails(thing):
    raise OSError("no such place")
"""


class Meets(Callback):
    """A signal after the seventh step, memory that runs out in the third, a loss that is not finite in the fifth; each of them once."""

    def __init__(self) -> None:
        self.met: set[str] = set()

    def once(self, what: str, now: bool) -> bool:
        fresh = now and what not in self.met
        self.met |= {what} if fresh else set()
        return fresh

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.batches_seen == 4:
            batch["input"][0] = math.nan

    def on_before_backward(self, session: Any, system: Any, loss: Any) -> None:
        if self.once("memory", session.step == 2):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        elastic_metrics.put_metric("own", session.step, "mine")
        elastic_metrics.put_metric("other", 1, "nobody's")
        elastic_events.record(elastic_events.Event("downloaded", elastic_events.EventSource.WORKER, metadata={"files": 3, "step": 99}))
        if self.once("signal", session.step == 7):
            os.kill(os.getpid(), signal.SIGTERM)


def run(folder: Path, *callbacks: Callback, resume: bool = False, **options: Any) -> Any:
    given = {"batch_size": 8, "max_epochs": 2, "log_every": "2 steps", "recovery": {"not_finite": "rollback"}, "early_stopping": None}
    config = engine_runs.config(**given | options)
    trainer = engine_runs.Trainer(config, seed=3, device="cpu", callbacks=list(callbacks), console=False)
    return trainer.fit(engine_runs.system(), engine_runs.rows(40), engine_runs.rows(16), run=folder / "run", resume=resume)


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("events")
    (folder / "mine.py").write_text(HANDLERS)
    groups = {"mine": f"{folder}/mine.py:Metrics", "train": f"{folder}/mine.py:Metrics", "validation": "none"}
    own = [{"type": "events", "handlers": [f"{folder}/mine.py:Events"]}, {"type": "metric_handlers", "groups": groups}]
    meets = Meets()
    with pytest.raises(Interrupted):
        run(folder, meets, callbacks=own)
    run(folder, meets, resume=True, callbacks=own)
    return folder, read_events(folder / "run")


Happened = tuple[Path, list[dict[str, Any]]]


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in events if each["event"] == name]


def test_a_file_has_what_happened_in_its_order(happened: Happened) -> None:
    _, events = happened
    assert [each["event"] for each in events if each["event"] not in ("save", "evaluate", "downloaded")] == [
        *("start", "out_of_memory", "rollback", "signal", "end", "start", "finish")
    ]
    assert all(each["rank"] == 0 and each["time"].startswith("20") and isinstance(each["step"], int) for each in events)
    (memory,), (back,), (heard,) = named(events, "out_of_memory"), named(events, "rollback"), named(events, "signal")
    assert (memory["step"], memory["rows"], memory["micro_batch_size"]) == (2, 8, 4)
    assert back["batches"] == [4] and "nan" in back["why"]
    assert (heard["signal"], heard["step"]) == ("SIGTERM", 7)
    assert named(events, "finish")[0]["because"] == "max_epochs" and named(events, "start")[0]["ranks"] == 1
    assert named(events, "evaluate")[0]["monitor"] and all(each["begun"] for each in named(events, "save"))


def test_handlers_of_ones_own_get_the_same_and_what_the_elastic_package_records(happened: Happened) -> None:
    folder, events = happened
    assert [json.loads(line) for line in (folder / "mine.py.events").read_text().splitlines()] == events
    recorded = named(events, "downloaded")
    assert len(recorded) >= 9 and recorded[0]["files"] == 3 and recorded[0]["source"] == "WORKER" and recorded[0]["step"] == 1
    assert logging.getLogger("torchelastic-events-null").handlers == [
        each for each in logging.getLogger("torchelastic-events-null").handlers if type(each).__name__ != "Recorded"
    ]


def test_numbers_go_to_the_handler_of_their_group(happened: Happened) -> None:
    folder, _ = happened
    handed = [json.loads(line) for line in (folder / "mine.py.metrics").read_text().splitlines()]
    assert {group for group, _, _ in handed} == {"mine", "train"}
    assert ["mine", "own", 1.0] in handed and any(group == "train" and name == "loss" for group, name, _ in handed)
    elastic_metrics.put_metric("late", 1, "mine")  # after the run nobody takes it
    assert len((folder / "mine.py.metrics").read_text().splitlines()) == len(handed)


def test_a_handler_that_fails_is_named_once_and_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine.py").write_text(HANDLERS)
    fails = f"{tmp_path}/mine.py:fails"
    own = [{"type": "events", "handlers": [fails, "console"]}, {"type": "metric_handlers", "groups": {"*": fails}}]
    result = run(tmp_path, callbacks=own)
    assert result.steps == 10
    assert caplog.text.count("fails is told of no more events: OSError: no such place") == 1
    assert caplog.text.count("the handler of the metrics '*' is told of no more") == 1


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(ConfigError, match="'consol' is no handler"):
        EventHandlers(EventHandlersOptions(handlers=["consol"]))
    with pytest.raises(ConfigError, match=r"trainer\.callbacks: metric_handlers\.groups\.train"):
        MetricHandlers(MetricHandlersOptions(groups={"train": "consol"}))
    with pytest.raises(ValueError, match=r"'trainwright\.engine\.events:FILE' is not a class"):
        engine_runs.config(callbacks=[{"type": "events", "handlers": ["trainwright.engine.events:FILE"]}])
