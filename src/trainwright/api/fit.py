"""`tw.fit`: a model, a system or a LightningModule on data of any form, through the same engine, into the same kind of run directory."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from trainwright.api.adapting import Adapted, system_for
from trainwright.api.fit_options import FitConfig, check_options, keywords_of, read_options
from trainwright.api.own.prepare import DEFAULT_BATCH, say_inexact
from trainwright.api.resume import FREE, flat
from trainwright.api.system_run import SystemRun
from trainwright.api.trial import trial
from trainwright.config.compose import compose
from trainwright.config.dump import dump
from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.config.located import validate
from trainwright.data.rows import Rows
from trainwright.engine.callbacks import Callback
from trainwright.engine.device import find_device
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.engine.tuning import as_before
from trainwright.parallel.launched import ensure_one_process
from trainwright.runs.directory import RunDirectory, named_place
from trainwright.runs.log import console_logging
from trainwright.systems.plain import PlainSystem


def fit(
    model: Any,
    train_data: Any = None,
    validation_data: Any = None,
    test_data: Any = None,
    *,
    validation: Any = None,
    test: Any = None,
    loss: Any = None,
    metrics: Any = None,
    target: str | int | None = None,
    batched: bool | None = None,
    batch_size: int | None = None,
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
    evaluation: Mapping[str, Any] | None = None,
    **trainer: Any,
) -> FitResult:
    """Train `model` on `train_data` and return the result; the model is left with its best weights by validation loss.

    `model`: an `nn.Module` with a `loss` (cross_entropy unless given), a `trainwright.System`, a LightningModule, or a Hugging Face model
    that returns its loss. Data: (x, y) tensors, a Dataset, a DataLoader, an iterable, a Hugging Face dataset or a generator. `monitor=`
    names another metric than the loss; without validation data the last weights are kept. `validation` and `test` are short for
    `validation_data` and `test_data`; `batched` says whether the items of an iterable are batches already; `target` which key of a
    mapping is the target. `metrics`: names, functions of (outputs, targets), metrics of your own or of torchmetrics, in a list or by name.
    `evaluation={"history": "none"}` keeps no files of evaluations. Further keywords are options of `trainer:`, such as `schedule`, `clip`,
    `evaluate_every` or `early_stopping` (off here unless asked for). With `resume` a run already in `run_dir` is continued, bit for bit,
    from its last checkpoint. Raises ConfigError, DataError or RunError before the first step for a wrong request, and Interrupted once
    the run was saved after a signal.
    """
    ensure_one_process("train this run")
    place = choose_place(run_dir, resume)
    others = {"validation": one_of(validation_data, validation, "validation"), "test": one_of(test_data, test, "test")}
    options = {"batch_size": batch_size, "max_steps": max_steps, "max_epochs": max_epochs, **trainer}
    check_options(options, keywords_of(fit))
    run = {"run.seed": seed, "run.device": device} | ({} if evaluation is None else {"evaluation": evaluation})
    config = read_options(model, loss, optimizer, learning_rate, run, options)
    asked = {"loss": loss, "metrics": metrics, "target": target}
    reading = {"batched": batched, "batch_size": batch_size or DEFAULT_BATCH, "max_steps": max_steps, "limit": config.trainer.limit_batches}
    made = system_for(model, {"train": train_data, **others}, asked, seed=seed, **reading)
    config = settle(config, made, loss)
    if console is not False:
        show_warnings()
    engine = make_engine(config, callbacks, console, place)
    check_whole(made, engine)
    if resume:
        refuse_changed(config, Path(place))
    with RunDirectory.create(place, type(model).__name__, resume=resume, python=True) as directory:
        return train_in(directory, made, engine, config, resume)


def choose_place(run_dir: str | os.PathLike[str] | None, resume: bool) -> str:
    """The run's directory as text, empty for none. Raises ConfigError for `resume` without one."""
    place = named_place(run_dir)
    if resume and not place:
        fix = "give its directory: tw.fit(…, run_dir=DIR, resume=True)"
        raise ConfigError("resume=True needs to know which run", where="tw.fit", fix=fix)
    return place


def make_engine(config: FitConfig, callbacks: Sequence[Callback], console: TextIO | bool, place: str) -> Trainer:
    """The trainer that the configuration describes; it keeps the weights of step 0 too."""
    again = f"tw.fit(…, run_dir={place!r}, resume=True)"
    history = config.evaluation.history
    kept: dict[str, Any] = {"continue_with": again, "console": console, "initial_checkpoint": True, "history": history}
    return Trainer(config.trainer, seed=config.run.seed, device=config.run.device, callbacks=callbacks, **kept)


def settle(config: FitConfig, made: Adapted, loss: Any) -> FitConfig:
    """The configuration with what the data and the model decide: the batch size of ready batches, the loss of a plain model."""
    config = with_batch_size(config, made.splits["train"])
    plain = isinstance(made.system, PlainSystem) and loss is None
    return config.model_copy(update={"loss": "cross_entropy"}) if plain else config


def show_warnings() -> None:
    """Show what is warned of, where the program has no logging of its own: it would be in log.txt alone."""
    if not logging.getLogger("trainwright").hasHandlers():
        console_logging(logging.WARNING)


def train_in(run: RunDirectory, made: Adapted, engine: Trainer, config: FitConfig, resume: bool) -> FitResult:
    """Train in the run's directory; one that was refused before its first step leaves none behind."""
    again = f"run_dir={str(run.path)!r}"
    engine.continue_with = f"tw.fit(…, {again}, resume=True)"
    missing = f"the same call with {again} and resume=True, which makes what is missing"
    work = SystemRun(engine, made.system, made.splits, partial(write_config, config), config.run.seed, missing)
    try:
        return work.train(run, resume)
    except RequestError:
        if not resume and not work.begun:
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def check_whole(made: Adapted, engine: Trainer) -> None:
    """Try a step on a few rows and every setting, and say what a continued run could not repeat, before anything is written."""
    train, validation = made.splits["train"], made.splits.get("validation")
    engine.cautions = trial(made.system, made.splits, where_is(made.system))
    engine.rehearses = True
    engine.check(made.system, len(train), 0 if validation is None else len(validation), train.batched)
    for rows in made.splits.values():
        say_inexact(rows)


def write_config(config: FitConfig, section: Any) -> str:
    """config.yaml with the settled numbers of the `trainer:` section."""
    return dump(config.model_copy(update={"trainer": section}))


def one_of(first: Any, second: Any, name: str) -> Any:
    """The data of a split, given by either of its two names. Raises ConfigError when both are."""
    if first is not None and second is not None:
        raise ConfigError(f"{name} and {name}_data are both given", where="tw.fit", fix=f"keep {name}_data")
    return first if first is not None else second


def with_batch_size(config: FitConfig, rows: Rows) -> FitConfig:
    """The configuration with the usual batch size where none was asked for; one that made the batches of an iterable is in them already."""
    trainer = config.trainer
    if rows.batched:
        size = None if rows.joins_samples else trainer.batch_size
    else:
        size = DEFAULT_BATCH if trainer.batch_size is None and trainer.micro_batch_size is None else trainer.batch_size
    return config.model_copy(update={"trainer": trainer.model_copy(update={"batch_size": size})})


def refuse_changed(config: FitConfig, place: Path) -> None:
    """Raise ConfigError naming what would make the past of the run in `place` another: loss, model, settings of its steps."""
    if not (place / "config.yaml").is_file():
        return
    saved = validate(FitConfig, compose(FitConfig, place / "config.yaml", environment={}))
    trainer = as_before(config.trainer, saved.trainer)
    before, now = flat(saved.model_dump(mode="json")), flat(config.model_copy(update={"trainer": trainer}).model_dump(mode="json"))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key) and not key.startswith(FREE)]
    if changed:
        said = "; ".join(f"{key.removeprefix('trainer.')}: {before.get(key)!r} → {now.get(key)!r}" for key in changed[:8])
        fix = "call it as it was begun, or begin another run in another run_dir"
        raise ConfigError("this run cannot be continued with other settings", where=str(place), why=said, fix=fix)


def where_is(system: Any) -> Any:
    """The device of the first parameter."""
    return next((each.device for each in system.parameters()), find_device("cpu"))


__all__ = ["DataError", "fit"]
