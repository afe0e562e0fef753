"""`tw.fit`: a plain `nn.Module` on tensors or a Dataset, through the same engine, into the same kind of run directory."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from trainwright.api.unwritten import unwritten
from trainwright.checkpoint.manifest import sha256_of
from trainwright.checkpoint.tensors import save_tensors
from trainwright.config.clock import process_start
from trainwright.config.compose import compose, given
from trainwright.config.dump import dump
from trainwright.config.errors import ConfigError, DataError, Interrupted, ManyErrors, RequestError, RunError, did_you_mean
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.data.rows import DatasetRows, Rows, TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.engine.tuning import without_auto
from trainwright.runs.code import write_code_in_background
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import command_line, environment
from trainwright.runs.files import write_text
from trainwright.runs.log import logged
from trainwright.runs.results import build_results
from trainwright.systems.plain import TARGET, LossFunction, MetricFunction, PlainSystem

log = logging.getLogger("trainwright.fit")

Data = Dataset[Any] | Sequence[Any]

OTHER_WORDS = {
    **dict.fromkeys(("lr", "rate"), "learning_rate"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs"), "max_epochs"),
    **dict.fromkeys(("steps", "num_steps", "iterations"), "max_steps"),
    **dict.fromkeys(("bs", "batch"), "batch_size"),
    **dict.fromkeys(("val", "valid", "validation_data", "val_data"), "validation"),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), "loss"),
    **dict.fromkeys(("opt", "optim"), "optimizer"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("dir", "path", "output_dir"), "run_dir"),
    "random_state": "seed",
    "patience": "early_stopping",
}
"""What other libraries call the options of `tw.fit` → its own word."""


class FitRunConfig(ConfigModel):
    """Seed and device of a run."""

    seed: int = Field(default=0, ge=0)
    """Fixes the order of rows and dropout; the first weights are those of the model given."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""


class FitConfig(ConfigModel):
    """What `tw.fit` was asked, as config.yaml keeps it."""

    model: str = ""
    """The class of the model."""
    loss: str = "cross_entropy"
    """The loss by name, or the name of the function."""
    trainer: TrainerConfig = TrainerConfig()
    """How long, how large the steps are, when to evaluate, save and stop."""
    run: FitRunConfig = FitRunConfig()
    """Seed and device."""


def fit(
    model: nn.Module,
    dataset: Data,
    *,
    validation: Data | None = None,
    test: Data | None = None,
    loss: str | LossFunction = "cross_entropy",
    metrics: Sequence[str] | Mapping[str, MetricFunction] | None = None,
    batch_size: int = 64,
    max_steps: int | None = None,
    max_epochs: int | None = None,
    learning_rate: float = 1e-3,
    optimizer: str | Mapping[str, Any] = "adamw",
    run_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    callbacks: Sequence[Callback] = (),
    console: TextIO | bool = True,
    **trainer: Any,
) -> FitResult:
    """Train `model` on (x, y) tensors, a TensorDataset or a map-style Dataset of (input…, target); returns the result.

    The model is left with its best weights by validation loss (`monitor=` names another metric), or its last without `validation`.
    Further keywords are options of `trainer:`, such as `schedule`, `clip`, `evaluate_every` or `early_stopping` (off here unless asked
    for). With `resume` a run already in `run_dir` is continued, bit for bit, from its last checkpoint. Raises ConfigError, DataError or
    RunError before the first step for a wrong request, and Interrupted once the run was saved after a signal.
    """
    check_model(model)
    if dataset is None:
        raise DataError("there are no training data", where="tw.fit(dataset)", fix="give (x, y) tensors or a Dataset")
    config = _config(model, loss, optimizer, learning_rate, {"run.seed": seed, "run.device": device}, dict(
        batch_size=batch_size, max_steps=max_steps, max_epochs=max_epochs, **trainer
    ))  # fmt: skip
    system, splits = _system(model, dataset, validation, test, loss, metrics)
    place = os.fspath(run_dir) if run_dir is not None else ""
    again = f"tw.fit(…, run_dir={place!r}, resume=True)"
    engine = Trainer(
        config.trainer, seed=seed, device=device, callbacks=callbacks, continue_with=again, console=console, initial_checkpoint=True
    )
    engine.check(system, len(splits["train"]), len(splits.get("validation", [])))
    with RunDirectory.create(place, type(model).__name__, resume=resume, python=True) as run:
        engine.continue_with = f"tw.fit(…, run_dir={str(run.path)!r}, resume=True)"
        return _trained(run, config, engine, system, splits, resume)


def named_optimizer(optimizer: Any) -> dict[str, Any]:
    """The options of an optimizer given as a name or as a mapping. Raises ConfigError for a class or an instance of torch's."""
    if isinstance(optimizer, str):
        return {"type": optimizer}
    if isinstance(optimizer, Mapping):
        return dict(optimizer)
    name = optimizer.__name__ if isinstance(optimizer, type) else type(optimizer).__name__
    fix = f"give its name, 'torch.optim.{name}', or {{'type': 'torch.optim.{name}', 'lr': 0.01}}"
    raise ConfigError(f"the optimizer is {name}, no name and no mapping", where="tw.fit(optimizer)", fix=fix)


def with_rate(chosen: dict[str, Any], learning_rate: Any) -> dict[str, Any]:
    """The options with the learning rate where they have none: in the optimizer inside, where it is that one's."""
    if chosen.get("type") in ("sam", "lookahead"):
        return {**chosen, "inner": with_rate(named_optimizer(chosen.get("inner", "adamw")), learning_rate)}
    rate = "lr" if "." in str(chosen.get("type", "")) else "learning_rate"
    return {rate: learning_rate, **chosen}


def check_model(model: Any) -> None:
    """Raises ConfigError when `model` is no `nn.Module`."""
    if isinstance(model, nn.Module):
        return
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ConfigError(f"{model.__name__} is a class, not a model", where="tw.fit(model)", fix=f"give an instance: {model.__name__}(…)")
    fix = "give a torch.nn.Module; for a table and no model of your own use tw.train(data, target=…)"
    raise ConfigError(f"the model is a {type(model).__name__}, not a torch.nn.Module", where="tw.fit(model)", fix=fix)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError, or ManyErrors, for keywords that are no option of `trainer:`."""
    own = [name for name, each in signature(fit).parameters.items() if each.kind is each.KEYWORD_ONLY]
    names = [*own, *(name for name in TrainerConfig.model_fields if name not in own)]
    errors: list[RequestError] = []
    for name in options:
        if name not in names:
            fix = f"did you mean '{OTHER_WORDS[name]}'?" if name in OTHER_WORDS else did_you_mean(name, names, limit=len(names))
            errors.append(ConfigError(f"unknown option '{name}'", where="tw.fit", fix=fix))
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)


def _config(
    model: nn.Module,
    loss: str | LossFunction,
    optimizer: str | Mapping[str, Any],
    learning_rate: float,
    run: dict[str, Any],
    options: dict[str, Any],
) -> FitConfig:
    """Everything asked for, validated as a whole; raises ManyErrors naming each wrong argument."""
    check_options(options)
    chosen = with_rate(named_optimizer(optimizer), learning_rate)
    named = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    options = {"early_stopping": None, **options}
    asked = [given("model", type(model).__name__, "tw.fit(model)"), given("loss", named, "tw.fit(loss)")]
    asked += [given("trainer.optimizer", chosen, "tw.fit(optimizer)")]
    asked += [
        given(f"trainer.{name}", value, f"tw.fit({name})")
        for name, value in options.items()
        if value is not None or name == "early_stopping"
    ]
    asked += [given(name, value, f"tw.fit({name.removeprefix('run.')})") for name, value in run.items()]
    return validate(FitConfig, compose(FitConfig, None, asked, environment={}))


def _system(
    model: nn.Module,
    dataset: Data,
    validation: Data | None,
    test: Data | None,
    loss: str | LossFunction,
    metrics: Sequence[str] | Mapping[str, MetricFunction] | None,
) -> tuple[PlainSystem, dict[str, Rows]]:
    """The system and the rows of each split, tried on two rows of each."""
    wanted = next((each.dtype for each in model.parameters() if each.is_floating_point()), torch.float32)
    given_splits = {"train": dataset, "validation": validation, "test": test}
    splits: dict[str, Rows] = {name: rows_of(data, name, wanted) for name, data in given_splits.items() if data is not None}
    first = splits["train"].take(torch.arange(min(2, len(splits["train"]))))
    inputs = [name for name in first if name != TARGET]
    if not model.training:
        model.train()
    system = PlainSystem(model, inputs, loss, metrics if metrics is None or isinstance(metrics, Mapping) else list(metrics))
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    for rows in splits.values():
        batch = rows.take(torch.arange(min(2, len(rows))))
        system.check({name: tensor.to(device) for name, tensor in batch.items()})
    return system, splits


def rows_of(data: Any, split: str, wanted: torch.dtype) -> Rows:
    """Rows of (input…, target) from tensors, arrays, a TensorDataset or a map-style Dataset; float64 becomes the model's own dtype.

    Raises DataError when there are none, or when it is none of these.
    """
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, (tuple, list)) and len(data) >= 2 and all(isinstance(each, (Tensor, np.ndarray)) for each in data):
        tensors = [_cast(torch.as_tensor(each), wanted) for each in data]
        rows: Rows = TensorRows(dict(zip(names_of(len(tensors)), tensors, strict=True)))
    elif hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, (Tensor, np.ndarray, str, Mapping)):
        rows = _CastRows(data, names_of(_width(data, split)), wanted)
    else:
        fix = "give (x, y) tensors, a TensorDataset, or a Dataset of (input, target)"
        raise DataError(f"{split} data cannot be a {type(data).__name__}", where="tw.fit", fix=fix)
    if not len(rows):
        raise DataError(f"there are no {split} rows", where="tw.fit")
    return rows


class _CastRows(DatasetRows):
    """Rows of a Dataset, floats in the model's dtype."""

    def __init__(self, dataset: Any, names: Sequence[str], wanted: torch.dtype) -> None:
        super().__init__(dataset, names)
        self._wanted = wanted

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        return {name: _cast(tensor, self._wanted) for name, tensor in super().take(indices).items()}


def names_of(width: int) -> list[str]:
    """Block names of a sample of so many parts: the last is the target."""
    return ["input", TARGET] if width == 2 else [*(f"input.{number}" for number in range(width - 1)), TARGET]


def _width(data: Any, split: str) -> int:
    if not len(data):
        raise DataError(f"there are no {split} rows", where="tw.fit")
    sample = data[0]
    if not isinstance(sample, (tuple, list)) or len(sample) < 2:
        fix = "give samples of (input, target), or (input, input, …, target)"
        raise DataError(f"a sample of the {split} data is a {type(sample).__name__}, not a pair", where="tw.fit", fix=fix)
    return len(sample)


def _cast(tensor: Tensor, wanted: torch.dtype) -> Tensor:
    if tensor.dtype == torch.float64:
        return tensor.to(wanted)
    return tensor.long() if tensor.dtype in (torch.int32, torch.int16, torch.int8) else tensor


def _trained(
    run: RunDirectory, config: FitConfig, engine: Trainer, system: PlainSystem, splits: dict[str, Rows], resume: bool
) -> FitResult:
    """Train in the run directory and write what came of it."""
    engine.config = without_auto(engine, system, splits["train"], run=run.path, resume=resume)
    write_text(run.config, dump(config.model_copy(update={"trainer": engine.config})))
    write_text(run.command, command_line() + "\n")
    run.status = "running"
    threads = []

    def surroundings() -> None:
        run.write_json("environment.json", environment())
        threads.append(write_code_in_background(run))

    with logged(run.log):
        try:
            rows = [splits.get(name) for name in ("validation", "test")]
            result = engine.fit(system, splits["train"], *rows, run=run.path, resume=resume, on_first_step=surroundings)
            with unwritten(
                run, "its results", f"the same call with run_dir={str(run.path)!r} and resume=True, which makes what is missing"
            ):
                _write_results(run, config, system, result)
                run.status = "finished"
            return result
        except BaseException as error:
            with contextlib.suppress(RunError):  # a full disk must not hide what happened
                run.status = "interrupted" if isinstance(error, Interrupted) else "failed"
            log.debug("the run ended early", exc_info=not isinstance(error, RequestError))
            raise
        finally:
            for thread in threads:
                thread.join()


def _write_results(run: RunDirectory, config: FitConfig, system: PlainSystem, result: FitResult) -> None:
    """model/model.safetensors with the names of the plain model, and results.json."""
    run.model.mkdir(exist_ok=True)
    weights: Path = run.model / "model.safetensors"
    save_tensors(weights, system.model.state_dict())
    results = build_results(
        metrics={
            split: {TARGET: {name: value for name, value in found.items() if name != "loss"}, "loss": found.get("loss")}
            for split, found in result.metrics.items()
        },
        timing={**result.timing, "total_seconds": time.time() - process_start()},
        realised=result.realised,
        stopped_because=result.stopped_because,
        best=result.best,
        seed=config.run.seed,
        weights_sha256=sha256_of(weights),
    )
    run.write_json("results.json", results)
