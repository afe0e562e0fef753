"""The callbacks that are built in: what they log is true, they change no update, and they come back as they were."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_runs import StopAt, config, fit, rows, same, system, table, weights
from pydantic import ValidationError
from torch.utils._python_dispatch import TorchDispatchMode

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, Interrupted
from trainwright.config.registry import build, parts
from trainwright.engine.callbacks import Callback, LambdaCallback
from trainwright.engine.callbacks.sample_logger import as_json
from trainwright.engine.trainer import Trainer
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.tracking.csv import read_rows

MICRO: dict[str, Any] = {"micro_batch_size": 3}
OPTIONS: dict[str, dict[str, Any]] = {
    "early_stopping": {},
    "learning_rate_monitor": {"momentum": True, "weight_decay": True},
    "throughput": {},
    "device_stats": {},
    "timer": {},
    "gradient_flow": {},
    "gradient_noise": {"every": 2},
    "histograms": {},
    "dead_units": {},
    "sample_logger": {},
    "profiler": {"first": 3, "last": 5},
    "lambda": {"functions": {"on_log": "builtins.print"}},
    "events": {"handlers": ["console"]},
    "metric_handlers": {"groups": {"train": "none"}},
    "quantization_aware": {},
    "pruning": {"schedule": "one_shot"},
}
"""Every registered callback, with options that make it work in a short run."""
TRAINING = ("quantization_aware", "pruning")
"""Those that are there to change what is learned."""


def made(name: str, /, **options: Any) -> Any:
    """A callback as a configuration makes it."""
    return build("callback", choose("callback", {"type": name, **options}))


def logged(folder: Path, prefix: str) -> list[dict[str, float]]:
    """What the rows have under a prefix, rows without any left out."""
    found = [{key: value for key, value in row.items() if key.startswith(prefix)} for row in read_rows(folder / "metrics.csv")]
    return [row for row in found if row]


def test_the_list_here_is_the_whole_table() -> None:
    assert OPTIONS.keys() == parts("callback").keys()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any, Any]]:
    """Folder, system and result of a run with the callback of a name ("": with none), trained once for all tests, which only read it."""

    @cache
    def run(name: str) -> tuple[Path, Any, Any]:
        folder = tmp_path_factory.mktemp(name or "without")
        return folder, *fit(folder, callbacks=[made(name, **OPTIONS[name])] if name else [], **MICRO)

    return run


@pytest.mark.parametrize("name", [each for each in OPTIONS if each not in TRAINING])
def test_a_callback_changes_no_update_and_no_row_of_others(name: str, unbroken: Any, tmp_path: Path) -> None:
    folder, without, expected = unbroken("")
    with_it, result = fit(tmp_path / "with", callbacks=[made(name, **OPTIONS[name])], **MICRO)
    assert same(weights(without), weights(with_it))
    assert result.metrics == expected.metrics
    plain, more = table(folder), table(tmp_path / "with")
    assert plain == [{key: row[key] for key in before} for before, row in zip(plain, more, strict=True)]


class Reads(TorchDispatchMode):
    """Counts how often a value goes from the device to the host."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", list(OPTIONS))
def test_no_step_waits_for_the_device(name: str, tmp_path: Path) -> None:
    per_step: dict[int, int] = {}

    class Begins(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
            self.reads = Reads()
            self.reads.__enter__()

    class Ends(Callback):
        def __init__(self, begins: Begins) -> None:
            self.begins = begins

        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            self.begins.reads.__exit__(None, None, None)
            per_step[session.step] = self.begins.reads.count

    begins = Begins()
    fit(tmp_path, callbacks=[begins, made(name, **OPTIONS[name]), Ends(begins)], max_epochs=2, **MICRO)
    assert list(per_step) == list(range(1, 13))
    assert set(per_step.values()) == {0}


@pytest.mark.parametrize("name", ["learning_rate_monitor", "gradient_flow", "gradient_noise", "dead_units", *TRAINING])
@pytest.mark.parametrize("k", [1, 2, 5, 6, 7, 13])
def test_what_is_logged_after_a_restart_is_what_would_have_been_logged(name: str, k: int, unbroken: Any, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", callbacks=[made(name, **OPTIONS[name]), StopAt(k)], **MICRO)
    fit(tmp_path / "run", callbacks=[made(name, **OPTIONS[name])], resume=True, **MICRO)
    assert table(tmp_path / "run") == table(unbroken(name)[0])


def test_a_class_of_ones_own_is_made_from_its_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from trainwright.engine.callbacks import Callback\n"
        "class Mine(Callback):\n"
        "    def __init__(self, name: str, factor: float = 2.0):\n"
        "        self.name, self.factor = name, factor\n"
        "    def on_train_batch_end(self, session, system, batch, index):\n"
        "        session.log(self.name, self.factor * session.step, reduce='last')\n"
    )
    mine = made("./mine.py:Mine", name="double")
    fit(tmp_path / "run", callbacks=[mine], log_every="2 steps", max_epochs=1)
    assert [row["double"] for row in logged(tmp_path / "run", "double")] == [4, 8, 12]
    with pytest.raises(ValidationError, match="nam"):
        made("./mine.py:Mine", nam="double")


# learning_rate_monitor


def test_the_learning_rate_of_each_group_is_that_of_the_last_update(tmp_path: Path) -> None:
    class Groups(Callback):
        def on_fit_start(self, session: Any, system: Any) -> None:
            session.optimizer.parameter_groups = [
                ParameterGroup("head", [], [], scale=0.5),
                ParameterGroup("body (no decay)", [], [], rate=0.25, weight_decay=0.0),
            ]

    monitor = made("learning_rate_monitor", momentum=True, weight_decay=True)
    optimizer = {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    fit(tmp_path, callbacks=[Groups(), monitor], schedule="linear", optimizer=optimizer)
    for row in read_rows(tmp_path / "metrics.csv"):
        assert row["learning_rate/head"] == 0.5 * row["learning_rate"]
        assert row["learning_rate/body (no decay)"] == 0.25
        assert (row["momentum/head"], row["weight_decay/head"], row["weight_decay/body (no decay)"]) == (0.9, 0.01, 0.0)


def test_the_momentum_of_adam_is_its_first_beta(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("learning_rate_monitor", momentum=True)], optimizer={"type": "adamw", "betas": [0.8, 0.99]}, max_epochs=1)
    assert {row["momentum/default"] for row in logged(tmp_path, "momentum/")} == {0.8}


# device_stats, timer


def test_device_stats_tell_what_the_system_tells(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("device_stats")])
    status = Path("/proc/self/status")
    rows = logged(tmp_path, "device/")
    assert all(row["device/cpu_percent"] >= 0 for row in rows)
    assert any(row["device/cpu_percent"] > 20 for row in rows)  # it trains, so it works
    if status.exists():
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1]) / 1024  # type: ignore[index]
        assert rows[-1]["device/memory_mib"] == pytest.approx(resident, rel=0.2)
        assert all(0 <= row["device/machine_percent"] <= 100 for row in rows)


def test_device_stats_leave_out_what_is_not_asked_for(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("device_stats", cpu=False)], max_epochs=1)
    assert not logged(tmp_path, "device/")


def test_the_phases_of_the_timer_add_up_to_the_seconds_of_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fit(tmp_path, callbacks=[made("timer")])
    rows = read_rows(tmp_path / "metrics.csv")
    totals = [sum(value for name, value in row.items() if name.startswith("timer/")) for row in rows]
    assert totals == sorted(totals)
    assert totals[-1] == pytest.approx(rows[-1]["seconds"], abs=0.1)
    assert {name for name in rows[-1] if name.startswith("timer/")} == {
        f"timer/{phase}_seconds" for phase in ("train", "evaluate", "checkpoint", "other")
    }
    assert re.search(r"time of the run: train [\d.]+ s \(\d+ %\)", caplog.text)


# lambda


def test_a_function_is_called_with_what_its_hook_gets(tmp_path: Path) -> None:
    steps: list[int] = []
    callback = LambdaCallback(on_log=lambda session, row: steps.append(row["step"]))
    fit(tmp_path, callbacks=[callback], max_epochs=1)
    assert steps == [3, 6]


def test_a_function_may_be_named_by_path_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("steps = []\ndef say(session, row):\n    steps.append(row['step'])\n")
    monkeypatch.chdir(tmp_path)
    options = choose("callback", {"type": "lambda", "functions": {"on_log": "./mine.py:say"}})
    monkeypatch.chdir("/")
    fit(tmp_path / "run", callbacks=[build("callback", options)], max_epochs=1)
    from trainwright.config.foreign import found_at

    assert found_at(options.functions["on_log"])[0].__globals__["steps"] == [3, 6]


def test_a_function_for_no_hook_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no hook 'on_train_batch_stop'(.|\n)*did you mean 'on_train_batch_start'"):
        LambdaCallback(on_train_batch_stop=print)


# early_stopping


def two_stops() -> list[Callback]:
    return [made("early_stopping", monitor="loss", patience=3, min_delta=0.001), made("early_stopping", monitor="accuracy", patience=4)]


def test_two_early_stops_on_different_metrics_both_continue_exactly(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_epochs": 30, "optimizer": {"type": "adamw", "learning_rate": 0.05}}
    whole = two_stops()
    _, expected = fit(tmp_path / "whole", callbacks=whole, **options)
    states = [each.state_dict() for each in whole]
    assert expected.stopped_because == "early_stopping"
    assert states[0] != states[1]
    for k in range(1, expected.steps, 17):
        with pytest.raises(Interrupted):
            fit(tmp_path / str(k), callbacks=[*two_stops(), StopAt(k)], **options)
        again = two_stops()
        _, result = fit(tmp_path / str(k), callbacks=again, resume=True, **options)
        assert (result.steps, result.stopped_because) == (expected.steps, "early_stopping")
        assert [each.state_dict() for each in again] == states
        assert table(tmp_path / str(k)) == table(tmp_path / "whole")


def test_the_states_of_early_stops_are_kept_apart_in_any_order(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[*two_stops(), StopAt(20)])
    newest = max(tmp_path.glob("checkpoints/step-*"))
    saved = json.loads((newest / "trainer.json").read_text())["callbacks"]
    turned = two_stops()[::-1]
    kept: list[Any] = []
    seeing = LambdaCallback(on_fit_start=lambda session, system: kept.extend(each.state_dict() for each in turned))
    fit(tmp_path, callbacks=[*turned, seeing], resume=True)
    assert kept == [saved["early_stopping:accuracy"], saved["early_stopping:loss"]]


class Given(Callback):
    """Puts values of one's own in the place of a metric."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def on_validation_epoch_end(self, session: Any, system: Any, metrics: dict[str, float]) -> None:
        metrics["accuracy"] = self.values.pop(0)


@pytest.mark.parametrize(
    ("options", "values", "evaluations"),
    [
        ({"patience": 2}, [0.5, 0.6, 0.6, 0.6, 0.7], 4),
        ({"patience": 2, "min_delta": 0.15}, [0.5, 0.6, 0.7, 0.7, 0.7], 5),
        ({"patience": 2}, [0.5, math.nan, math.nan, 0.9], 3),
        ({"patience": 9, "good_enough": 0.9}, [0.5, 0.9, 0.1], 2),
        ({"patience": 9, "hopeless": 0.2}, [0.5, 0.3, 0.2, 0.9], 3),
        ({"patience": 9, "stop_when_not_finite": True}, [0.5, math.nan, 0.9], 2),
        ({"patience": 1, "mode": "min"}, [0.5, 0.4, 0.4, 0.1], 3),
    ],
)
def test_an_early_stop_ends_the_run_where_it_should(
    options: Mapping[str, Any], values: list[float], evaluations: int, tmp_path: Path
) -> None:
    given = values + [0.0] * 9
    _, result = fit(tmp_path, callbacks=[Given(given), made("early_stopping", monitor="accuracy", **options)], max_epochs=9)
    assert result.stopped_because == "early_stopping"
    assert result.steps == 6 * evaluations


def test_an_early_stop_on_a_metric_that_does_not_exist_is_refused_with_the_nearest_before_step_1(tmp_path: Path) -> None:
    steps: list[int] = []
    counting = LambdaCallback(on_train_batch_start=lambda *given: steps.append(1))
    with pytest.raises(ConfigError, match=r"early_stopping.monitor: there is no metric 'acuracy'(.|\n)*'accuracy'"):
        fit(tmp_path / "a", callbacks=[counting, made("early_stopping", monitor="acuracy")])
    with pytest.raises(ConfigError, match="no validation rows"):
        fit(tmp_path / "b", callbacks=[counting, made("early_stopping")], validation_rows=0)
    assert not steps


# gradient_flow


def test_gradient_flow_logs_norms_and_updates_by_module_at_logged_steps_only(tmp_path: Path) -> None:
    seen: dict[int, dict[str, float]] = {}

    class Measures(Callback):
        def on_before_optimizer_step(self, session: Any, system: Any) -> None:
            found = {}
            for name in ("model.0", "model.3"):
                layer = system.get_submodule(name)
                grads = torch.cat([param.grad.flatten() for param in layer.parameters()]).double()
                values = torch.cat([param.detach().flatten() for param in layer.parameters()]).double()
                found[f"gradient_norm/{name}"] = grads.norm().item()
                found[f"update_ratio/{name}"] = 0.1 * grads.norm().item() / values.norm().item()
            seen[session.step + 1] = found

    optimizer = {"type": "sgd", "learning_rate": 0.1}
    fit(tmp_path, callbacks=[Measures(), made("gradient_flow")], optimizer=optimizer, log_every="4 steps")
    rows = read_rows(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == [4, 6, 8, 12, 16, 18, 20, 24]
    for row in rows:
        for name, value in seen[row["step"]].items():
            assert row[name] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(("depth", "names"), [(1, {"model"}), (2, {"model.0", "model.3"}), (9, {"model.0", "model.3"})])
def test_depth_says_how_modules_are_counted_together(depth: int, names: set[str], tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("gradient_flow", depth=depth, updates=False)], max_epochs=1)
    assert {name for row in logged(tmp_path, "gradient_norm/") for name in row} == {f"gradient_norm/{name}" for name in names}
    assert not logged(tmp_path, "update_ratio/")


# dead_units


def test_the_share_of_dead_units_is_counted_over_all_rows_since_the_last(tmp_path: Path) -> None:
    trained = system(dropout=0.0)
    with torch.no_grad():
        trained.model[0].bias[:3] = -1e6
        trained.model[0].bias[3:] = 1e3
    fit(tmp_path, trained=trained, callbacks=[made("dead_units")], optimizer={"type": "sgd", "learning_rate": 0.0})
    assert {row["dead_units/model.1"] for row in logged(tmp_path, "dead_units/")} == {3 / 8}


def test_a_unit_that_fires_on_a_single_row_is_alive(tmp_path: Path) -> None:
    trained = system(dropout=0.0)
    largest = rows(43).take(torch.arange(43))["input"][:, 0].sort().values
    with torch.no_grad():
        trained.model[0].weight.zero_()
        trained.model[0].weight[:, 0] = 1
        trained.model[0].bias[:] = -(largest[-1] + largest[-2]) / 2  # every unit fires on one row of the 43
        trained.model[0].bias[0] = -largest[-1] - 1
    options = {"optimizer": {"type": "sgd", "learning_rate": 0.0}, "log_every": "1 epoch", "max_epochs": 2}
    fit(tmp_path / "all", trained=trained, callbacks=[made("dead_units")], **options)
    assert [row["dead_units/model.1"] for row in logged(tmp_path / "all", "dead_units/")] == [1 / 8, 1 / 8]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_units_of_a_convolution_are_its_channels(dims: int) -> None:
    from types import SimpleNamespace

    layer = [torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d][dims - 1](1, 5, 1)
    net = torch.nn.Sequential(layer, torch.nn.ReLU())
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([-1e6, -1e6, 1e6, 1e6, 1e6]))
    callback = made("dead_units")
    session: Any = SimpleNamespace(stage="fit", step=0)
    callback.setup(session, net)
    callback.on_train_batch_start(session, net, {}, 0)
    net(torch.randn(4, 1, *[3] * dims))
    assert callback.alive["1"].tolist() == [False, False, True, True, True]
    callback.teardown(session, net)
    callback.alive.clear()
    net(torch.randn(4, 1, *[3] * dims))
    assert not callback.alive


def test_a_system_without_relu_is_told_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = system()
    trained.model[1] = torch.nn.Tanh()
    fit(tmp_path, trained=trained, callbacks=[made("dead_units")], max_epochs=1)
    assert "no module like ReLU" in caplog.text


# sample_logger


@pytest.mark.parametrize("form", ["json", "npz"])
def test_samples_are_the_first_rows_with_what_the_system_gives_for_them(form: str, tmp_path: Path) -> None:
    given: list[torch.Tensor] = []

    class Sees(Callback):
        def on_validation_batch_end(self, session: Any, system: Any, batch: Any, index: int, outputs: Any) -> None:
            given.append(outputs["output"])

    callbacks = [made("sample_logger", samples=5, format=form), Sees()]
    fit(tmp_path, callbacks=callbacks, evaluation_batch_size=3, max_epochs=2, sanity_check=0)
    files = sorted((tmp_path / "media").iterdir())
    assert [file.name for file in files] == [f"samples-step-00000006.{form}", f"samples-step-00000012.{form}"]
    asked = rows(20, seed=1).take(torch.arange(5))["input"].numpy()
    expected = torch.cat(given[7:])[:5].numpy()  # seven batches of three rows an evaluation
    if form == "json":
        shown = json.loads(files[-1].read_text())
        assert shown["step"] == 12
        found = np.array([row["outputs"]["output"] for row in shown["rows"]], dtype=np.float32)
        inputs = np.array([row["inputs"]["input"] for row in shown["rows"]], dtype=np.float32)
    else:
        arrays = np.load(files[-1])
        found, inputs = arrays["output/output"], arrays["input/input"]
    assert (inputs == asked).all()
    assert (found == expected).all()


def test_samples_are_written_at_every_nth_evaluation_also_after_a_restart(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[made("sample_logger", every=2), StopAt(8)])
    fit(tmp_path, callbacks=[made("sample_logger", every=2)], resume=True)
    assert sorted(file.name for file in (tmp_path / "media").iterdir()) == ["samples-step-00000006.json", "samples-step-00000018.json"]


def test_a_disk_that_refuses_samples_does_not_end_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "media").write_text("a file where a folder should be")
    _, result = fit(tmp_path, callbacks=[made("sample_logger")])
    assert result.steps == 24
    assert "no samples of step 6" in caplog.text


def test_numbers_that_json_does_not_know_are_null() -> None:
    written = json.loads(as_json({"output/x": np.array([[1.0, np.nan], [np.inf, 2.0]])}, 3))
    assert [row["outputs"]["x"] for row in written["rows"]] == [[1.0, None], [None, 2.0]]


# profiler


def test_the_profiler_writes_a_table_and_a_trace_of_its_steps(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("profiler", first=3, last=5)])
    name = "steps-00000003-00000005"
    assert sorted(file.name for file in (tmp_path / "profile").iterdir()) == [f"{name}.json", f"{name}.txt"]
    assert "aten::addmm" in (tmp_path / f"profile/{name}.txt").read_text()
    events = json.loads((tmp_path / f"profile/{name}.json").read_text())["traceEvents"]
    forwards = [event for event in events if event.get("name") == "aten::addmm"]
    assert len(forwards) == 3 * 2  # three steps of two linear layers


def test_a_run_that_ends_within_the_window_has_what_was_recorded(tmp_path: Path) -> None:
    fit(tmp_path, callbacks=[made("profiler", first=23, last=99)])
    assert (tmp_path / "profile/steps-00000023-00000024.txt").exists()


def test_a_run_that_fails_within_the_window_has_what_was_recorded_and_profiles_no_longer(tmp_path: Path) -> None:
    class Fails(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 4:
                raise RuntimeError("an error")

    with pytest.raises(RuntimeError, match="an error"):
        fit(tmp_path, callbacks=[made("profiler", first=3, last=9), Fails()])
    assert (tmp_path / "profile/steps-00000003-00000004.json").exists()
    assert not torch.autograd._profiler_enabled()


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"last is 3, before first \(5\)"):
        made("profiler", first=5, last=3)


# from Python and from a configuration


def test_callbacks_of_a_configuration_and_of_python_are_all_called(tmp_path: Path) -> None:
    options = ["timer", {"type": "early_stopping", "monitor": "accuracy", "patience": 9, "good_enough": 0.0}]
    trainer = Trainer(config(max_epochs=3, callbacks=options), device="cpu", callbacks=[made("gradient_flow")], console=False)
    result = trainer.fit(system(), rows(43), rows(20, seed=1), run=tmp_path / "run")
    assert (result.stopped_because, result.steps) == ("early_stopping", 6)
    assert logged(tmp_path / "run", "timer/")
    assert logged(tmp_path / "run", "gradient_norm/")


def test_a_callback_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError) as error:
        config(callbacks=["learning_rate_monitr"])
    assert "learning_rate_monitor" in str(error.value.errors()[0]["ctx"])


def test_naming_what_there_is_imports_no_torch() -> None:
    program = "import sys; from trainwright.engine.callbacks import PARTS; print(len(PARTS), 'torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [str(len(OPTIONS)), "False"]
