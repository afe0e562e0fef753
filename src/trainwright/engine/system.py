"""What the trainer asks of a system: a loss to minimise, outputs to measure, metrics of them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.data.counters import fold
from trainwright.engine.directions import higher_is_better
from trainwright.engine.renamed import ON_CONTEXT, find_renamed

if TYPE_CHECKING:
    from trainwright.data.transforms.batches import BatchTransforms
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session
    from trainwright.metrics.asked import Wishes

Batch = Any
"""Rows of a step: tensors by block name, the first dimension of each the row; or, from a loader of a person's own, whatever it gives."""


class NoStep(Exception):
    """Raised by a `training_step` that wants its batch to make no step; the batch counts as left out, or as a step without a change."""

    def __init__(self, *, counts: bool = False) -> None:
        """`counts`: whether it counts as a step in which nothing changes, as in Lightning."""
        super().__init__()
        self.counts = counts


@dataclass(slots=True)
class Loss:
    """The loss of some rows as a sum and how many items it is over, so that pieces of a step can be joined exactly."""

    total: Tensor
    """Scalar: the sum over the items, with its graph (without one where `mean` has it)."""
    count: int | Tensor
    """Items summed over (rows, tokens, pixels)."""
    parts: dict[str, Tensor] = field(default_factory=dict)
    """Named terms of the total, detached, each a sum over the same items."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """What the running training metrics read: detached, rows first, the keys of `evaluation_step`."""
    mean: Tensor | None = None
    """The mean over the items with its graph, for a loss that is one by itself: a step in one piece goes backwards from it as it is."""

    @classmethod
    def of_mean(cls, mean: Tensor, count: int, parts: dict[str, Tensor] | None = None, outputs: dict[str, Tensor] | None = None) -> Loss:
        """The loss of `count` items from their mean (a scalar with its graph); `parts` and `outputs` as the fields of these names."""
        return cls(mean.detach() * count, count, parts or {}, outputs or {}, mean)


@dataclass(slots=True)
class StepContext:
    """Where the run is: what a step may depend on beside its rows and the weights."""

    step: int
    """Optimizer updates already made."""
    epoch: int
    """Passes over the training rows already finished."""
    progress: float
    """Share of the run already done, 0 to 1 (0 while the length is not known)."""
    generator: torch.Generator
    """The device's default generator, seeded from (seed, step): drawing from it needs no state to be saved."""
    key: int = 0
    """What follows from (seed, step) alone: with the place of a row, what is drawn for the row whatever pieces the step is made of."""
    first: int = 0
    """The place of the first of these rows within the step, over all micro-batches and ranks; in an evaluation, within the split."""
    rows: int = 0
    """How many rows the step has, over all micro-batches and ranks; in an evaluation, the split."""

    def __getattr__(self, name: str) -> Any:
        return find_renamed(self, name, ON_CONTEXT)


Listener = Callable[[StepContext], None]
"""What is told where the run is."""


class System(nn.Module):
    """What is trained: every name that the engine calls or reads of a system is listed here, with what it is by default.

    Derive your own from `trainwright.System`, which adds options, logging and media. A module of another kind with `training_step`,
    `evaluation_step` and `metrics` is taken as it is, see `trainwright.engine.adapted`.
    """

    monitor: str = "loss"
    """The metric of validation that picks the best weights where `trainer.monitor` is `auto`."""
    monitor_is_optional: bool = False
    """Whether a run goes on without `monitor` among what was measured, and keeps its last weights, where nothing that was asked for waits
    for it."""
    mode: str = "auto"
    """Whether `monitor` is better when smaller (`min`) or larger (`max`), where its name does not tell."""
    asked_metrics: Wishes | None = None
    """Metrics that were asked for beside its own."""
    automatic_optimization: bool = True
    """False where `training_step` goes backwards and steps its optimizers by itself."""
    follows_settings: Collection[str] = ()
    """Settings that a step which it makes by itself follows all the same: `clip`, `micro_batch_size`."""
    own_metrics: bool = False
    """Whether what it measures is a person's own code, which is tried before the first step."""
    shares_evaluation: bool = True
    """Whether several processes may measure a part of a split each; else each measures all of it."""
    tried_before: bool = True
    """Whether a step can be tried before the run; else the first steps are looked at."""
    sample_range: Sequence[float] | None = (0.0, 1.0)
    """The values of pictures that `sample` gives which are black and white; None where it gives numbers that are no pictures."""
    sample_rate: int = 0
    """Hz of the sounds that `sample` gives; 0 where it gives none."""
    same_noise: bool = False
    """Whether samples made while it trains begin from the same noise each time, where `trainer.sampling.same_noise` does not say."""
    instead_of_sampling: str = "write def sample(self, n, generator) in its class"
    """What a person who asks it for samples is told, where it makes none."""
    batch_transforms: BatchTransforms | None = None
    """What is done to batches on the device before they are given to a step; None for nothing."""

    # the steps

    def training_step(self, batch: Batch, context: StepContext) -> Any:
        """The loss of these rows in training mode, with its graph: a scalar, a mapping of parts to weigh and sum, or a `Loss`."""
        raise _not_written(self, "training_step(self, batch, context)")

    def evaluation_step(self, batch: Batch, context: StepContext) -> Any:
        """What the metrics read of these rows in evaluation mode, rows first, without a graph."""
        raise _not_written(self, "evaluation_step(self, batch, context)")

    def validation_step(self, batch: Batch, context: StepContext) -> Any:
        """As `evaluation_step`, for validation rows."""
        return self.evaluation_step(batch, context)

    def test_step(self, batch: Batch, context: StepContext) -> Any:
        """As `evaluation_step`, for test rows."""
        return self.evaluation_step(batch, context)

    def predict_step(self, batch: Batch) -> Any:
        """Predictions for these rows, rows first."""
        raise _not_written(self, "predict_step(self, batch)")

    def sample(self, n: int, generator: torch.Generator) -> Any:
        """`n` new things made from the noise of `generator`: a tensor, rows first (pictures n c h w), texts, or a mapping of these."""
        raise _not_written(self, "sample(self, n, generator)")

    def sample_numbered(self, first: int, count: int, seed: int) -> Any:
        """The samples number `first` and on of a seed, as `sample` gives them.

        By default from a generator that follows from (seed, first), so that samples are those of one size of batch; a system whose every
        sample follows from (seed, number) makes them the same in batches of any size.
        """
        generator = torch.Generator(device=device_of(self)).manual_seed(fold(seed, "sampling", first))
        return self.sample(count, generator)

    def as_samples(self, batch: Batch) -> Tensor:
        """The rows of a batch of data in the form and range of `sample`, which samples are measured beside.

        By default the one tensor of floats with dimensions beside the rows. Raises ConfigError where there are none or several.
        """
        found = {name: each for name, each in tensors_in(batch).items() if each.is_floating_point() and each.dim() > 1}
        if len(found) == 1:
            return next(iter(found.values()))
        why = f"a batch has {', '.join(found) or 'no tensor of floats with dimensions beside the rows'}"
        what, fix = f"{self.shown_name} does not say what samples are measured beside", "write def as_samples(self, batch) in its class"
        raise ConfigError(what, where=f"{self.shown_name}.as_samples", why=why, fix=fix)

    def class_of(self, batch: Batch) -> Tensor | None:
        """The class of each row of a batch (rows,), whole numbers from 0 on, by which features may be learnt; None where there is none."""
        return None

    @property
    def makes_samples(self) -> bool:
        """Whether `sample` is its own."""
        return overriding(self, "sample") is not None

    def as_evaluated(self, batch: Batch) -> Batch:
        """A batch under the transforms that always apply, where its network does not do them by itself."""
        if self.batch_transforms is None or self.batch_transforms.in_network:
            return batch
        return self.batch_transforms.always(batch)

    def loss_weights(self, context: StepContext) -> Callable[[str], float] | None:
        """Part of the loss → its weight now, where `training_step` returns parts; None where each counts once."""
        return None

    @property
    def inexact_pieces(self) -> str:
        """Why micro-batches do not join exactly with its loss, where it says so itself."""
        return ""

    # what is measured

    def metrics(self, *outputs: Any, **more: Any) -> Any:
        """`metrics(self)` gives metrics that are summed up; `metrics(self, outputs)` computes numbers of a whole split's outputs."""
        return None

    def metric_names(self) -> Sequence[str] | None:
        """The names that the metrics will have, so that a wrong `trainer.monitor` is refused before step 1; None where it is not known."""
        return None

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a metric is better; None where that is not known."""
        return higher_is_better(name)

    def begin_batch(self, batch: Batch) -> None:
        """Called before each batch of an evaluation."""

    def take_logged(self) -> dict[str, float]:
        """What was logged in an evaluation beside its metrics; forgotten afterwards."""
        return {}

    def values_for_schedulers(self) -> Mapping[str, Any]:
        """Numbers that schedulers hear beside those of logged rows."""
        return {}

    # the run

    def report_blocks(self) -> Sequence[Mapping[str, Any]]:
        """What it adds to the report of a finished run: blocks as mappings, each with a `type`; called once, with the kept weights."""
        return []

    def configure_optimizers(self) -> Any:
        """The optimizers, in any form Lightning knows or as name → options with `parameters`; None leaves it to the trainer's settings."""
        return None

    def plan_known(self, plan: Plan) -> None:
        """Called before `configure_optimizers` with the lengths of the run."""

    def attach(self, session: Session) -> None:
        """Called when a session begins: this system belongs to it now."""

    def update_step(self, context: StepContext) -> None:
        """Called before every step and evaluation."""

    def update_step_end(self, context: StepContext) -> None:
        """Called after every step."""

    def step_listeners(self, told: frozenset[int]) -> tuple[Listener | None, Listener | None]:
        """What is called before and after every step, None where nothing listens; `told`: ids of parts that hear of it with the data."""
        return overriding(self, "update_step"), overriding(self, "update_step_end")

    def hook_named(self, name: str) -> Callable[..., Any] | None:
        """The method named as a hook of callbacks, which is called after theirs with the session first; None where there is none."""
        return getattr(self, name) if hasattr(type(self), name) else None

    def rehearsing(self) -> AbstractContextManager[Any]:
        """Round steps that are tried: what is logged and saved inside is in no run."""
        return nullcontext()

    def unlogged(self) -> AbstractContextManager[Any]:
        """Round samples: what is logged inside is in no row and in no metric."""
        return nullcontext()

    def say_once(self, what: str) -> bool:
        """Whether something is to be said of this system now: the first time it is asked."""
        said: set[str] = vars(self).setdefault("_said", set())
        first = what not in said
        said.add(what)
        return first

    @property
    def shown_name(self) -> str:
        """What messages call it."""
        return type(self).__name__

    @property
    def handed_back(self) -> nn.Module:
        """What the person gave, and is given back with the results."""
        return self


def device_of(module: nn.Module) -> torch.device:
    """Where the first parameter or buffer of a module lies; the CPU where it has none."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def overriding(system: System, name: str) -> Listener | None:
    """A method that the engine's base leaves empty, where a system has one of its own."""
    own: Listener = getattr(system, name)
    return None if getattr(own, "__func__", own) is getattr(System, name) else own


def _not_written(system: System, method: str) -> ConfigError:
    name = method.partition("(")[0]
    return ConfigError(f"{system.shown_name} has no {name}", where=system.shown_name, fix=f"write def {method}")


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; itself when it is there already.

    Mappings, lists, tuples and dataclasses are gone through, and keep their class; an object of one's own is moved by its own `to(device)`,
    if it has one.
    """
    if type(batch) is dict:
        if all(isinstance(each, Tensor) and each.device == device for each in batch.values()):
            return batch
        return {name: to_device(each, device) for name, each in batch.items()}
    if isinstance(batch, Tensor):
        return batch if batch.device == device else batch.to(device, non_blocking=True)
    if isinstance(batch, list | tuple) and not hasattr(batch, "to"):
        moved = [to_device(each, device) for each in batch]
        return type(batch)(*moved) if hasattr(batch, "_fields") else type(batch)(moved)
    if isinstance(batch, Mapping) and not hasattr(type(batch), "to"):  # of the instance, a mapping with attributes would take it for a key
        return _with_values(batch, {name: to_device(each, device) for name, each in batch.items()})
    if hasattr(batch, "to"):
        moved = batch.to(device)
        return batch if moved is None else moved  # some move themselves and return nothing
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{each.name: to_device(getattr(batch, each.name), device) for each in fields(batch) if each.init})
    return batch


def _with_values(batch: Mapping[Any, Any], values: dict[Any, Any]) -> Mapping[Any, Any]:
    """A mapping of the same class with other values; a dict where that cannot be made, itself where no value is another one."""
    if all(values[name] is each for name, each in batch.items()):
        return batch
    try:
        if getattr(batch, "__dict__", None) is batch:  # one that is its own attributes, which a copy would keep as they were
            return cast("Mapping[Any, Any]", type(batch)(values))
        again: Any = copy.copy(batch)
        again.update(values)
    except FOREIGN:  # one that does not let itself be copied or changed
        return values
    return cast("Mapping[Any, Any]", again)


def rows_in(batch: Batch) -> int:
    """How many rows a batch has, by the first dimension of the first tensor in it; 1 where there is none."""
    found = _first_tensor(batch)
    return len(found) if found is not None and found.dim() else 1


def tensors_in(batch: Batch, name: str = "") -> dict[str, Tensor]:
    """The tensors of a batch of any structure by name: keys, places or attributes, joined by dots."""
    if isinstance(batch, Tensor):
        return {name or "batch": batch}
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(batch, Mapping):
        inside = batch.items()
    elif isinstance(batch, list | tuple):
        inside = zip(getattr(batch, "_fields", range(len(batch))), batch, strict=True)
    elif hasattr(batch, "__dict__"):
        inside = vars(batch).items()
    return {found: tensor for key, each in inside for found, tensor in tensors_in(each, f"{name}.{key}" if name else str(key)).items()}


def change_tensors(batch: Batch, change: Callable[[Tensor], Any]) -> Batch:
    """The batch with `change` done to every tensor in its mappings, lists and tuples; objects of one's own stay as they are."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return _with_values(batch, {name: change_tensors(each, change) for name, each in batch.items()})
    if isinstance(batch, list | tuple) and not hasattr(batch, "to"):
        changed = [change_tensors(each, change) for each in batch]
        return type(batch)(*changed) if hasattr(batch, "_fields") else type(batch)(changed)
    return batch


def _first_tensor(batch: Batch) -> Tensor | None:
    if isinstance(batch, Tensor):
        return batch
    if (
        not isinstance(batch, Mapping) and hasattr(batch, "batch_sizes") and hasattr(batch, "data")
    ):  # a PackedSequence: its first step holds every row
        return cast(Tensor, batch.data[: int(batch.batch_sizes[0])])
    inside: Iterable[Any] = ()
    if isinstance(batch, Mapping):
        inside = batch.values()
    elif isinstance(batch, list | tuple):
        inside = batch
    elif hasattr(batch, "__dict__"):
        inside = vars(batch).values()
    return next((found for each in inside if (found := _first_tensor(each)) is not None), None)


def __getattr__(name: str) -> Any:
    if name == "Moment":
        warnings.warn("trainwright.engine.system.Moment is StepContext now", DeprecationWarning, stacklevel=2)
        return StepContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
