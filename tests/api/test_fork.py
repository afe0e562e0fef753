"""A child run begins where its parent was, with settings of its own; a continued run may change only what is still to come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import trainwright as tw
from trainwright.api.fork import fork
from trainwright.api.resume import resume
from trainwright.config.errors import ConfigError, Interrupted, RequestError, RunError
from trainwright.tracking.csv import read_rows

QUICK = {"report": False, "importance": False, "baselines": []}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("forks") / "parent"
    optimizer = {"type": "adamw", "learning_rate": 0.01}
    tw.train("builtin:iris", run_dir=place, evaluation=QUICK, trainer={"max_epochs": 4, "optimizer": optimizer})
    return place


def steps(run: Path) -> list[int]:
    return [int(row["step"]) for row in read_rows(run / "metrics.csv")]


def child(parent: Path, place: Path, *settings: str) -> dict[str, Any]:
    fork(parent, [f"run.dir={place}", *settings])
    return {**json.loads((place / "run.json").read_text()), **json.loads((place / "results.json").read_text())}


def test_a_child_goes_on_from_the_last_step_of_its_parent_and_says_whose_it_is(parent: Path, tmp_path: Path) -> None:
    before = steps(parent)
    info = child(parent, tmp_path / "child", "trainer.max_epochs=6", "trainer.optimizer.learning_rate=0.001")
    assert info["parent"] == str(parent)
    assert info["forked_at"] == 28
    assert steps(tmp_path / "child") == [*before, 35, 42]
    rates = {int(row["step"]): row["learning_rate"] for row in read_rows(tmp_path / "child" / "metrics.csv")}
    assert (rates[28], rates[35]) == (0.01, 0.001)
    assert steps(parent) == before


def test_with_another_batch_size_or_optimizer_the_next_epoch_begins(parent: Path, tmp_path: Path) -> None:
    info = child(parent, tmp_path / "child", "trainer.max_epochs=6", "trainer.batch_size=35", "trainer.optimizer=sgd")
    assert info["realised"]["batch_size"] == 35
    assert steps(tmp_path / "child")[-2:] == [28 + 3, 28 + 6]


def test_a_child_of_a_child_and_of_a_batch_that_grew_begins_the_next_epoch(parent: Path, tmp_path: Path) -> None:
    child(parent, tmp_path / "child", "trainer.max_epochs=6", "trainer.batch_size=35")
    info = child(tmp_path / "child", tmp_path / "grandchild", "trainer.max_epochs=8", "trainer.batch_size=35")
    assert steps(tmp_path / "grandchild")[-2:] == [28 + 9, 28 + 12]
    assert info["realised"]["epochs"] == 8


def test_a_child_that_was_killed_before_its_own_first_step_continues_as_itself(parent: Path, tmp_path: Path) -> None:
    place = tmp_path / "child"
    child(parent, place, "trainer.max_epochs=6", "trainer.batch_size=35")
    assert resume(place).metrics["test"]


def test_what_does_not_fit_is_refused_and_leaves_no_child(parent: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="weights are another model's"):
        fork(parent, [f"run.dir={tmp_path / 'child'}", "model.combiner.width=7", "trainer.max_epochs=6"])
    assert not (tmp_path / "child").exists()
    with pytest.raises(RequestError, match="unknown"):
        fork(parent, [f"run.dir={tmp_path / 'child'}", "trainer.max_epoch=6"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RunError):
        fork(empty)


def test_a_setting_of_the_past_is_refused_with_the_way_to_a_child(parent: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.optimizer\.learning_rate: 0\.01 → 0\.5") as error:
        resume(parent, ["trainer.optimizer.learning_rate=0.5"])
    assert "--fork" in error.value.fix


def interrupted(place: Path, **settings: Any) -> None:
    from trainwright.engine.callbacks import Callback
    from trainwright.engine.trainer import Trainer

    class Stop(Callback):
        def on_train_batch_end(self, session: Any, *_: Any) -> None:
            if session.step == 10:
                session.parts.interrupts.request()

    made = Trainer.__init__

    def with_stop(self: Any, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **{**options, "callbacks": [*options.get("callbacks", []), Stop()]})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "__init__", with_stop)
        with pytest.raises(Interrupted):
            tw.train("builtin:iris", run_dir=place, evaluation=QUICK, trainer={"max_epochs": 4, **settings})


def test_a_longer_run_is_allowed_where_the_schedule_does_not_look_at_the_length(tmp_path: Path) -> None:
    interrupted(tmp_path / "a")
    resume(tmp_path / "a", ["trainer.max_epochs=5", "trainer.evaluate_every=2 epochs", "trainer.checkpoint.keep_last=3"])
    assert steps(tmp_path / "a")[-1] == 35


def test_a_longer_run_is_refused_where_the_schedule_would_have_been_another(tmp_path: Path) -> None:
    interrupted(tmp_path / "a", schedule="cosine")
    with pytest.raises(RunError, match="cannot be continued with another length") as error:
        resume(tmp_path / "a", ["trainer.max_epochs=5"])
    assert "with 35 steps instead of 28, the schedule would have been another before step 10" in error.value.why
    resume(tmp_path / "a")
    assert steps(tmp_path / "a")[-1] == 28


@pytest.mark.parametrize(
    "settings",
    [
        {"swa": {"start": "0.25 run"}},
        {"parameters": {"rules": [{"match": "encoders", "freeze": "0.3 run"}]}},
        {"parameters": {"rules": [{"match": "encoders", "schedule": "cosine"}]}},
    ],
)
def test_whatever_follows_from_the_length_is_looked_at(settings: dict[str, Any], tmp_path: Path) -> None:
    interrupted(tmp_path / "a", **settings)
    with pytest.raises(RunError, match="cannot be continued with another length"):
        resume(tmp_path / "a", ["trainer.max_epochs=8"])


def test_a_run_cannot_end_before_where_it_is(tmp_path: Path) -> None:
    interrupted(tmp_path / "a")
    with pytest.raises(RunError, match="this run is longer already") as error:
        resume(tmp_path / "a", ["trainer.max_epochs=1"])
    assert error.value.where == "trainer.max_epochs"
    resume(tmp_path / "a", ["trainer.loader.workers=0", "run.device=cpu"])


@pytest.mark.parametrize("kind", ["none", "weights"])
def test_a_run_that_keeps_no_full_checkpoints_has_no_children_and_its_end_is_as_any(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "parent"
    tw.train("builtin:iris", run_dir=place, trainer={"max_epochs": 1, "checkpoint": kind}, evaluation=QUICK)
    assert resume(place).path == place
    with pytest.raises(RunError, match="no child can begin") as error:
        fork(place, [f"run.dir={tmp_path / 'child'}"])
    assert error.value.fix == "start a new run; one with trainer.checkpoint: full can have children"
    assert not (tmp_path / "child").exists()
