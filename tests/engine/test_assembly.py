"""Settings that do not fit each other, the rows or the system are found before the first step, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import config, fit, rows, system

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, TrainwrightError
from trainwright.engine.callbacks import Callback
from trainwright.engine.trainer import Trainer


def refused(**options: Any) -> list[RequestError]:
    validation = options.pop("validation_rows", 20)
    with pytest.raises(RequestError) as error:
        Trainer(config(**options), device="cpu", console=False).check(system(), 43, validation)
    return error.value.errors if isinstance(error.value, ManyErrors) else [error.value]


def test_everything_that_does_not_fit_is_said_at_once_and_once() -> None:
    found = refused(
        monitor="acuracy",
        optimizer="lbfgs",
        precision={"type": "fp16", "full": ["modle.0"]},
        schedule={"type": "cosine", "warmup": "99 epochs"},
        parameters={"rules": [{"match": "modl", "freeze": True}]},
        gradient_hooks=[{"match": "modl", "log": True}],
        swa={"start": "900 steps"},
    )
    places = [error.where for error in found]
    assert places == [
        "trainer.monitor",
        "trainer.parameters.rules.0",
        "trainer.precision",
        "trainer.schedule.warmup",
        "trainer.gradient_hooks.0",
        "trainer.swa.start",
        "trainer.precision.full",
    ]
    assert all(error.fix for error in found)
    assert "did you mean 'accuracy'" in found[0].fix


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ({"schedule": {"type": "plateau"}, "validation_rows": 0}, "trainer.schedule", "plateau has nothing to watch"),
        ({"early_stopping": {"patience": 3}, "validation_rows": 0}, "trainer.early_stopping", "patience without evaluations"),
        ({"monitor": "accuracy", "validation_rows": 0}, "trainer.monitor", "'accuracy' is never measured"),
        ({"early_stopping": {"patience": 3}, "evaluate_every": "9 epochs"}, "trainer.early_stopping", "patience without evaluations"),
        ({"optimizer": "sparse_adam"}, "trainer.optimizer", "sparse_adam takes sparse gradients only"),
        ({"callbacks": [{"type": "torch.nn.Flatten"}]}, "trainer.callbacks.0", "a Flatten is no callback"),
        ({"batch_growth": {"times": 2}, "validation_rows": 0}, "trainer.batch_growth", "there is nothing to watch"),
        ({"batch_growth": {"times": 2}, "schedule": "cosine"}, "trainer.schedule", "'cosine' needs the number of steps of the run"),
        ({"schedule": {"type": "plateau", "metric": "acuracy"}}, "trainer.schedule.metric", "there is no metric 'acuracy'"),
        ({"optimizer": {"type": "sam"}, "precision": "fp16"}, "trainer.precision", "sam cannot be combined with fp16"),
        ({"optimizer": "schedule_free_adamw", "ema": 0.9}, "trainer.ema", "schedule_free_adamw"),
        ({"parameters": {"rules": [{"match": "model", "freeze": True}]}}, "trainer.parameters", "frozen"),
        ({"batch_size": 9, "micro_batch_size": 4, "accumulation": 2}, "trainer.batch_size", "do not fit each other"),
    ],
)
def test_one_thing_that_cannot_be_is_named_with_its_place(options: dict[str, Any], where: str, what: str) -> None:
    (error,) = refused(**options)
    assert error.where.startswith(where)
    assert what in error.what


@pytest.mark.parametrize(
    "options",
    [
        {"ema": 1.5},
        {"ema": []},
        {"clip": {"norm": -1}},
        {"log_every": "0 steps"},
        {"batch_size": -1},
        {"checkpoint": {"name": "{nope}-{step}"}},
        {"clip": {"norm": float("inf")}},
    ],
)
def test_numbers_outside_their_range_are_refused_when_they_are_read(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        config(**options)


def test_an_evaluated_average_is_what_is_kept_and_not_the_trained_weights(tmp_path: Path) -> None:
    _, first = fit(tmp_path / "a", ema={"decay": 0.95, "warmup": False})
    _, second = fit(tmp_path / "b")
    assert first.history[0]["train/loss"] == second.history[0]["train/loss"]
    assert first.metrics["validation"]["loss"] != second.metrics["validation"]["loss"]
    assert first.realised["kept"] == "best"


def test_the_best_of_several_averages_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    options = {"ema": {"decay": [0.999, 0.5], "warmup": False, "choose": "best"}, "max_epochs": 8}
    _, result = fit(tmp_path, optimizer={"type": "adamw", "learning_rate": 0.05}, **options)
    assert result.realised["kept"] in ("ema_0.5", "trained")
    assert result.best_value == result.metrics["validation"]["loss"]


def test_equal_averages_and_averages_of_the_best_are_candidates(tmp_path: Path) -> None:
    _, result = fit(tmp_path / "a", swa={"start": "0.25 run", "every": "3 steps", "choose": "always"}, trained=system(norm=True))
    assert result.realised["kept"] == "swa"
    _, result = fit(tmp_path / "b", swa={"start": "0.25 run"}, validation_rows=0)
    assert result.realised["kept"] == "swa"


def test_groups_are_stated_in_the_results(tmp_path: Path) -> None:
    _, result = fit(tmp_path, max_epochs=1, parameters={"no_decay": True}, optimizer={"type": "adamw", "weight_decay": 0.1})
    groups = result.realised["parameter_groups"]
    assert [(group["tensors"], group["weight_decay"]) for group in groups] == [(2, 0.1), (2, 0.0)]


def test_a_batch_that_grows_takes_fewer_steps_per_epoch_from_then_on(tmp_path: Path) -> None:
    options = {"batch_growth": {"times": 1, "patience": 1, "min_delta": 10.0, "rate": 2.0}}
    _, result = fit(tmp_path, **options)
    assert result.realised["batch_size"] == 16
    assert result.steps == 6 + 6 + 3 + 3
    assert result.realised["epochs"] == 4


def test_numbers_that_systems_and_callbacks_log_come_into_the_row(tmp_path: Path) -> None:
    class Logs(Callback):
        def on_train_batch_end(self, session: Any, *_: Any) -> None:
            session.log("mine/mean", session.step)
            session.log("mine/last", session.step, reduce="last")
            session.log("mine/sum", 1.0, reduce="sum")

    _, result = fit(tmp_path, callbacks=[Logs()], max_epochs=1)
    assert [(row["mine/mean"], row["mine/last"], row["mine/sum"]) for row in result.history] == [(2.0, 3.0, 3.0), (5.0, 6.0, 3.0)]


def test_a_result_unpacks_to_model_metrics_and_run(tmp_path: Path) -> None:
    trained, result = fit(tmp_path, max_epochs=1)
    model, metrics, run = result
    assert (model, run) == (trained, tmp_path)
    assert set(metrics) == {"train", "validation"}


def test_measuring_and_predicting_without_a_run(tmp_path: Path) -> None:
    trained, result = fit(tmp_path, max_epochs=1)
    trainer = Trainer(config(), device="cpu", console=False)
    assert trainer.validate(trained, rows(20, seed=1)) == result.metrics["validation"]
    assert trainer.test(trained, rows(20, seed=1)) == result.metrics["validation"]
    trained.predict_step = lambda batch: {"output": trained.output_of(batch)}
    assert trainer.predict(trained, rows(20, seed=1))["output"].shape == (20, 2)


def test_another_trainer_goes_on_learning_online(tmp_path: Path) -> None:
    settings = config(optimizer={"type": "adamw", "learning_rate": 0.02}, schedule={"type": "cosine"})
    whole, alone = system(dropout=0.2), Trainer(settings, device="cpu", console=False)
    handed, state = system(dropout=0.2), None
    for seed in range(3):
        expected = alone.train_online(whole, rows(64, seed=seed))
        trainer = Trainer(settings, device="cpu", console=False)
        trainer.go_on_online(state)
        assert trainer.train_online(handed, rows(64, seed=seed)) == expected
        state = trainer.online_state
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), handed.parameters(), strict=True))
    assert state is not None and state["position"]["step"] == 3 * 8


def test_learning_online_goes_on_where_it_was(tmp_path: Path) -> None:
    trained, trainer = system(dropout=0.0), Trainer(config(optimizer={"type": "adamw", "learning_rate": 0.02}), device="cpu", console=False)
    losses = [trainer.train_online(trained, rows(64, seed=seed))["loss"] for seed in range(12)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert trainer._online is not None
    assert trainer._online.step == 12 * 8
    with pytest.raises(ConfigError):
        trainer.train_online(trained, rows(0))


def test_sizes_that_do_not_fit_hide_nothing_else() -> None:
    found = refused(batch_size=9, micro_batch_size=4, accumulation=2, monitor="acuracy")
    assert [error.where for error in found] == ["trainer.batch_size", "trainer.monitor"]


@pytest.mark.parametrize(
    ("value", "reduce", "message"),
    [
        (1.0, "max", "there is no reduction 'max'"),
        ("text", "mean", "a str is no number"),
        (torch.ones(3), "sum", r"shape \(3,\) is no number"),
    ],
)
def test_what_is_no_number_of_a_row_is_refused_by_its_name(value: Any, reduce: Any, message: str, tmp_path: Path) -> None:
    class Logs(Callback):
        def on_train_batch_end(self, session: Any, *_: Any) -> None:
            session.log("mine", value, reduce=reduce)

    with pytest.raises(TrainwrightError, match=message) as error:
        fit(tmp_path, callbacks=[Logs()])
    assert "'mine'" in error.value.where


def test_state_that_cannot_be_kept_names_its_callback(tmp_path: Path) -> None:
    class Holds(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"mean": torch.ones(2)}

    with pytest.raises(TrainwrightError, match="the state of the callback 'Holds' cannot be saved"):
        fit(tmp_path, callbacks=[Holds()])


@pytest.mark.parametrize("callbacks", [3, Callback(), [Callback], ["timer"]])
def test_what_is_no_list_of_callbacks_is_refused_before_anything_is_made(callbacks: Any) -> None:
    with pytest.raises(ConfigError) as error:
        Trainer(config(), device="cpu", callbacks=callbacks).check(system(), 43, 20)
    assert error.value.where == "callbacks"
