"""`tw.fit`: a model, a system or a LightningModule on data of any form, through the same engine, into the same kind of run directory."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from trainwright.adapters.lightning.answers import is_callback, with_answers
from trainwright.adapters.lightning.hyperparameters import argument_name, written_hyperparameters
from trainwright.adapters.lightning.system import LightningSystem
from trainwright.api.adapting import Adapted, plain_module, system_for
from trainwright.api.exit_codes import exit_as_promised
from trainwright.api.fit_options import check_options, keywords_of, read_options
from trainwright.api.own.prepare import DEFAULT_BATCH, OpenedSystem, say_inexact
from trainwright.api.own.prepared import PreparedSystem
from trainwright.api.parent import Parent
from trainwright.api.programs import in_ranks, load_trained, ranks_to_start
from trainwright.api.ranks import join_for, preparing
from trainwright.api.resume import changed_settings
from trainwright.api.training import Start, train_prepared
from trainwright.config.errors import ConfigError, DataError
from trainwright.data.rows import Rows
from trainwright.engine.callbacks import Callback
from trainwright.engine.forked import compute_without_lost_threads
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.engine.tuning import as_before
from trainwright.nn.compiled import without_wrappers
from trainwright.parallel.launched import read_launch
from trainwright.runs.configured import with_config
from trainwright.runs.directory import RunDirectory, named_place
from trainwright.runs.log import console_logging
from trainwright.systems.given import refuse_given
from trainwright.systems.plain import PlainSystem
from trainwright.systems.run_config import Config, read_config

log = logging.getLogger("trainwright.fit")

AROUND = ("init", "parametrizations", "hooks")
"""What is done to the modules of a plain model, as a configuration says it."""


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
    fork: str | os.PathLike[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    callbacks: Sequence[Callback | str | Mapping[str, Any]] = (),
    console: TextIO | bool = True,
    evaluation: Mapping[str, Any] | None = None,
    devices: int | str | None = None,
    launch: Mapping[str, Any] | None = None,
    init: Sequence[Any] = (),
    parametrizations: Sequence[Any] = (),
    hooks: Sequence[Any] = (),
    **trainer: Any,
) -> FitResult:
    """Train `model` on `train_data` and return the result; the model is left with its best weights by validation loss.

    `model`: an `nn.Module` with a `loss` (cross_entropy unless given), a `trainwright.System`, a LightningModule, or a Hugging Face model
    that returns its loss. Data: (x, y) tensors, a Dataset, a DataLoader, an iterable, a Hugging Face dataset or a generator. `monitor=`
    names another metric than the loss; without validation data the last weights are kept. `validation` and `test` are short for
    `validation_data` and `test_data`; `batched` says whether the items of an iterable are batches already; `target` which key of a
    mapping is the target. `metrics`: names, functions of (outputs, targets), metrics of your own or of torchmetrics, in a list or by name.
    `init`, `parametrizations` and `hooks` are lists of the entries that a configuration has under these names, for a plain module;
    `callbacks` are objects or such entries. `evaluation={"history": "none", "report": False}` keeps no files of evaluations and draws
    no report. `devices=2` trains in two processes, with a GPU each where there are GPUs; `launch` has more options of that kind. Further
    keywords are options of `trainer:`, such as `schedule`, `clip`, `evaluate_every` or `early_stopping` (off here unless asked for).
    With `resume` a run already in `run_dir` is continued, bit for bit, from its last checkpoint; `fork` names a run whose newest
    checkpoint this one begins from, with settings of its own. Raises ConfigError, DataError or RunError before the first step for a
    wrong request, and Interrupted once the run was saved after a signal.
    """
    given = {name: each for name, each in locals().items() if name != "trainer"} | trainer
    exit_as_promised()
    compute_without_lost_threads()
    splits = {"train": train_data, "validation": one_of(validation_data, validation, "validation"), "test": one_of(test_data, test, "test")}
    named, callbacks = named_callbacks(callbacks)
    trainer |= {"callbacks": named} if named else {}
    options = check_options({"batch_size": batch_size, "max_steps": max_steps, "max_epochs": max_epochs, **trainer}, keywords_of(fit))
    around = {"init": init, "parametrizations": parametrizations, "hooks": hooks}
    asked = {"loss": loss, "metrics": metrics, "target": target}
    place = choose_place(run_dir, resume, fork)
    started = {**(launch or {}), **({} if devices is None else {"devices": devices})}
    call = Call(model, splits, asked, options, around, place, optimizer, learning_rate, seed, device, batched, evaluation, started)
    return call.train_here(callbacks, console, resume, fork) if not call.ranks else call.train_in_ranks(given, callbacks, console)


def fit_in_rank(given: dict[str, Any]) -> tuple[FitResult, dict[str, Any]] | None:
    """The same call in one of several processes; on rank 0 the result and the weights, which go back to the program."""
    fitted = fit(**given)
    if read_launch().rank:
        return None
    weights = {name: each.cpu() if isinstance(each, torch.Tensor) else each for name, each in fitted.system.state_dict().items()}
    fitted.system = None
    return fitted, weights


@dataclass
class Call:
    """What was asked for in a call of `tw.fit`."""

    model: Any
    splits: Mapping[str, Any]
    asked: Mapping[str, Any]
    """loss, metrics, target"""
    options: dict[str, Any]
    """Of `trainer:`."""
    around: Mapping[str, Any]
    """What is done to the modules of a plain model."""
    place: str
    optimizer: str | Mapping[str, Any]
    learning_rate: float
    seed: int
    device: str
    batched: bool | None
    evaluation: Mapping[str, Any] | None
    launch: Mapping[str, Any] = field(default_factory=dict)
    """Of `launch:`, as a configuration has it."""

    def __post_init__(self) -> None:
        if isinstance(self.model, nn.Module) and "_modules" in vars(self.model):
            self.model = without_wrappers(self.model)

    def config(self, options: dict[str, Any]) -> Config:
        """Everything asked for, with these options, validated as a whole. Raises ManyErrors naming each wrong argument."""
        run = {"run.seed": self.seed, "run.device": self.device, "run.dir": self.place, "run.name": type(self.model).__name__}
        run |= {} if self.evaluation is None else {"evaluation": self.evaluation}
        run |= {f"launch.{name}": value for name, value in self.launch.items()}
        return read_options(self.model, self.asked["loss"], self.optimizer, self.learning_rate, run, options, self.around)

    def prepare(self, callbacks: Any, console: TextIO | bool) -> PreparedObjects:
        """What is trained. Raises ConfigError or DataError for what cannot be."""
        config, (own, foreign) = self.config(self.options), own_callbacks(callbacks)
        size, steps = self.options["batch_size"] or DEFAULT_BATCH, self.options["max_steps"]
        reading = {"batched": self.batched, "batch_size": size, "max_steps": steps, "limit": config.trainer.limit_batches}
        asked, seed, settings = self.asked, self.seed, config.trainer
        made = system_for(self.model, self.splits, asked, seed=seed, callbacks=foreign, settings=settings, **reading)
        own, answered = answer(made.system, own, self.options)
        if answered != self.options:
            config = self.config(answered)
        begin_model(made, config, self.seed)
        if console is not False:
            show_warnings()
        return PreparedObjects(settle(config, made, self.asked["loss"]), made, own, console)

    @property
    def ranks(self) -> int:
        """How many processes are to be started for it; 0 where this one makes it."""
        return ranks_to_start(self.config(self.options))

    def train_here(self, callbacks: Any, console: TextIO | bool, resume: bool, fork: str | os.PathLike[str] | None) -> FitResult:
        """Train, continue or fork the run."""
        world = join_for(self.config(self.options))
        with preparing(world):
            prepared = self.prepare(callbacks, console)
        prepared.world = world
        if resume:
            refuse_changed(prepared.config, Path(self.place))
        parent = None if fork is None else Parent.of(with_config(fork))
        _, fitted = train_prepared(prepared, Start(resume, parent, python=True, quiet=True))
        fitted.system = plain_module(prepared.system)
        return fitted

    def train_in_ranks(self, given: Mapping[str, Any], callbacks: Any, console: TextIO | bool) -> FitResult:
        """The result of the same call in other processes, with what they trained in the program's own object."""
        config = self.config(self.options)
        fitted, weights = in_ranks(fit_in_rank, given, config, self.ranks, where="tw.fit", console=console)
        if weights.keys() != self.model.state_dict().keys():
            self.prepare(callbacks, False)  # what makes its layers as the data or the options ask for
        load_trained(self.model, weights, fitted.path)
        fitted.system = self.model
        return fitted


def begin_model(made: Adapted, config: Config, seed: int) -> None:
    """Do to a plain model what `init`, `parametrizations` and `hooks` ask for. Raises ConfigError beside a system, which does it itself."""
    options = config.system
    asked = [name for name in AROUND if getattr(options, name)]
    if not asked:
        return
    if not isinstance(made.system, PlainSystem):
        why = f"{options.model} makes its steps itself"
        fix = f"leave {asked[0]} out, and do it in its __init__: `apply_init`, `parametrise` and `module_hooks` (docs/modules.md)"
        raise ConfigError(f"{asked[0]} is for a plain module with a loss", where=f"tw.fit({asked[0]})", why=why, fix=fix)
    rows = made.splits["train"]
    made.system.begin_as(options, None if rows.single_pass else rows.example(), seed)


class PreparedObjects(PreparedSystem):
    """A run of objects of the program that calls `tw.fit`."""

    def __init__(
        self, config: Config, made: Adapted | None = None, callbacks: Sequence[Callback] = (), console: TextIO | bool = True
    ) -> None:
        """Raises RunError without the objects, as of a configuration that is read."""
        super().__init__(config)
        if made is None:
            refuse_given(config.system)
        self.opened = OpenedSystem(made.system, made.splits)
        self.callbacks, self.console = callbacks, console

    def trainer(self) -> Trainer:
        """The trainer that the configuration describes; it keeps the weights of step 0 too, which follow from no seed."""
        run, history = self.config.run, self.config.evaluation.history
        kept: dict[str, Any] = {"callbacks": self.callbacks, "console": self.console, "initial_checkpoint": True, "history": history}
        kept["world"] = self.world
        return Trainer(self.config.trainer, seed=run.seed, device=run.device, continue_with=continue_call(run.dir), **kept)

    def check(self, trainer: Trainer) -> None:
        """Try a step on a few rows and every setting, and say what a continued run could not repeat."""
        super().check(trainer)
        for rows in self.splits.values():
            say_inexact(rows)

    def tried_on(self) -> torch.device:
        """The device of the model."""
        return next((each.device for each in self.system.parameters()), torch.device("cpu"))

    def go_on(self, run: RunDirectory, longer: str) -> str:
        """A child of the run, by the same call."""
        return f"tw.fit(…, fork={str(run.path)!r}, {longer.removeprefix('trainer.')})" if longer else ""

    def continue_with(self, run: RunDirectory) -> str:
        """The same call again."""
        return continue_call(str(run.path))


def named_callbacks(callbacks: Any) -> tuple[list[Any], Any]:
    """Callbacks as a configuration names them, by a word or a mapping with `type`, and the others."""
    if not isinstance(callbacks, list | tuple):
        return [], callbacks
    named = [each for each in callbacks if isinstance(each, str | Mapping)]
    return named, [each for each in callbacks if not isinstance(each, str | Mapping)]


def own_callbacks(callbacks: Any) -> tuple[Any, list[Any]]:
    """Callbacks of ours, or what is none, which is refused later; and those of Lightning's."""
    if not isinstance(callbacks, list | tuple):
        return ([], [callbacks]) if is_callback(callbacks) else (callbacks, [])
    foreign = [each for each in callbacks if is_callback(each) and not isinstance(each, type)]
    return [each for each in callbacks if not any(each is one for one in foreign)], foreign


def answer(system: Any, own: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Our callbacks and options with those that stand for Lightning's. Raises ConfigError where an option is asked for twice."""
    if not isinstance(system, LightningSystem):
        return own, options
    return [*own, *system.answers.own] if system.answers.own else own, with_answers(options, system.answers)


def continue_call(place: str) -> str:
    """What continues a run in `place`."""
    return f"tw.fit(…, run_dir={place!r}, resume=True)"


def choose_place(run_dir: str | os.PathLike[str] | None, resume: bool, fork: Any = None) -> str:
    """The run's directory as text, empty for none. Raises ConfigError for `resume` without one, beside `fork`, or that is a place."""
    place = named_place(run_dir)
    if not isinstance(resume, bool):
        fix = f"give the place as run_dir: tw.fit(…, run_dir={resume!r}, resume=True)"
        raise ConfigError(f"resume={resume!r} is neither True nor False", where="tw.fit(resume)", fix=fix)
    if resume and fork is not None:
        raise ConfigError("resume and fork are both given", where="tw.fit(fork)", fix="resume=True continues the child once it has begun")
    if resume and not place:
        fix = "give its directory: tw.fit(…, run_dir=DIR, resume=True)"
        raise ConfigError("resume=True needs to know which run", where="tw.fit", fix=fix)
    return place


def settle(config: Config, made: Adapted, loss: Any) -> Config:
    """The configuration with what the data and the model decide: the batch size of ready batches, the loss of a plain model."""
    config = with_batch_size(config, made.splits["train"])
    if isinstance(made.system, LightningSystem):
        kept = {"hyperparameters": written_hyperparameters(made.system.model), "hyperparameters_argument": argument_name(made.system.model)}
        return config.model_copy(update={"system": config.system.model_copy(update=kept)})
    if not isinstance(made.system, PlainSystem) or loss is not None:
        return config
    return config.model_copy(update={"system": config.system.model_copy(update={"loss": "cross_entropy"})})


def show_warnings() -> None:
    """Show what is warned of, where the program has no logging of its own: it would be in log.txt alone."""
    if not logging.getLogger("trainwright").hasHandlers():
        console_logging(logging.WARNING)


def one_of(first: Any, second: Any, name: str) -> Any:
    """The data of a split, given by either of its two names. Raises ConfigError when both are."""
    if first is not None and second is not None:
        raise ConfigError(f"{name} and {name}_data are both given", where="tw.fit", fix=f"keep {name}_data")
    return first if first is not None else second


def with_batch_size(config: Config, rows: Rows) -> Config:
    """The configuration with the usual batch size where none was asked for; one that made the batches of an iterable is in them already."""
    trainer = config.trainer
    if rows.batched:
        size = None if rows.joins_samples else trainer.batch_size
    else:
        size = DEFAULT_BATCH if trainer.batch_size is None and trainer.micro_batch_size is None else trainer.batch_size
    return config.model_copy(update={"trainer": trainer.model_copy(update={"batch_size": size})})


def refuse_changed(config: Config, place: Path) -> None:
    """Raise ConfigError naming what would make the past of the run in `place` another: loss, model, settings of its steps."""
    if not (place / "config.yaml").is_file():
        return
    saved = read_config(place / "config.yaml")
    config = config.model_copy(update={"trainer": as_before(config.trainer, saved.trainer)})
    if saved.system.type == "given" and isinstance(now := config.system.loss, dict) and now.get("type") == saved.system.loss:
        config = config.model_copy(update={"system": saved.system})  # a run of a version that wrote down the name alone
    changes = changed_settings(saved, config)
    before, now = (getattr(each.system, "hyperparameters", {}) for each in (saved, config))
    if before and before != now:
        different = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        log.warning("hyperparameters differ from those this run was begun with: %s", ", ".join(different))
    if changes:
        said = "; ".join(f"{key.removeprefix('trainer.').removeprefix('system.')}: {old!r} → {new!r}" for key, old, new in changes[:8])
        fix = "call it as it was begun, or begin another run in another run_dir"
        raise ConfigError("this run cannot be continued with other settings", where=str(place), why=said, fix=fix)


__all__ = ["DataError", "fit"]
