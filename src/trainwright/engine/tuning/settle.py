"""From a `trainer:` section with `auto` in it to one with numbers: measured once, when a run begins, and never again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.engine.batch import realise_sizes
from trainwright.engine.batch_options import TuningOptions
from trainwright.engine.modes import Active
from trainwright.engine.plan import automatic_batch_size
from trainwright.engine.scaling import learning_rate_of, with_learning_rate
from trainwright.engine.session import Session
from trainwright.engine.system import System
from trainwright.engine.tuning.batch_size import FINE, GRAIN, Agree, BatchTuning, tune
from trainwright.engine.tuning.learning_rate import RangeTest, range_test
from trainwright.engine.tuning.record import Tuning, chosen_before
from trainwright.engine.tuning.trials import Bench, Trial, trial_session
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.trainer import Trainer

log = logging.getLogger("trainwright.engine")

AUTO = "auto"
RATE = "optimizer.learning_rate"
SIZES = ("batch_size", "micro_batch_size", "accumulation")
TRIAL_RATE = 1e-6
"""Learning rate while sizes are tried: so small that the weights stay where they are."""
STEPS_PER_EPOCH = 5
"""Steps that an epoch keeps at least when the batch is chosen by throughput and `max_batch_size` is not given."""
MOST, LEAST = 8192, 16
"""The largest batch that is chosen then, and one that is never too large."""


def without_auto(
    trainer: Trainer,
    system: System,
    rows: Rows,
    *,
    run: Path | None = None,
    resume: bool = False,
    active: Active | None = None,
) -> Any:
    """The trainer's section with a number wherever it says `auto`; itself when it says so nowhere.

    With `resume`, the numbers that tuning.json in `run` holds are taken; else they are measured, shown in the log, and written there. The
    system, the generators and the order of rows are afterwards what they were. `active` is what the modes gave, where they are on
    already. Raises ConfigError for a request that cannot be met.
    """
    config = trainer.config
    if not asks(config):
        return config
    if resume and run is not None:
        config = fill_chosen(config, chosen_before(run))
    if not asks(config):
        return config
    tuning = settle_auto(with_config(trainer, config), system, rows, trainer.world, active)
    log.info("%s", tuning.text())
    if run is not None and trainer.world.is_main:
        tuning.write(run)
    return fill_chosen(config, tuning.chosen)


def asks(config: Any) -> list[str]:
    """The options that say `auto`, by dotted name; accumulation follows from the others and is not measured."""
    found = [name for name in SIZES[:2] if getattr(config, name, None) == AUTO]
    return [*found, *([RATE] if learning_rate_of(config.optimizer) == AUTO else [])]


def fill_chosen(config: Any, chosen: Mapping[str, int | float]) -> Any:
    """The section with the numbers that `chosen` has for options that say `auto`."""
    sizes = {name: int(chosen[name]) for name in SIZES[:2] if getattr(config, name, None) == AUTO and name in chosen}
    changed = config.model_copy(update=sizes)
    if learning_rate_of(config.optimizer) == AUTO and RATE in chosen:
        changed = changed.model_copy(update={"optimizer": with_learning_rate(config.optimizer, float(chosen[RATE]))})
    return changed


def as_before(config: Any, saved: Any) -> Any:
    """The section with the numbers of `saved`, the section that a run was begun with, wherever it says `auto`."""
    sizes = {name: getattr(saved, name) for name in SIZES[:2] if isinstance(getattr(saved, name), int)}
    rate = learning_rate_of(saved.optimizer)
    return fill_chosen(config, sizes | ({RATE: rate} if isinstance(rate, int | float) else {}))


def with_config(trainer: Trainer, config: Any) -> Trainer:
    """A trainer like this one with another section, that shows and calls nothing."""
    made = type(trainer)(config, seed=trainer.seed, device=trainer.device, console=False)
    made.on_best_batch_size = trainer.on_best_batch_size
    return made


def settle_auto(trainer: Trainer, system: System, rows: Rows, world: World | None = None, active: Active | None = None) -> Tuning:
    """Measure what the section leaves to be measured: the sizes first, then the learning rate with them.

    Each process of `world` measures for itself; then they take the smallest size that any of them chose, and the rate of rank 0.
    """
    world = world or World()
    config, tuning = trainer.config, Tuning()
    check(config)
    request = TuningRequest(config, len(rows), system)
    if request.option:
        tuning.batch = tune_batch(trainer, system, rows, request, world.min, active)
        tuning.chosen[request.option] = tuning.batch.chosen
        if request.option == "batch_size" and "micro_batch_size" in request.asked:
            tuning.chosen["micro_batch_size"] = tuning.batch.chosen // request.multiple
    else:
        tuning.chosen |= request.follows()
    config = fill_chosen(config, tuning.chosen)
    if learning_rate_of(config.optimizer) == AUTO:
        tuning.rate = world.broadcast(tune_rate(with_config(trainer, config), system, rows, active))
        tuning.chosen[RATE] = tuning.rate.chosen if tuning.rate.chosen is not None else default_rate(config.optimizer)
    return tuning


def check(config: Any) -> None:
    """Raises ConfigError for what cannot be wished for at once."""
    scaling = getattr(config, "learning_rate_scaling", None)
    if learning_rate_of(config.optimizer) == AUTO and scaling is not None and scaling.rule != "none":
        why = "the range test finds the rate for the batch that is used; scaling it once more would miss it"
        fix = "give a learning rate, or learning_rate_scaling.rule: none"
        raise ConfigError("learning_rate: auto cannot be scaled", where="trainer.learning_rate_scaling", why=why, fix=fix)


class TuningRequest:
    """What is to be found by trials, and the step that a trial of a size makes."""

    def __init__(self, config: Any, rows: int, system: System) -> None:
        from trainwright.engine.assembly import normalises_over_batch

        self.rows, self.limit = rows, getattr(config, "max_batch_size", None)
        batch, micro, pieces = (getattr(config, name, None) for name in SIZES)
        self.batch, self.micro, self.pieces = (None if each == AUTO else each or None for each in (batch, micro, pieces))
        self.option = ""
        if batch == AUTO and not (self.micro and self.pieces):
            self.option = "batch_size"
        elif micro == AUTO and not self.pieces:
            self.option = "micro_batch_size"
        self.asked = [name for name, value in zip(SIZES, (batch, micro, pieces), strict=True) if value == AUTO]
        self.multiple = self.pieces or 1 if self.option == "batch_size" else 1
        """Pieces per step where their number is given: the trials are of a piece."""
        self.smallest = 2 if normalises_over_batch(system) else 1
        self.sizes = realise_sizes(self.batch, self.micro, self.pieces, rows, automatic_batch_size(rows), self.limit)

    def follows(self) -> dict[str, int | float]:
        """The sizes that say `auto` and follow from the others."""
        return {name: getattr(self.sizes, name) for name in self.asked if name != "accumulation"}

    @property
    def largest(self) -> int:
        """The largest size to try."""
        if self.option == "micro_batch_size":
            return self.sizes.batch_size
        share = self.rows // STEPS_PER_EPOCH
        share -= share % GRAIN if share > FINE else 0
        limit = self.limit or max(min(share, MOST), min(LEAST, self.rows))
        return max(min(limit, self.rows) // self.multiple, 1)

    def step(self, size: int) -> tuple[int, int]:
        """Batch and micro-batch of the step that tries a size."""
        if self.option == "micro_batch_size":
            return self.sizes.batch_size, size
        return size * self.multiple, min(size, self.micro or size)


def tune_batch(
    trainer: Trainer, system: System, rows: Rows, request: TuningRequest, agree: Agree = int, active: Active | None = None
) -> BatchTuning:
    """Try sizes on real steps."""
    options = options_of(trainer.config)
    sizes: dict[str, Any] = {
        "snapshot": options.snapshot_weights,
        "batch_size": request.sizes.batch_size,
        "micro_batch_size": None,
        "max_batch_size": None,
    }
    with session_for(trainer, system, rows, TRIAL_RATE, active, **sizes) as session:
        bench = Bench(session, options.memory_margin)

        def measure(size: int) -> Trial:
            return bench(*request.step(size))

        limits: dict[str, Any] = {"largest": request.largest, "smallest": request.smallest, "tolerance": options.tolerance}
        limits |= {"max_trials": options.max_trials, "halving_limit": options.halving_limit, "on_best": trainer.on_best_batch_size}
        device = str(session.device)
        found = tune(measure, request.option, agree=agree, device=device, max_time=options.max_time.seconds, **limits)
        return replace(found, chosen=found.chosen * request.multiple)


def tune_rate(trainer: Trainer, system: System, rows: Rows, active: Active | None = None) -> RangeTest:
    """The range test, with the sizes that the section has."""
    options = options_of(trainer.config)
    limits: dict[str, Any] = {"low": options.range_from, "high": options.range_to, "steps": options.range_steps}
    with session_for(trainer, system, rows, 1.0, active, accumulation=getattr(trainer.config, "accumulation", None)) as session:
        return range_test(session, max_time=options.max_time.seconds, **limits)


@contextmanager
def session_for(
    trainer: Trainer, system: System, rows: Rows, rate: float, active: Active | None, snapshot: bool = True, **changes: Any
) -> Iterator[Session]:
    """A trial session whose optimizer has the learning rate `rate`."""
    changes["optimizer"] = with_learning_rate(trainer.config.optimizer, rate)
    with trial_session(trainer, system, rows, active, snapshot, **changes) as session:
        yield session


def options_of(config: Any) -> TuningOptions:
    """The `tuning:` section."""
    found: TuningOptions | None = getattr(config, "tuning", None)
    return found or TuningOptions()


def default_rate(optimizer: Any) -> float:
    """The learning rate that the optimizer, or the one inside it, has by default."""
    default = learning_rate_of(type(optimizer)())
    return float(default) if isinstance(default, int | float) else 1e-3
