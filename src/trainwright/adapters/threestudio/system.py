"""`BaseSystem`: a system as threestudio's users write it, trained here; what it has beside theirs is what every system has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field, field_validator

from trainwright.adapters.lightning.log import number, reduction_of
from trainwright.adapters.threestudio.calls import FOLLOWING, SPLITS, STEPS, At, adapt, first_name, nothing, of_hook
from trainwright.adapters.threestudio.optimizers import parse_optimizer, parse_scheduler
from trainwright.adapters.threestudio.saving import SaverMixin
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.model import as_refusal
from trainwright.engine.callbacks.base import HOOKS
from trainwright.engine.system import Batch
from trainwright.systems.base import System, SystemOptions
from trainwright.systems.configurable import option

STARTS = {f"on_{split}_batch_start": split for split in SPLITS}
ENDS = ("on_validation_epoch_end", "on_test_epoch_end")
"""Hooks that are called before what was logged is joined, so that what they log is among it."""


class BaseSystemOptions(SystemOptions):
    """Options that every system of threestudio's has."""

    loggers: dict[str, Any] = Field(default={})
    """Must be switched off: `trainer.trackers` are ours."""
    optimizer: dict[str, Any] = Field(default={})
    """`{name: Adam, args: {lr: 0.01}, params: {geometry: {lr: 0.001}}}`; empty for `trainer.optimizer`."""
    scheduler: dict[str, Any] | None = None
    """`{name: ExponentialLR, interval: step, args: {gamma: 0.99}}`, of that optimizer."""
    weights_ignore_modules: list[str] | None = None
    """Modules that are not taken from `weights`."""

    @field_validator("loggers")
    @classmethod
    def _are_off(cls, value: dict[str, Any]) -> dict[str, Any]:
        on = next((name for name, each in value.items() if not isinstance(each, dict) or each.get("enable", True)), None)
        if on is not None:
            fix = "name it in `trainer.trackers`: `trainwright list tracker`"
            raise as_refusal(ConfigError(f"'{on}' is no logger of a system here", fix=fix))
        return value


class BaseSystem(SaverMixin, System):
    """A system whose `configure` makes its parts; its steps get the batch and its place, its hooks no session, as in threestudio.

    Hooks that name `session` first, steps that name `context`, and `build` instead of `configure` are called as those of `tw.System`.
    """

    Config = BaseSystemOptions
    monitor_is_optional = True

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        adapt(cls, {**STEPS, **FOLLOWING})

    shares_evaluation = False  # its evaluations save pictures under the numbers of batches

    def __init__(self, cfg: Any = None, resumed: bool = False) -> None:
        """`cfg`: a mapping of the options of `Config`, an instance of it, or nothing; `resumed` means nothing, for runs are continued."""
        super().__init__(cfg)
        self.at = At()
        modules = option(self.config, "weights_ignore_modules") or ()
        if modules:
            ignored = [*(option(self.config, "weights_ignore") or ()), *(f"{name}.*" for name in modules)]
            object.__setattr__(self.config, "weights_ignore", ignored)

    def build(self, spec: Any) -> None:
        """Calls `configure`: what is known of the data is not told."""
        self.configure()

    def configure(self) -> None:
        """Makes the parts, before weights are loaded."""

    def post_configure(self) -> None:
        """Called after weights are loaded; what it makes is not trained."""

    def update_step(self, *place: Any, **named: Any) -> None:
        """Called before every step and evaluation, with the epoch and the step."""

    def update_step_end(self, *place: Any, **named: Any) -> None:
        """Called after every step, with the epoch and the step."""

    def configure_optimizers(self) -> Any:
        """The optimizer and scheduler of the options; none where they name none. Raises ConfigError for what torch or the system lacks."""
        optimizer, scheduler = option(self.config, "optimizer"), option(self.config, "scheduler")
        if not optimizer:
            if scheduler:
                fix = "name system.optimizer too, or trainer.schedule instead"
                raise ConfigError("a scheduler without an optimizer", where="system.scheduler", fix=fix)
            return None
        made = parse_optimizer(optimizer, self)
        return {"optimizer": made, "lr_scheduler": parse_scheduler(scheduler, made)} if scheduler else made

    # where the run is

    @property
    def true_global_step(self) -> int:
        """Optimizer updates already made; in a run that only measures, those of its weights."""
        session = None if self._run is None else self._run()
        return 0 if session is None else session.step

    @property
    def true_current_epoch(self) -> int:
        """Passes over the training rows already finished."""
        session = None if self._run is None else self._run()
        return 0 if session is None else session.epoch

    global_step, current_epoch = true_global_step, true_current_epoch

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        found = next(self.parameters(), None)
        return torch.get_default_device() if found is None else found.device

    def get_device(self) -> torch.device:
        """The same."""
        return self.device

    def index_of_batch(self) -> int:
        """The place in its epoch of the batch that is trained on."""
        session = None if self._run is None else self._run()
        return 0 if session is None else session.position.plan.index_of(session.position.batches_seen)

    # what is told

    def log(  # type: ignore[override]
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: Any = "mean",
        sync_dist: bool = False,
        batch_size: int | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Put a number into the next logged row, or, in an evaluation, into the metrics of the split.

        Where it is shown is said by the trainer, so the other words of Lightning's change nothing, but for `reduce_fx`: mean or sum.
        """
        reduce = reduction_of(reduce_fx, name)
        if reduce not in ("mean", "sum"):
            fix = "log the mean or the sum, or keep the extreme in the system"
            raise TrainwrightError(f"'{name}' cannot be logged as its {reduce}", where="self.log", fix=fix)
        if self.at.closing:
            self._logged.append((name, torch.as_tensor(number(name, value)).detach(), 1))
            return
        wanted: Literal["mean", "sum"] = "sum" if reduce == "sum" else "mean"
        super().log(name, number(name, value), wanted)

    def log_dict(self, dictionary: Any, **named: Any) -> None:
        """Log each of several numbers."""
        for name, value in dictionary.items():
            self.log(name, value, **named)

    def take_logged(self) -> dict[str, float]:
        """What was logged in an evaluation, the hook at the end of the split included."""
        split, self.at.split = self.at.split, ""
        hook = self._own_hook(f"on_{split}_epoch_end") if split else None
        if hook is not None:
            self.at.closing = True
            try:
                hook(self.session)
            finally:
                self.at.closing = False
        return super().take_logged()

    # hooks

    def hook_named(self, name: str) -> Callable[..., Any] | None:
        """Its own hook of that name, called with threestudio's arguments."""
        own = self._own_hook(name)
        if name == "setup" and type(self).post_configure is not BaseSystem.post_configure:
            return lambda session: self._after_weights(session, own)
        if name in STARTS:
            return lambda session, batch, index: self._begin(STARTS[name], session, batch, index, own)
        return None if name in ENDS and not self._names_session(name) else own

    def _own_hook(self, name: str) -> Callable[..., Any] | None:
        found = getattr(type(self), name, None)
        return None if found is None or found is nothing else of_hook(self, name, getattr(self, name))

    def _names_session(self, name: str) -> bool:
        return first_name(getattr(self, name), 0) == "session"

    def _after_weights(self, session: Any, own: Callable[..., Any] | None) -> None:
        self.post_configure()
        if own is not None:
            own(session)

    def _begin(self, split: str, session: Any, batch: Batch, index: int, own: Callable[..., Any] | None) -> None:
        self.at.split, self.at.index = "" if self._names_session(f"on_{split}_epoch_end") else split, index
        if own is not None:
            own(session, batch, index)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "at": At()}


for _name in HOOKS:
    setattr(BaseSystem, _name, nothing)  # Lightning's modules have every hook, which theirs call by super()
