"""A LightningModule, unchanged, as the engine takes it; Lightning is not imported here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.adapters.lightning.answers import answer_callbacks, merge_callbacks
from trainwright.adapters.lightning.called import Called
from trainwright.adapters.lightning.data import by_place, given_by_place, loaders_of, named_outputs, transfer_of
from trainwright.adapters.lightning.fetching import Fetcher, check_fetched, fetches
from trainwright.adapters.lightning.hooks import LightningHooks
from trainwright.adapters.lightning.log import Logged, LoggedPass
from trainwright.adapters.lightning.methods import (
    PLAYED,
    call_if_there,
    check_module,
    fit_arguments,
    is_datamodule,
    is_lightning,
    overrides,
)
from trainwright.adapters.lightning.optimizers import Made, Stepper, read_optimizers, stand_in
from trainwright.adapters.lightning.played import played_step
from trainwright.adapters.lightning.self_log import SelfLog
from trainwright.adapters.lightning.trainer import LightningTrainer
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.once import once_per_machine
from trainwright.data.rows import Rows
from trainwright.data.several_rows import InTurnRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.directions import higher_is_better
from trainwright.engine.plan import Plan
from trainwright.engine.system import Batch, Loss, NoStep, StepContext, rows_in
from trainwright.losses.activations import look_once
from trainwright.nn.compiled import is_compiled

if TYPE_CHECKING:
    pass

__all__ = ["LightningSystem", "given_by_place", "is_datamodule", "is_lightning", "loaders_of"]

log = logging.getLogger("trainwright.systems")

LOSSES = ("loss", "val_loss", "valid_loss", "validation_loss", "test_loss", "eval_loss")
"""Names, with `/` read as `_`, under which modules log the loss of a split: the first there is what `monitor: auto` means."""
SPLITS = ("val", "valid", "validation", "test", "eval")


class LightningSystem(LightningHooks):
    """Trains a LightningModule: its steps, optimizers, hooks and logged values; names of weights are the module's own.

    Where the module overrides what Lightning's loop does within a step (`optimizer_step`, `backward` and the like) the step is made here in
    Lightning's own order. Raises ConfigError, or ManyErrors, for what cannot be honoured.
    """

    monitor = "loss"
    monitor_is_optional = True
    tried_before = False
    shares_evaluation = False  # what a module logs, and its torchmetrics, are joined over the batches of one process

    def __init__(
        self, module: nn.Module, datamodule: Any = None, callbacks: Sequence[Any] = (), settings: TrainerConfig | None = None
    ) -> None:
        """`callbacks`: Lightning's, beside those of the module's `configure_callbacks`; `settings`: what the run is asked for, so far."""
        super().__init__()
        before = vars(module).get("_trainer")
        if isinstance(before, LightningTrainer):
            before._system.detach()
        check_module(module)
        self.model, self.datamodule = module, datamodule
        self.trainer = LightningTrainer(self, settings)
        self.plays = bool(module.automatic_optimization) and any(overrides(module, name) for name in PLAYED)
        self.made, self.given_loaders = Made(), dict[str, Any]()
        self._steppers: list[Any] = []
        self._transfer = transfer_of(module, datamodule)
        self.lengths: dict[str, Sequence[int]] = {}
        """Split → batches of each of its loaders, where several come in turn."""
        self.positional = False
        """Whether rows were given by place, (x, y), and are named by the engine only; see `given_by_place`."""
        self._logged: Logged | None = None
        self._pending: list[tuple[str, Any, float, str]] = []
        self._self_log = SelfLog(self)
        self._listen()
        self._attach()
        self.answers = answer_callbacks(merge_callbacks(callbacks, module))
        self.called = Called(self.answers.called, self.trainer, module)
        self.prepare("fit")

    @property
    def automatic_optimization(self) -> bool:  # type: ignore[override]
        """Whether the engine goes backwards and steps; else the module, or Lightning's order of a step, does."""
        return bool(self.model.automatic_optimization) and not self.plays

    @property
    def follows_settings(self) -> Collection[str]:  # type: ignore[override]
        """Where a step is played it clips and joins batches as Lightning does."""
        return ("clip", "micro_batch_size") if self.plays else ()

    # the module's own names: of weights, of modules

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As the module does it, and as strictly as it asks for."""
        return self.model.load_state_dict(state_dict, strict=strict and self.model.strict_loading, assign=assign)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next((each.device for each in self.model.parameters()), torch.device("cpu"))

    # what is made

    def prepare(self, stage: str) -> None:
        """Attach the module, and call what Lightning calls before a stage: `prepare_data`, `setup`, `configure_model`; once each."""
        self._attach()
        if stage in self.prepared:
            return
        sources = [each for each in (self.datamodule, self.model) if each is not None]
        if not self.prepared:
            once_per_machine(lambda: [call_if_there(each, "prepare_data") for each in sources])
        self.prepared.append(stage)
        if self.datamodule is not None:
            call_if_there(self.datamodule, "setup", stage)
        self.called.call("setup", stage)
        for name, arguments in (("setup", (stage,)), ("configure_model", ())):
            call_if_there(self.model, name, *arguments)
        self._listen()
        self._attach()  # modules that setup made

    def _attach(self) -> None:
        """Let the module, and modules of Lightning's within it, find the trainer and `self.log` here."""
        for each in self.model.modules():
            if is_lightning(each):
                each._trainer = self.trainer
                each.__dict__["log"] = self._self_log
        self.called.attach(self._self_log)
        if self.datamodule is not None:
            self.datamodule.trainer = self.trainer

    def detach(self) -> None:
        """Leave the module as it was given, but for its weights."""
        for each in self.model.modules():
            if is_lightning(each):
                each._trainer = None
                each.__dict__.pop("log", None)
        self.called.attach(None)
        if self.datamodule is not None:
            self.datamodule.trainer = None

    def _listen(self) -> None:
        """Find the steps and hooks that the module has."""
        self.find_hooks(self.model, self.lengths)
        train = self._fetching("train", self.model.training_step) or fit_arguments(self.model.training_step, 2)
        # Not where the model is compiled: the compiler would meet what looks, and a first step that is not compiled would be another one.
        self._step = look_once(train, f"{type(self.model).__name__}.training_step", lambda: is_compiled(self.model))
        self._evaluate = {split: self._step_of(split) for split in ("validation", "test")}
        predict = self.model.predict_step
        self._predict = None if predict is None else fit_arguments(predict, 2)

    def _step_of(self, split: str) -> Callable[..., Any] | None:
        names = (f"{split}_step", "validation_step")
        name = next((each for each in names if overrides(self.model, each)), None)
        if name is None:
            return None
        step = getattr(self.model, name)
        return self._fetching(split, step) or fit_arguments(step, 2 + (split in self.lengths))

    def _fetching(self, split: str, step: Callable[..., Any]) -> Callable[..., Any] | None:
        """What calls a step that fetches its batches itself; None for any other."""
        self.fetchers.pop(split, None)
        if not fetches(step):
            return None
        found = self.fetchers[split] = Fetcher(self, split, step)
        return found.train if split == "train" else found.evaluate

    def hear_loaders(self, splits: Mapping[str, Rows]) -> None:
        """Be told of the rows of the splits, among which there may be several loaders in turn."""
        self.lengths = {split: rows.lengths for split, rows in splits.items() if isinstance(rows, InTurnRows)}
        self._listen()
        if "train" in self.fetchers and "train" in splits:
            check_fetched(splits["train"], type(self.model).__name__)

    def loaders(self) -> dict[str, Any]:
        """Split → the loader of the data module, or of the module itself, each made after the `setup` of its stage."""
        self.given_loaders = loaders_of(self.model if self.datamodule is None else self.datamodule, prepare=self.prepare)
        return self.given_loaders

    def with_steps(self, splits: Mapping[str, Any]) -> dict[str, Any]:
        """The splits that the module has a step for; of the others it is said that they are not measured, as Lightning does."""
        without = [split for split in splits if split in self._evaluate and self._evaluate[split] is None]
        for split in without:
            name = type(self.model).__name__
            log.warning("the %s data are not measured: %s has no %s_step", split, name, split)
        return {split: rows for split, rows in splits.items() if split not in without}

    def check_splits(self, splits: Iterable[str]) -> None:
        """Raises ConfigError for a split that the module has no step for."""
        wrong = next((split for split in splits if split in self._evaluate and self._evaluate[split] is None), None)
        if wrong is not None:
            name = type(self.model).__name__
            fix = f"write validation_step, or give no {wrong} data"
            raise ConfigError(f"{name} has no {wrong}_step", where=name, why=f"there are {wrong} data", fix=fix)

    def check(self, batch: Batch) -> list[str]:
        """Nothing is tried before the run: a step of Lightning's may count, log, and ask for the run. The sanity check tries validation."""
        return []

    def plan_known(self, plan: Plan) -> None:
        """Let the module read the lengths of the run before it begins, as `configure_optimizers` often does."""
        self.trainer._plan = plan

    def configure_optimizers(self) -> Any:
        """The module's optimizers and schedulers, in the engine's form; None, for the run's own optimizer, where it makes none.

        Raises ConfigError for what Lightning refuses too.
        """
        self._attach()
        if not overrides(self.model, "configure_optimizers"):
            return None
        made = self.model.configure_optimizers()
        made = stand_in(self.model) if made is None else made
        if made is None:
            return None
        self.made = read_optimizers(made, bool(self.model.automatic_optimization))
        self._steppers = [Stepper(each, self.model, self._before_step, self._count_step) for each in self.made.optimizers]
        return self.made.optimizers, self.made.schedulers

    def steppers(self) -> list[Any]:
        """What `self.optimizers()` gives: the optimizers, their steps counted and heard."""
        return self._steppers

    def _before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Between the gradient and the update: the module's hook, and its clipping where the step is played."""
        if self.session is not None:
            self.session.parts.strategy.share_gradients([each for group in optimizer.param_groups for each in group["params"]])
        self.call("on_before_optimizer_step", optimizer)
        if self.plays:
            trainer = self.trainer
            self.model.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)

    def _count_step(self) -> None:
        self.steps_made += 1

    # the steps

    def training_step(self, batch: Batch, context: StepContext) -> Loss | None:
        """The mean loss of these rows; None where a step by hand gave none. Raises NoStep where the module returned None otherwise."""
        now = self.now
        now.index, now.epoch = self._index(context), context.epoch
        now.trained = now.index
        if self.plays:
            return played_step(self, batch)
        batch = self.take_in_batch(batch)
        if not self.automatic:
            return self._step_by_hand(batch)
        mean = self.call_step(batch)
        if mean is None:
            raise NoStep(counts=True)
        return Loss.of_mean(mean, now.rows)

    def take_in_batch(self, batch: Batch) -> Any:
        """The batch as a step wants it; its hooks find it."""
        found = self.prepare_batch(batch)
        self.now.batch, self.now.rows = found, rows_in(found)
        return found

    def call_step(self, batch: Batch) -> Tensor | None:
        """The loss that the module's training step gives for a batch that was taken in."""
        return self.loss_of(self._step(batch, self.now.index))

    def loss_of(self, returned: Any) -> Tensor | None:
        """The loss in what a step returned; what hooks are told of it is kept. Raises TrainwrightError for a mapping without one."""
        now = self.now
        if isinstance(returned, Tensor):
            now.mean, now.returned = returned, {"loss": returned.detach()}
            return returned
        if returned is None:
            now.mean = now.returned = None
            return None
        if isinstance(returned, Mapping) and isinstance(returned.get("loss"), Tensor):
            loss: Tensor = returned["loss"]
            now.mean, now.returned = loss, {**returned, "loss": loss.detach()}
            return loss
        what = "a mapping without 'loss'" if isinstance(returned, Mapping) else f"a {type(returned).__name__}"
        fix = "return the loss, {'loss': loss, …}, or None for no step"
        raise TrainwrightError(f"training_step returned {what}", where=type(self.model).__name__, fix=fix)

    def _step_by_hand(self, batch: Batch) -> Loss | None:
        """A step that the module makes; what it returns is a loss where it is one number."""
        self.now.returned = returned = self._step(batch, self.now.index)
        loss = returned.get("loss") if isinstance(returned, Mapping) else returned
        known = loss.detach().reshape(()) if isinstance(loss, Tensor) and loss.numel() == 1 else None
        return None if known is None else Loss(known * self.now.rows, self.now.rows)

    def backward_of(self, loss: Tensor, *arguments: Any, **named: Any) -> None:
        """The module's backward pass with the hooks round it."""
        self.call("on_before_backward", loss)
        self.model.backward(loss, *arguments, **named)
        self.call("on_after_backward")

    def prepare_batch(self, batch: Batch) -> Any:
        """The batch as the module wants it: parts by place where they were given so, its own hooks for moving it called."""
        if self.positional:
            batch = by_place(batch)
        return batch if self._transfer is None else self._transfer(batch, self.device, self.now.loader)

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """As `validation_step`."""
        return self._evaluate_batch("validation", batch)

    def validation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """The module's; what it logs is kept for the end of the pass."""
        return self._evaluate_batch("validation", batch)

    def test_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """The module's, or its `validation_step` where it has no other."""
        return self._evaluate_batch("test", batch)

    def _evaluate_batch(self, split: str, batch: Batch) -> dict[str, Tensor]:
        step = self._evaluate[split]
        if step is None:
            self.check_splits([split])
            return {}
        batch = self.prepare_batch(batch)
        if self._logged is None:
            self.begin_pass()
        self._take_in()  # what hooks logged since the batch before
        self.now.batch, self.now.rows = batch, rows_in(batch)
        try:
            self.now.returned = returned = step(batch, self.now.index, *self.place_of(split))
        except BaseException:
            self._pending = []  # the batch may be measured again, in smaller pieces
            raise
        loss = returned.get("loss") if isinstance(returned, Mapping) else returned
        if isinstance(loss, Tensor) and loss.numel() == 1:
            self._pending.append(("", loss.reshape(()), self.now.rows, "mean"))
        self._take_in()
        return self._measured_of(returned) if self.asked_metrics is not None else {}

    def _measured_of(self, returned: Any) -> dict[str, Tensor]:
        """What the step returned with rows, where `metrics=` asks for something to be measured of it."""
        named = returned.items() if isinstance(returned, Mapping) else ()
        return {str(name): each.detach() for name, each in named if isinstance(each, Tensor) and each.dim()}

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        """What the module predicts: a tensor as `output`, a mapping by its names, several by number; rows first."""
        if self._predict is None:
            name = type(self.model).__name__
            raise ConfigError(f"{name} has no predict_step", where=name, fix="write predict_step(self, batch), or do not set it to None")
        batch = self.prepare_batch(batch)
        self.now.batch = batch
        self.now.returned = returned = self._predict(batch, self.now.index)
        return named_outputs(returned, type(self.model).__name__)

    # what is logged

    def begin_pass(self) -> None:
        """Begin to collect what is logged over a split."""
        self._logged = Logged()

    def metrics(self, outputs: Mapping[str, Tensor] | None = None) -> Any:
        """A metric of what is logged over a split; with `outputs`, which say nothing here, the numbers themselves."""
        return LoggedPass(self.end_pass) if outputs is None else self.end_pass()

    def end_pass(self) -> dict[str, float]:
        """What was logged over the split, `on_<split>_epoch_end` included; `loss` is the loss among it."""
        logged = self._logged if self._logged is not None else Logged()
        self._logged = logged
        self.end_of_split()
        self._take_in()
        found = logged.values()
        logged.reset_metrics()
        self._logged = None
        returned = found.pop("", None)
        loss = next((found[name] for wanted in LOSSES for name in found if name.replace("/", "_") == wanted), returned)
        for name in self.asked.keys() & found.keys():
            self.trainer.tell(name, torch.tensor(found[name]), "_epoch", self.asked[name])
        return found if loss is None else {"loss": loss, **found}

    def _take_in(self) -> None:
        """Take in what one batch logged, once all of it went well."""
        if self._logged is not None:
            for name, value, weight, reduce in self._pending:
                self._logged.add(name, value, weight, reduce)
        self._pending = []

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a logged value is better, from its name; None where that says nothing."""
        words = name.replace("/", "_").lower().split("_")
        bare = "_".join(word for word in words if word not in (*SPLITS, "epoch", "step"))
        return True if bare == "acc" else False if words[-1] == "loss" or bare.endswith("loss") else higher_is_better(bare)
