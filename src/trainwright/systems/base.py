"""The base of everything that can be trained."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.own_parts import configured
from trainwright.config.scheduled import Scheduled
from trainwright.data.draws import keep_draws, seed_python_and_numpy
from trainwright.engine.logs import not_logged
from trainwright.engine.running import exact_sum
from trainwright.engine.step_result import Weights, as_loss
from trainwright.engine.system import Batch, Listener, Loss, StepContext, rows_in
from trainwright.engine.system import System as EngineSystem
from trainwright.files.whole import Scratch
from trainwright.metrics.means import MeansOfNumbers
from trainwright.systems.configurable import ModuleOptions, load_named_weights, option
from trainwright.systems.loss_weights import LossWeights
from trainwright.systems.manual import ManualOptimizer, handles
from trainwright.systems.updating import Tree, Updateable

if TYPE_CHECKING:
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session
    from trainwright.runs.media import Media

__all__ = ["Loss", "System", "SystemOptions", "as_loss", "build_system", "seed_generators"]


class SystemOptions(ModuleOptions):
    """Options that every system of one's own has."""

    loss: dict[str, Scheduled] = Field(default={})
    """Weights of the parts of the loss, each a number or a schedule: `{lambda_sparsity: [0, 1.0, 0.1, 5000]}`."""


def _tell(parts: Callable[[StepContext], None], own: Callable[[StepContext], None], context: StepContext) -> None:
    parts(context)
    own(context)


@contextmanager
def seed_generators(seed: int) -> Iterator[None]:
    """Torch's default CPU generator, `random` and numpy start from `seed` inside, and outside go on as if nothing had happened."""
    with keep_draws():
        torch.default_generator.manual_seed(seed)
        seed_python_and_numpy(seed)
        yield


def build_system(system: Any, spec: Any = None, seed: int = 0) -> Any:
    """The system with its modules made, once, for what is known of the data; equal seeds give equal weights, whatever was drawn before."""
    if vars(system).get("_built"):
        return system
    vars(system)["_built"] = True
    with seed_generators(seed):
        system.build(spec)
    load_named_weights(system, getattr(system, "config", None))
    return system


class System(Updateable, EngineSystem):
    """Modules, losses and metrics, and what a step means; the trainer owns the rest.

    A subclass makes its modules in its constructor, or in `build` where it must know the data, and says in `training_step` what the
    loss is. Everything else has a default.
    """

    Config: ClassVar[type] = SystemOptions
    config: Any
    own_metrics = True
    follows_the_run: bool = True
    """False for a system of which no part asks to be told of steps."""

    def __init__(self, config: Any = None) -> None:
        """`config`: an instance of `Config`, a mapping of its options, or nothing for the defaults."""
        super().__init__()
        self.config = self.cfg = configured(type(self), config)
        self._weights = LossWeights(option(self.config, "loss") or {})
        self._run: weakref.ref[Session] | None = None
        self._logged: list[tuple[str, Tensor, int]] = []
        self._rows = 0

    def build(self, spec: Any) -> None:
        """Makes the modules once shapes and classes are known; random numbers come from torch's default generator, which is seeded."""

    def evaluation_step(self, batch: Batch, context: StepContext) -> Any:
        """What the metrics read, rows first, or numbers to be averaged over rows; by default the loss of `training_step` and its parts."""
        if not self.automatic_optimization:
            return None
        loss = as_loss(self.training_step(batch, context), rows_in(batch), self.loss_weights(context))
        return {"loss": loss.total / loss.count, **{name: part / loss.count for name, part in loss.parts.items()}}

    def predict_step(self, batch: Batch) -> Any:
        """Predictions, rows first; by default what `evaluation_step` gives, which may need the truth."""
        session = None if self._run is None else self._run()
        place = (0, 0, 0.0) if session is None else (session.step, session.epoch, session.progress)
        return self.evaluation_step(batch, StepContext(*place, torch.default_generator))

    def update_step(self, context: StepContext) -> None:
        """Called before every step and evaluation, once the parts that follow the run were told."""

    def update_step_end(self, context: StepContext) -> None:
        """Called after every step, once the parts that follow the run were told."""

    def metrics(self, outputs: dict[str, Tensor] | None = None) -> Any:
        """New metrics by name, a `trainwright.Metric` each, that are shown what evaluation steps give; None for the mean of each number.

        Written as `metrics(self, outputs)` it gets the outputs of all rows at once and gives name → number: what it holds grows with them.
        """
        if outputs is None:
            return None
        made = MeansOfNumbers()
        made.update(outputs)
        return made.compute()

    def log(self, name: str, value: float | Tensor, reduce: Literal["mean", "sum", "last"] = "mean") -> None:
        """Put a number into the next logged row, or, in an evaluation, its mean over rows into the metrics of the split."""
        if not (isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)):
            raise not_logged(name, value, reduce)
        if "trying" in vars(self) or "making_samples" in vars(self):
            return  # a step tried before the run, of which nothing is kept, or samples, which no row is of
        if self.training:
            self.session.log(name, value, reduce)
        else:
            self._logged.append((name, torch.as_tensor(value).detach(), self._rows))

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """What is logged and saved inside is forgotten: it is in no run."""
        with Scratch() as folder:
            vars(self)["trying"] = folder
            try:
                yield
            finally:
                del vars(self)["trying"]

    @contextmanager
    def unlogged(self) -> Iterator[None]:
        """What is logged inside is in no row and in no metric."""
        vars(self)["making_samples"] = True
        try:
            yield
        finally:
            del vars(self)["making_samples"]

    def loss_weights(self, context: StepContext) -> Weights:
        """The weight of each part of the loss at this moment, by `loss` of the options."""
        return partial(self._weights.at, context.step, self._epochs(context))

    def _epochs(self, context: StepContext) -> float:
        session = None if self._run is None else self._run()
        return float(context.epoch) if session is None else session.plan.epochs_at(session.batches_seen)

    def C(self, value: Any) -> float:
        """A scheduled number at the present step: `self.C([0, 1.0, 0.1, 5000])`."""
        if "trying" in vars(self):
            return Scheduled.parse(value).value(0, 0.0)
        session = self.session
        return Scheduled.parse(value).value(session.step, session.plan.epochs_at(session.batches_seen))

    @property
    def session(self) -> Session:
        """The run that trains this system. Raises TrainwrightError while none does."""
        session = None if self._run is None else self._run()
        if session is None:
            raise TrainwrightError(
                f"{type(self).__name__} is in no run", why="nothing trains or evaluates it now", fix="use it within a step"
            )
        return session

    @property
    def media(self) -> Media:
        """Saves images, meshes and files under the run's `media/`, and shows images to its trackers."""
        from trainwright.runs.media import Media

        if "trying" in vars(self):
            return Media(vars(self)["trying"])
        session = self.session
        made = Media(session.parts.media_folder or session.folder / "media", session.parts.trackers)
        made.step = session.step
        return made

    def optimizers(self) -> ManualOptimizer | list[ManualOptimizer]:
        """The optimizers that `configure_optimizers` made, in its order: to be stepped by `training_step` itself; one alone as it is."""
        found = handles(self.session)
        return found[0] if len(found) == 1 else found

    def manual_backward(self, loss: Tensor, **options: Any) -> None:
        """Go backwards from a loss in a step of one's own, the hooks round it called; `options` as `Tensor.backward` takes them."""
        if self.automatic_optimization:
            why, fix = "the trainer goes backwards and steps by itself", "set automatic_optimization = False, or return the loss"
            raise ConfigError("manual_backward in a system that does not step by itself", where=type(self).__name__, why=why, fix=fix)
        session = self.session
        told = Loss(loss.detach(), 1)
        for hook in session.parts.hooks.on_before_backward:
            hook(session, self, told)
        loss.backward(**options)  # type: ignore[no-untyped-call]
        for hook in session.parts.hooks.on_after_backward:
            hook(session, self)

    def attach(self, session: Session) -> None:
        """Called by the trainer: this system belongs to a run now."""
        self._run = weakref.ref(session)

    def step_listeners(self, told: frozenset[int]) -> tuple[Listener | None, Listener | None]:
        """The parts that follow the run, then the system itself; nothing where none asks to be told."""
        if not self.follows_the_run:
            return None, None
        tree = Tree(self, told)
        return partial(_tell, tree.update_step, self.update_step), partial(_tell, tree.update_step_end, self.update_step_end)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None}  # a run stays in its process

    def begin_batch(self, batch: Batch) -> None:
        """Called by the trainer before each batch of an evaluation, so that what is logged counts by rows."""
        self._rows = rows_in(batch)

    def take_logged(self) -> dict[str, float]:
        """What was logged in an evaluation, as means over its rows; forgotten afterwards."""
        logged = [(name, float(value), rows) for name, value, rows in self._logged]
        self._logged = []
        session = None if self._run is None else self._run()
        if session is not None and self.shares_evaluation:
            logged = [each for theirs in session.world.gather(logged) for each in theirs]
        terms: dict[str, list[tuple[float, int]]] = {}
        for name, value, rows in logged:
            terms.setdefault(name, []).append((value, rows))
        # Rounded once, so that it does not matter in which order the batches of several processes come.
        return {name: exact_sum([value * rows for value, rows in each]) / sum(rows for _, rows in each) for name, each in terms.items()}

    def plan_known(self, plan: Plan) -> None:
        """Called before `configure_optimizers` with the lengths of the run."""
        self.plan = plan
