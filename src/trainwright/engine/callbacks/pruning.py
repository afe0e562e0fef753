"""Pruning while training: weights are set to zero at once or by a schedule, and stay there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.name_patterns import as_list
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.config.registry import build
from trainwright.data.counters import fold
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.early_stopping import EarlyStop
from trainwright.engine.callbacks.options import PruningOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.callbacks.pruning_steps import Steps, planned_steps
from trainwright.engine.system import Batch, System
from trainwright.files.text import write_json
from trainwright.nn.pruning.base import PruningMethod
from trainwright.nn.pruning.choosing import ChosenWeights, choose_weights
from trainwright.nn.pruning.sparsity import FILE, describe, record, sparsity
from trainwright.nn.pruning.torch_methods import as_method
from trainwright.optim.schedules.base import Extent

if TYPE_CHECKING:
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.callbacks.pruning"


T = TypeVar("T")


def _call_method(call: Callable[[], T]) -> T:
    """What `call` gives; whatever a method of a person's own raises in it is raised as ConfigError with its line."""
    try:
        return call()
    except ConfigError as error:
        where = f"{WHERE}.method{f': {error.where}' if error.where else ''}"
        raise ConfigError(error.what, where=where, why=error.why, fix=error.fix) from error
    except FOREIGN as error:
        what = "the pruning method fails"
        raise ConfigError(what, where=f"{WHERE}.method", why=describe_failure(error), fix=at_own_line(error)) from error


def _wait_anew(session: Session) -> None:
    """Let early stopping forget the evaluations there were."""
    for each in session.parts.hooks.callbacks:
        if isinstance(each, EarlyStop):
            each.best, each.waited = None, 0


class Pruning(Callback):
    """Masks weights at the steps of its schedule and logs `sparsity`: the share of the prunable weights that are zero."""

    every_rank = True

    def __init__(self, options: PruningOptions | None = None) -> None:
        """Raises ConfigError for a method that cannot be made, or cannot follow the schedule."""
        self.options = options or PruningOptions()
        self.method: PruningMethod = as_method(_call_method(self._make))
        if self.options.schedule == "cubic" and not self.method.follows_schedule:
            fix = "schedule: one_shot, or a method with an amount"
            why = "it has no amount to prune a share of"
            raise ConfigError(f"'{self.options.method.type}' is pruned at once", where=f"{WHERE}.schedule", why=why, fix=fix)
        self.first: int | None = None
        """The step at which the run began, from which its places count."""
        self.last = -1
        """The step at which it pruned last; -1 before."""
        self._steps: Steps | None = None
        self._chosen: ChosenWeights | None = None
        self._others = False
        self._said: set[str] = set()

    def _make(self) -> Any:
        return build("pruning_method", self.options.method)

    def refuse(self, system: System, plan: Plan) -> None:
        """Raise ConfigError for patterns that name no weight which can be pruned."""
        self._choose(system)

    def setup(self, session: Session, system: System) -> None:
        """Find the weights. Raises ConfigError for patterns that name none, and strategies that deal weights over processes."""
        if session.stage != "fit":
            return
        if session.parts.trained is not system:
            why = f"strategy '{session.parts.strategy.name}' holds parts of weights in each process, and masks are of whole ones"
            raise ConfigError("pruning cannot be shared out so", where="trainer.strategy", why=why, fix="use ddp or zero")
        self._choose(system)

    def rehearse(self, system: System) -> None:
        """Make all masks for a system as it is, and forget them. Raises ConfigError for what cannot be pruned so."""
        self._choose(system)
        self._masks(dict(system.named_parameters()), {}, 1.0, torch.Generator().manual_seed(0))
        self._said = set()

    def _choose(self, system: System) -> None:
        options = self.options
        self._chosen = choose_weights(system, as_list(options.names), as_list(options.exclude), self.method, f"{WHERE}.names")
        self._others = bool(choose_weights(system).weights.keys() - self._chosen.weights.keys())

    @property
    def chosen(self) -> ChosenWeights:
        """The weights that are pruned; none before `setup`."""
        return self._chosen or ChosenWeights()

    def on_train_start(self, session: Session, system: System) -> None:
        """Plan the steps, and prune what is due before the first one. Raises ConfigError for a schedule that does not fit the run."""
        if self.first is None:
            self.first = session.step
            self._say_left_out(system)
            if self.options.schedule == "cubic":  # what its end would refuse is told before the first step
                self.rehearse(system)
        extent = session.plan.extent
        total = None if session.plan.max_steps is None else session.plan.max_steps - self.first
        self._steps = planned_steps(self.options, Extent(extent.steps_per_epoch, total, where=WHERE), WHERE)
        self._prune_if_due(session)

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Prune, where more is due after this step."""
        self._prune_if_due(session)
        if row_follows(session, session.step):
            session.log("sparsity", sparsity(system, self.chosen, session.parts.pruned.kept), reduce="last")

    def _prune_if_due(self, session: Session) -> None:
        steps, first = self._steps, self.first or 0
        due = None if steps is None else steps.latest(session.step - first)
        if steps is None or due is None or first + due <= self.last:
            return
        self.last = first + due
        self._prune(session, steps.share(due))

    @torch.no_grad()
    def _prune(self, session: Session, share: float) -> None:
        """Put masks on in which `share` of the amount is zero; what was best with fewer zeros is not best any more."""
        session.parts.saver.wait_for_snapshot()  # weights are changed in place
        params = dict(session.parts.trained.named_parameters())
        pruned = session.parts.pruned
        generator = torch.Generator().manual_seed(fold(session.seed, f"pruning {session.step}"))
        kept = self._masks(params, pruned.kept, share, generator)
        changed = any(name not in pruned.kept or not torch.equal(mask, pruned.kept[name]) for name, mask in kept.items())
        pruned.put_on({**pruned.kept, **kept}, params)
        session.parts.saver.saved_step = None  # a checkpoint of this step, as a child begins with, has other weights
        pruned.clear(session.optimizer.tensors())
        if session.parts.averages is not None:
            pruned.clear(session.parts.averages.tensors())
        if changed:
            session.best.forget(session.best.steps)
            _wait_anew(session)
        level = logging.INFO if share in (1.0, self.options.initial) else logging.DEBUG
        log.log(level, "%s", describe(record(session.system, self.chosen, pruned.kept), session.step))

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """Let no evaluation before the end of the schedule stop the run early."""
        if self._steps is not None and self.last < (self.first or 0) + self._steps.last:
            _wait_anew(session)

    def _masks(
        self, params: Mapping[str, nn.Parameter], there: Mapping[str, Tensor], share: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The masks of the chosen weights when `share` of the amount is due, within those that are `there`."""
        weights, kept = {}, {}
        for name, each in self.chosen.weights.items():
            weights[name] = each.taken(params[name].detach())
            kept[name] = each.taken(there[name]) if name in there else torch.ones_like(weights[name], dtype=torch.bool)
        made = _call_method(lambda: self.method.masks(weights, kept, share, generator))
        found = {name: made[name] & kept[name] for name in kept}
        self._refuse_nothing_left(found)
        if share == 1.0 and not there:
            self._refuse_nothing_pruned(found)
        return {name: self.chosen.weights[name].mask(mask) for name, mask in found.items()}

    def _refuse_nothing_left(self, kept: Mapping[str, Tensor]) -> None:
        """Raise ConfigError where none of the model's weight matrices would be left; name layers that have nothing left."""
        empty = [name for name, mask in kept.items() if not bool(mask.any())]
        if len(empty) == len(kept) and not self._others:
            why = f"none of the {sum(mask.numel() for mask in kept.values()):,} weights would be left, and every row be answered alike"
            fix = "give a share below 1.0 (1 without a point is one weight), or name the layers that are to be all zero"
            raise ConfigError("the amount prunes everything", where=f"{WHERE}.method.amount", why=why, fix=fix)
        for name in empty:
            if name not in self._said:
                self._said.add(name)
                log.warning("pruning: nothing of %s is left: what follows it no longer depends on its inputs", name)

    def _refuse_nothing_pruned(self, kept: Mapping[str, Tensor]) -> None:
        """Raise ConfigError for a share so small that it is no weight at all."""
        amount = getattr(self.options.method, "amount", None)
        if isinstance(amount, float) and all(bool(mask.all()) for mask in kept.values()):
            unit = "weight" if getattr(self.options.method, "dim", None) is None else "slice"
            why = f"it is less than half a {unit}, of {sum(mask.numel() for mask in kept.values()):,} weights in {len(kept)} layers"
            fix = f"give a larger share, or a count: 1 is one {unit}"
            raise ConfigError(f"a share of {amount:g} prunes nothing", where=f"{WHERE}.method.amount", why=why, fix=fix)

    def _say_left_out(self, system: System) -> None:
        """Say that an amount without a point is a count, and what is not pruned."""
        amount = getattr(self.options.method, "amount", None)
        if isinstance(amount, int) and amount <= 100:
            slices = getattr(self.options.method, "dim", None) is not None
            total = record(system, self.chosen, {})["weights"]
            counted = f"{amount} slice{'s' * (amount > 1)} of each weight" if slices else f"{amount:,} of {total:,} weights"
            other = "1.0 is all" if amount == 1 else f"for a share write {amount / 100:g} or {amount} %"
            log.warning("pruning: amount %s without a point counts: %s; %s", amount, counted, other)
        for name, why in self.chosen.left_out.items():
            log.debug("pruning leaves %s out: %s", name, why)

    def on_fit_end(self, session: Session, system: System) -> None:
        """Write `pruning.json`, and say where the run ended before all was pruned."""
        steps, first = self._steps, self.first or 0
        if steps is not None and self.last < first + steps.last and session.world.is_main:
            what = "the run ended at step %d, before pruning reached its amount at step %d"
            log.warning(what, session.step, first + steps.last)
        every = [each for each in session.parts.hooks.callbacks if isinstance(each, Pruning)]
        if session.world.is_main and every[0] is self:
            together = ChosenWeights()
            for each in every:
                together.weights |= each.chosen.weights
                together.left_out |= each.chosen.left_out
            methods = [each.options.method.model_dump(mode="json") for each in every]
            write_json(session.folder / FILE, {"methods": methods, **record(system, together, session.parts.pruned.kept)})

    def state_dict(self) -> dict[str, Any]:
        """Where the run began, and where it pruned last; the masks are in the checkpoint's tensors."""
        return {"first": self.first, "last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.first, self.last = state["first"], state["last"]
