"""`tw.fit(devices=2)` and `tw.train(devices=2)` from a program: the same object and result as in one process, and what cannot be sent."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from fork_server import fork_server
from trainwright.api.programs import check_sent
from trainwright.config.errors import ConfigError, Interrupted, RunError
from trainwright.parallel.programs import choose_method

pytestmark = pytest.mark.slow

QUIET: dict[str, Any] = {"evaluation": {"report": False}, "trackers": ["csv"], "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.1}


class Stop(tw.Callback):
    """Sends a signal to one rank, or raises in it, after some steps."""

    every_rank = True

    def __init__(self, rank: int, number: int = 0, mark: Path | None = None) -> None:
        """`mark`: a file that is made then, and where it is there nothing happens any more."""
        self.rank, self.number, self.mark = rank, number, mark

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.world.rank == self.rank and session.step == 3 and not (self.mark and self.mark.exists()):
            if self.mark:
                self.mark.touch()
            if self.number:
                os.kill(os.getpid(), self.number)
            else:
                raise ZeroDivisionError("in a callback")


def caught(work: Any) -> BaseException:
    try:
        work()
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is looked at)
        return error
    raise AssertionError("nothing was raised")


def fit_in_two(folder: Path) -> None:
    """In a process whose torch has begun no threads and that pytest does not look into."""
    os.chdir(folder)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    y = (x[:, 0] > 0).long()

    def make() -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    def loss(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # of a function, which no other process can be sent
        return nn.functional.cross_entropy(outputs, target)

    model, alone, shown = make(), make(), io.StringIO()
    two = tw.fit(model, (x[:48], y[:48]), (x[48:], y[48:]), loss=loss, max_epochs=2, devices=2, run_dir="two", console=shown, **QUIET)
    one = tw.fit(alone, (x[:48], y[:48]), (x[48:], y[48:]), loss=loss, max_epochs=2, run_dir="one", console=False, **QUIET)
    quick: dict[str, Any] = {"trainer": {"max_epochs": 1}, "evaluation": {"baselines": [], "report": False, "importance": False}}
    table = tw.train(
        {"a": x[:, 0].numpy(), "y": y.numpy()},
        target="y",
        devices=2,
        run_dir="table",
        data={"split": {"type": "random", "seed": 3}},
        **quick,
    )
    again, dies, started = make(), [Stop(1, signal.SIGKILL, Path("mark"))], {"devices": 2, "launch": {"restarts": 1}}
    tw.fit(again, (x[:48], y[:48]), (x[48:], y[48:]), loss=loss, max_epochs=2, console=False, callbacks=dies, **started, **QUIET)
    written = make()
    tw.load_weights(written, "two")
    found = {
        "same object": two.system is model,
        "trained": not torch.equal(model[0].weight, make()[0].weight),  # type: ignore[arg-type]
        "as written": all(torch.equal(each, written.state_dict()[name]) for name, each in model.state_dict().items()),
        "again": max(float((each - again.state_dict()[name]).abs().max()) for name, each in model.state_dict().items()),
        "starts": [each.read_text().count('"event": "start"') for each in Path("runs").rglob("events.jsonl")],
        "members": caught(lambda: tw.fit(make(), (x, y), max_steps=5, console=False, launch={"max": 2}, run_dir="m", **QUIET)),
        "steps": (two.steps, one.steps),
        "metrics": sorted(two.metrics) == sorted(one.metrics),
        "path": str(two.path),
        "table": (table.status, sorted(table.metrics)),
        "shown": shown.getvalue(),
        "group": torch.distributed.is_initialized(),
        "rank": os.environ.get("RANK"),
        "raised": caught(
            lambda: tw.fit(make(), (x, y), max_steps=5, devices=2, run_dir="bad", console=False, callbacks=[Stop(1)], **QUIET)
        ),
        "taken": caught(lambda: tw.fit(make(), (x, y), max_steps=5, devices=2, run_dir="two", console=False, **QUIET)),
        "stopped": caught(
            lambda: tw.fit(
                make(), (x, y), max_steps=500, devices=2, run_dir="s", console=False, callbacks=[Stop(1, signal.SIGTERM)], **QUIET
            )
        ),
        "log": Path("two/logs/rank-1.txt").is_file(),
        "bad": sorted(each.name for each in Path("bad/logs").iterdir()),
    }
    (folder / "found").write_bytes(pickle.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("fit")
    process = fork_server().Process(target=fit_in_two, args=(folder,))
    process.start()
    process.join(200)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode == 0
    made: dict[str, Any] = pickle.loads((folder / "found").read_bytes())
    return made


def test_the_caller_has_the_same_object_with_the_trained_weights(found: dict[str, Any]) -> None:
    assert (found["same object"], found["trained"], found["as written"], found["metrics"]) == (True, True, True, True)
    assert found["steps"] == (6, 6)
    assert found["path"].endswith("two")
    assert found["log"]


def test_processes_that_are_started_again_give_the_same_object(found: dict[str, Any]) -> None:
    assert found["again"] <= 1e-6
    assert found["starts"] == [2]
    assert "launch.min and launch.max are for commands" in str(found["members"])


def test_a_table_in_memory_is_trained_in_two(found: dict[str, Any]) -> None:
    assert found["table"] == ("finished", ["test", "train", "validation"])


def test_what_rank_0_shows_goes_where_the_program_wants_it(found: dict[str, Any]) -> None:
    assert "stopped at step 6" in found["shown"]
    assert "[rank" not in found["shown"]


def test_the_program_itself_stays_one_process(found: dict[str, Any]) -> None:
    assert (found["group"], found["rank"]) == (False, None)


def test_what_ends_a_rank_is_raised_in_the_program(found: dict[str, Any]) -> None:
    assert type(found["raised"]) is ZeroDivisionError
    assert "in rank 1:" in "".join(found["raised"].__notes__)
    assert found["bad"] == ["rank-0.error.json", "rank-1.error.json", "rank-1.txt"]
    assert type(found["taken"]) is RunError
    assert found["taken"].fix == "give resume=True to continue it, or choose another place with run_dir=DIR"
    assert type(found["stopped"]) is Interrupted
    assert "stopped and saved at step" in str(found["stopped"])


def test_what_cannot_be_sent_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_sent({"model": nn.Linear(2, 2), "loss": "mse"}, "tw.fit", 2)
    with pytest.raises(ConfigError, match=r"loss \(.*<lambda>\) cannot be sent to 2 processes") as raised:
        check_sent({"model": nn.Linear(2, 2), "loss": lambda x: x}, "tw.fit", 2)
    assert "./my_parts.py:name" in raised.value.fix
    with pytest.raises(ConfigError, match=r"callbacks\[0\]\.file"):
        check_sent({"callbacks": [types.SimpleNamespace(file=open(os.devnull))]}, "tw.fit", 2)  # noqa: SIM115
    session = types.ModuleType("__main__")

    class Net(nn.Linear):
        pass

    Net.__module__, Net.__qualname__, session.Net = "__main__", "Net", Net  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", session)
    with pytest.raises(ConfigError, match=r"model \(Net\) cannot be sent") as raised:
        check_sent({"model": Net(2, 2)}, "tw.fit", 2)
    assert "defined in this session" in raised.value.why
    session.__file__ = str(tmp_path / "script.py")
    Path(session.__file__).write_text("import trainwright\n")
    with pytest.raises(ConfigError, match="processes cannot begin from this script"):
        check_sent({}, "tw.fit", 2)


def test_processes_are_forked_where_cuda_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_method("cpu") == "fork"
    monkeypatch.setattr("trainwright.parallel.programs._has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert choose_method("auto") == "spawn"


@pytest.mark.parametrize("devices", [0, -1, "two", 10_000])
def test_a_number_of_processes_that_is_none_is_refused(devices: Any, tmp_path: Path) -> None:
    with pytest.raises(tw.TrainwrightError) as raised:
        tw.fit(nn.Linear(2, 1), (torch.zeros(4, 2), torch.zeros(4, 1)), loss="mse", devices=devices, run_dir=tmp_path / "r")
    assert "devices" in str(raised.value)
    assert not list(tmp_path.iterdir())
