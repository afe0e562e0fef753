"""The hooks of the engine, each passed on to the LightningModule with Lightning's own arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.adapters.lightning.answers import Answers
from trainwright.adapters.lightning.called import Called, pass_on, tear_down
from trainwright.adapters.lightning.documents import give_back, kept_of
from trainwright.adapters.lightning.fetching import Fetcher
from trainwright.adapters.lightning.log import Asked, Entry, Logged
from trainwright.adapters.lightning.model_checkpoint import tell_checkpoint
from trainwright.adapters.lightning.now import Now
from trainwright.adapters.lightning.optimizers import Made, step_schedulers
from trainwright.adapters.lightning.trainer import STAGES, LightningTrainer
from trainwright.adapters.lightning.written import decode_value, encode_value
from trainwright.data.several_rows import place_in
from trainwright.engine.adapted import Wrapping
from trainwright.engine.system import Batch, Loss, StepContext
from trainwright.nn.modes import eval_mode

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.systems")

OF_STEPS = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_backward", "on_after_backward"),
    *("on_before_optimizer_step", "on_before_zero_grad"),
)
"""Hooks that do nothing here but call the module's own."""
RUNNING = {"validation": "validating", "test": "testing", "predict": "predicting"}
STATE = "lightning"
"""The document of a checkpoint that holds what the module keeps beside weights."""


class LightningHooks(Wrapping):
    """What the engine calls round its steps, and the place of the run that the module may ask for."""

    model: Any
    datamodule: Any
    trainer: LightningTrainer
    answers: Answers
    made: Made
    plays: bool
    lengths: Mapping[str, Sequence[int]]
    _logged: Logged | None
    _pending: list[tuple[str, Any, float, str]]

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.prepared: list[str] = []
        self.automatic = True
        self.now = Now()
        self.steps_made = 0
        """Steps that the module, or the played step, made of its optimizers."""
        self.at_epoch = False
        """Whether a hook of the epoch is running, whose values are the epoch's."""
        self.of_epoch = Logged()
        self.asked: dict[str, Asked] = {}
        """How each name was asked to be logged last."""
        self.split = ""
        self._tried: Mapping[str, Sequence[int]] = {}
        """While a few batches are tried: how many of each of several loaders."""
        self.fetchers: dict[str, Fetcher] = {}
        """Split → the iterator of a step that fetches its batches itself."""
        self._mode = ExitStack()
        """The mode of evaluation, while a split is measured."""
        self._own: dict[str, Callable[..., Any]] = {}
        self.called = Called([], None, None)
        self.stays = self.closing = False

    def find_hooks(self, module: Any, several: Iterable[str] = ()) -> None:
        """Find the module's hooks, and those of Lightning's callbacks before them; `several`: splits whose loaders are told."""
        self._own = self.called.with_own(module, {f"on_{split}_batch_{end}" for split in several for end in ("start", "end")})

    def hook_named(self, name: str) -> Callable[..., Any] | None:
        """As every system's; of those round a step only what the module has, for each costs its share of every step."""
        needed = name == "on_train_batch_start" and "train" in self.fetchers
        return None if name in OF_STEPS and name not in self._own and not needed else super().hook_named(name)

    def _index(self, context: StepContext) -> int:
        """The place in its epoch of the batch that is stepped on."""
        session = self.session
        return self.now.index if session is None else session.position.plan.index_of(session.position.batches_seen)

    def call(self, name: str, *arguments: Any) -> Any:
        """The module's own hook, where it has one."""
        own = self._own.get(name)
        return None if own is None else own(*arguments)

    def prepare(self, stage: str) -> None:
        """Attach the module, and set it up for a stage."""
        raise NotImplementedError

    def detach(self) -> None:
        """Leave the module as it was given, but for its weights."""
        raise NotImplementedError

    def check_splits(self, splits: Iterable[str]) -> None:
        """Raises ConfigError for a split that the module has no step for."""
        raise NotImplementedError

    def begin_pass(self) -> None:
        """Begin to collect what is logged over a split."""
        raise NotImplementedError

    def end_pass(self) -> dict[str, float]:
        """What was logged over the split."""
        raise NotImplementedError

    @property
    def updates(self) -> int:
        """Steps of optimizers so far: with manual optimization of all of them together, as Lightning counts."""
        return self.steps_made if not self.automatic else 0 if self.session is None else self.session.step

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """What is logged inside is forgotten."""
        logged, pending, now, heard = self._logged, self._pending, replace(self.now), dict(self.trainer.callback_metrics)
        self._logged, self._pending = Logged(), []
        try:
            yield
        finally:
            self._logged, self._pending, self.now, self.trainer.callback_metrics = logged, pending, now, heard

    # the run

    def attach(self, session: Session) -> None:
        """The session that is about to begin."""
        self.session = session

    def setup(self, session: Session) -> None:
        """Attach the module, call its `setup` where that has not been, and look whether it has the steps that will be needed."""
        self.session, self.trainer._stage = session, session.stage
        self.automatic = bool(self.automatic_optimization)
        self.trainer._running = STAGES[session.stage]
        self.prepare(session.stage)
        if session.stage == "fit" and session.validation is not None:
            self.check_splits(["validation"])

    def teardown(self, session: Session) -> None:
        """The module's, last of all; after what `staying` holds, where that goes on."""
        self.closing = True
        if not self.stays:
            self.close()

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Inside, a run that ends leaves the module as it is: it may be looked at until then, and nothing is called after `teardown`."""
        self.stays = True
        try:
            yield
        finally:
            self.stays = False
            if self.closing:
                self.close()

    def close(self) -> None:
        """Call `teardown` for every stage that was set up; afterwards the module is as it was given, but for its weights."""
        self.closing = False
        self._mode.close()
        tear_down(self.model, self.datamodule, self.called, self.prepared)
        self.session, self.now = None, Now(self.now.epoch)
        self.detach()

    def on_exception(self, session: Session, error: BaseException) -> None:
        """The callbacks' and the data module's."""
        self.called.call("on_exception", error)
        if self.datamodule is not None:
            self.datamodule.on_exception(error)

    def on_fit_start(self, session: Session) -> None:
        """The module's; the place of the run is known."""
        self.now.epoch = session.epoch
        self.call("on_fit_start")

    def on_fit_end(self, session: Session) -> None:
        """The module's; a ModelCheckpoint finds where the checkpoints lie."""
        for each in self.answers.checkpoints:
            tell_checkpoint(each, session)
        self.call("on_fit_end")

    on_train_start = pass_on("on_train_start")

    def on_train_end(self, session: Session) -> None:
        """The module's; what was logged after the last row is told in the log."""
        self.call("on_train_end")
        late = session.logs.running_values.values()
        if late:
            log.info("logged after the last row: %s", ", ".join(f"{name} {value:.6g}" for name, value in late.items()))

    # steps

    def on_train_epoch_start(self, session: Session) -> None:
        """The module's; what is logged of an epoch begins anew."""
        self.now.epoch, self.of_epoch = session.epoch, Logged()
        self._in_epoch("on_train_epoch_start")

    def on_train_epoch_end(self, session: Session) -> None:
        """The module's, which finds the values of the epoch and may add some; then the schedulers of epochs where the step is played."""
        self._tell_epoch()
        self._in_epoch("on_train_epoch_end")
        for name, entry in self._tell_epoch():
            if entry.metric is not None:
                session.log(self.asked[name].name_for(name, "_epoch"), entry.value(), "last")
        self.of_epoch.reset_metrics()
        if self.plays:
            step_schedulers(self.model, self.made.schedulers, "epoch", self.now.epoch + 1, self.trainer.callback_metrics)

    def _tell_epoch(self) -> list[tuple[str, Entry]]:
        """Let what reads `callback_metrics` hear the values of the epoch, in place of those of its last step; returns the entries."""
        found = [(name, entry) for name, entry in self.of_epoch.entries.items() if name in self.asked]
        for name, entry in found:
            self.trainer.tell(name, entry.value(), "_epoch", self.asked[name])
        return found

    def values_for_schedulers(self) -> Mapping[str, Any]:
        """What schedulers hear: every logged value by Lightning's names."""
        return self.trainer.callback_metrics

    def _in_epoch(self, name: str) -> None:
        self.at_epoch = True
        self.call(name)
        self.at_epoch = False

    def on_train_batch_start(self, session: Session, batch: Batch, index: int) -> int | None:
        """The module's; -1 leaves out the rest of the epoch."""
        now = self.now
        now.index, now.trained, now.epoch, now.batch, now.loader = index, index, session.epoch, batch, 0
        if "train" in self.fetchers and self.fetchers["train"].is_over(index):
            return -1
        found: int | None = self.call("on_train_batch_start", batch, index)
        return found

    def on_train_batch_end(self, session: Session, batch: Batch, index: int) -> None:
        """The module's, with what its step returned and the batch as the step saw it."""
        self.call("on_train_batch_end", self.now.returned if self.now.returned is not None else {}, self.now.batch, index)

    def on_before_backward(self, session: Session, loss: Loss) -> None:
        """The module's, with the mean loss."""
        self.call("on_before_backward", self.now.mean)

    on_after_backward = pass_on("on_after_backward")

    def on_before_optimizer_step(self, session: Session) -> None:
        """The module's, with its optimizer."""
        self.call("on_before_optimizer_step", self._optimizer(session))

    def on_before_zero_grad(self, session: Session) -> None:
        """The module's, with its optimizer."""
        self.call("on_before_zero_grad", self._optimizer(session))

    def _optimizer(self, session: Session) -> Any:
        return self.made.optimizers[0] if self.made.optimizers else session.optimizer

    # splits

    def on_sanity_check_start(self, session: Session) -> None:
        """The beginning of an evaluation, as Lightning has it."""
        self.trainer.sanity_checking = True
        most = session.config.sanity_check
        self._tried = {split: [min(each, most) for each in lengths] for split, lengths in self.lengths.items()}
        self.called.call("on_sanity_check_start")
        self._split_starts("validation")

    def on_sanity_check_end(self, session: Session) -> None:
        """The end of an evaluation; raises ConfigError when it did not measure what is monitored."""
        asked = self.asked_metrics  # beside what the module logs
        metrics = self.end_pass() | dict.fromkeys([] if asked is None else asked.names(), float("nan"))
        certain = asked is None or asked.certain
        self._tried = {}
        self._split_ends("validation")
        self.called.call("on_sanity_check_end")
        self.trainer.sanity_checking = False
        self.trainer.forget()
        if certain:
            session.monitor.value(metrics)

    def on_validation_start(self, session: Session) -> None:
        """The module's, where there is a split to be measured."""
        if session.validation is not None:
            self._split_starts("validation")

    def on_validation_end(self, session: Session, metrics: Mapping[str, float]) -> None:
        """The module's."""
        self._split_ends("validation")

    def on_test_start(self, session: Session) -> None:
        """The module's, after its `setup("test")`."""
        self.prepare("test")
        self._split_starts("test")

    def on_test_end(self, session: Session, metrics: Mapping[str, float]) -> None:
        """The module's."""
        self._split_ends("test")

    def on_predict_start(self, session: Session) -> None:
        """The module's."""
        self._split_starts("predict")

    def on_predict_end(self, session: Session) -> None:
        """The module's."""
        self._split_ends("predict")

    def _split_starts(self, split: str) -> None:
        self.trainer._running = RUNNING[split]
        if split == "validation":
            self.call("on_validation_model_zero_grad")
        self._mode.enter_context(eval_mode(self.model))  # from here on, as there: the engine's own begins with the first batch
        self.call(f"on_{split}_start")

    def _split_ends(self, split: str) -> None:
        self.trainer._running = RUNNING[split]
        self.call(f"on_{split}_end")
        self._mode.close()
        self.call(f"on_{split}_model_train")
        self.trainer._running = "training"

    def _epoch_starts(self, split: str) -> None:
        self.split, self.trainer._running = split, RUNNING[split]
        if split != "predict":
            self.begin_pass()
        if split in self.fetchers:
            self.fetchers[split].begin()
        self._in_epoch(f"on_{split}_epoch_start")

    def end_of_split(self) -> None:
        """`on_<split>_epoch_end`, called before the metrics are joined, so that what it logs is among them."""
        if self.split:
            self._in_epoch(f"on_{self.split}_epoch_end")
        self.split, self.trainer._running = "", "training"

    def on_validation_epoch_start(self, session: Session) -> None:
        """The module's; what it logs from here on is of the split."""
        self._epoch_starts("validation")

    def on_test_epoch_start(self, session: Session) -> None:
        """The module's; what it logs from here on is of the split."""
        self._epoch_starts("test")

    def on_predict_epoch_start(self, session: Session) -> None:
        """The module's."""
        self._epoch_starts("predict")

    on_predict_epoch_end = pass_on("on_predict_epoch_end")

    def place_of(self, split: str) -> tuple[int, ...]:
        """The number of the loader of now where a split has several; nothing where it has one."""
        return (self.now.loader,) if split in self.lengths else ()

    def _batch_starts(self, split: str, batch: Batch, index: int) -> None:
        if index == 0:
            self.call(f"on_{split}_model_eval")
        self.now.loader, self.now.index = place_in((self._tried or self.lengths).get(split, ()), index)
        self.call(f"on_{split}_batch_start", batch, self.now.index, *self.place_of(split))

    def _batch_ends(self, split: str) -> None:
        self.call(f"on_{split}_batch_end", self.now.returned, self.now.batch, self.now.index, *self.place_of(split))

    def on_validation_batch_start(self, session: Session, batch: Batch, index: int) -> None:
        """The module's."""
        self._batch_starts("validation", batch, index)

    def on_test_batch_start(self, session: Session, batch: Batch, index: int) -> None:
        """The module's."""
        self._batch_starts("test", batch, index)

    def on_predict_batch_start(self, session: Session, batch: Batch, index: int) -> None:
        """The module's."""
        self._batch_starts("predict", batch, index)

    def on_validation_batch_end(self, session: Session, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """The module's, with what its step returned."""
        self._batch_ends("validation")

    def on_test_batch_end(self, session: Session, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """The module's, with what its step returned."""
        self._batch_ends("test")

    def on_predict_batch_end(self, session: Session, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """The module's, with what its step returned."""
        self._batch_ends("predict")

    # checkpoints

    def on_save_checkpoint(self, session: Session, documents: dict[str, Any]) -> None:
        """Keep what the module and the data module put into the checkpoint."""
        documents[STATE] = encode_value(kept_of(self))

    def on_load_checkpoint(self, session: Session, documents: Mapping[str, Any]) -> None:
        """Give the module and the data module back what they put in."""
        give_back(self, decode_value(documents.get(STATE, {})))
