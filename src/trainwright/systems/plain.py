"""A plain `nn.Module` with a loss, as the trainer takes it."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows, TensorRows
from trainwright.engine.system import Batch, Loss, StepContext, System
from trainwright.losses.base import Count, Criterion
from trainwright.losses.build import criterion
from trainwright.losses.classes import NONE_IGNORED, IndexCriterion
from trainwright.losses.function import FunctionCriterion, row_count
from trainwright.losses.wiring import look_inside
from trainwright.metrics.asked import Asked
from trainwright.systems.base import seed_generators
from trainwright.systems.loss_refusal import explain_refusal
from trainwright.systems.plain_batch import TARGET, BatchReader, check_target
from trainwright.systems.plain_checks import check, explained_output
from trainwright.systems.plain_metrics import MetricFunction, PlainMetrics, pair_of, wishes
from trainwright.systems.plain_model import begin_weights, finish_model, hooks_on, make_model, settle_shapes
from trainwright.systems.plain_options import PlainOptions

if TYPE_CHECKING:
    from trainwright.engine.session import Session
    from trainwright.systems.given import GivenOptions
    from trainwright.tools.module_hook_options import ModuleHookOptions

__all__ = ["TARGET", "LossFunction", "MetricFunction", "PlainSystem"]

log = logging.getLogger("trainwright.systems")

LossFunction = Callable[..., Tensor]

TARGETS_AT_ONCE = 4096
"""Rows taken at once where a loss looks at all training targets."""


class PlainSystem(System):
    """Trains `model` with a loss on rows of (input…, target), rows by name, or batches of one's own.

    `loss`: a name, a mapping of options, a list of them with weights, a function of (output, target) that gives a scalar (the mean over
    the rows) or a tensor (the loss of every element), or a module of torch's. `metrics`: names from `trainwright list metric` and
    functions of (outputs, targets), or a mapping of name → function. `inputs`: the blocks the model takes, in order; None to see from the
    batch: by name where the names are parameters of `forward`, else in order. Raises ConfigError for what cannot be.
    """

    def __init__(
        self,
        model: nn.Module | PlainOptions,
        inputs: list[str] | None = None,
        loss: Any = "cross_entropy",
        metrics: Asked = None,
        target: str | int | None = None,
    ) -> None:
        super().__init__()
        self.options = model if isinstance(model, PlainOptions) else None
        self.hooks: list[ModuleHookOptions] = [] if self.options is None else self.options.hooks
        if isinstance(model, PlainOptions):
            loss, metrics, target = model.loss, model.metrics, model.target
            model = make_model(model)
        check_target(target)
        made = criterion(loss, "tw.fit(loss)")
        self.model, self.inputs, self.criterion = model, inputs, made
        self.kind = made.kind
        self.wishes = wishes(metrics, made)
        self.reading = BatchReader(model, inputs, target, made.claimed, made.uses_target)
        self._of_classes = next((each for each in made.modules() if isinstance(each, IndexCriterion)), None)
        self.held_rows: TensorRows | None = None
        self._usual: tuple[Any, Any] | None = None
        self._run: weakref.ref[Session] | None = None
        self._hooked = ExitStack()
        self._by_terms = not isinstance(made, FunctionCriterion) and type(made).terms is not Criterion.terms

    @classmethod
    def from_options(cls, options: PlainOptions, spec: Any = None, seed: int = 0) -> PlainSystem:
        """The system that options describe; equal seeds give equal weights, whatever else was drawn before."""
        with seed_generators(seed):
            return cls(options)

    def build(self, spec: Any) -> None:
        """What options ask for beside the layers themselves: first values, parametrizations, weights."""
        if self.options is not None:
            finish_model(self.model, self.options, lambda: explained_output(self, spec.example))

    def begin_as(self, options: GivenOptions, example: Any, seed: int) -> None:
        """The same for a model that was given as an object; random first values follow from `seed`."""
        self.hooks = options.hooks
        if options.init or options.parametrizations:
            settle_shapes(self.model, lambda: explained_output(self, example))
            with seed_generators(seed):
                begin_weights(self.model, options, "tw.fit({})")

    def setup(self, session: Session) -> None:
        """Puts the hooks of the options on the model, for a run that trains."""
        if self.hooks and session.stage == "fit":
            where = "system.hooks" if self.options is not None else "tw.fit(hooks)"
            self._hooked.enter_context(hooks_on(self.model, self.hooks, session, where))

    def teardown(self, session: Session) -> None:
        """Takes them off."""
        self._hooked.close()

    def attach(self, session: Session) -> None:
        """Called when a run begins: balanced weights see its targets; scheduled ones read the share of the present epoch from it."""
        self._run = weakref.ref(session) if self.criterion.changes else None
        self._balance(session.train)
        if self.criterion.inexact and session.plan.micro_batch_size < session.plan.batch_size:
            log.warning("micro-batches do not join exactly with this loss: %s", self.criterion.inexact)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None, "held_rows": None, "_hooked": ExitStack()}

    def _epochs(self, context: StepContext) -> float:
        """Passes over the rows, with the share of the present one inside a run."""
        session = None if self._run is None else self._run()
        return float(context.epoch) if session is None else session.plan.epochs_at(session.batches_seen)

    @property
    def inexact_pieces(self) -> str:
        """What the loss says of itself."""
        return self.criterion.inexact

    @property
    def shown_name(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    def fit_targets(self, rows: Rows) -> None:
        """Shows the training targets to a loss that asks for them (`balanced` weights); those held in memory are looked at in `check`.

        Raises ConfigError for data that can be read only once.
        """
        self.hold(rows)
        self._balance(rows)

    def hold(self, rows: Rows) -> None:
        """Lets the next `check` look at the targets of all these rows, where they are tensors in memory."""
        self.held_rows = rows if isinstance(rows, TensorRows) and len(rows) else None

    def _balance(self, rows: Rows) -> None:
        if not self.criterion.wants_targets:
            return
        if rows.single_pass:
            why = "the training targets would have to be read before the run, and these data can be read only once"
            raise ConfigError(
                "weights cannot be balanced", where="loss", why=why, fix="give the weight of each class: class_weight: [1.0, …]"
            )
        self.criterion.fit(self._targets(rows))

    def _targets(self, rows: Rows) -> Iterator[Tensor]:
        if rows.batched:
            rows.begin_epoch(0, 0)
            size = 1
        else:
            size = TARGETS_AT_ONCE
        for start in range(0, len(rows), size):
            batch = rows.take(torch.arange(start, min(start + size, len(rows))))
            plan = self.reading.plan_of(batch)
            yield plan.target_of(batch)

    def output_of(self, batch: Batch) -> Any:
        """The model's output for the rows of a batch."""
        return self.reading.plan_of(batch).call(self.model, batch)

    def _call_model(self, batch: Batch) -> tuple[Any, Any]:
        """Output and target."""
        usual = self._usual
        if usual is not None and type(batch) is dict and len(batch) == 2 and usual[0] in batch and usual[1] in batch:
            return self._modules["model"](batch[usual[0]]), batch[usual[1]]  # type: ignore[misc]
        reading = self.reading
        plan = reading.plan_of(batch)
        self._usual = reading.usual(batch, plan)
        return plan.call(self.model, batch), plan.target_of(batch)

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        """The loss of the rows; raises DataError where the loss refuses them."""
        output, target = self._call_model(batch)
        try:
            return self._loss_of(output, target, batch, context)
        except (RuntimeError, ValueError, IndexError) as error:
            found = explain_refusal(self.criterion, error, output, target, batch, f"rows of the batch of step {context.step}")
            if found is None:
                raise
            raise found from error

    def _loss_of(self, output: Any, target: Any, batch: Batch, context: StepContext) -> Loss:
        loss: Any = self._modules["criterion"]
        if isinstance(loss, FunctionCriterion):
            return self._of_function(loss, output, target, batch)
        if self._by_terms:
            terms = loss.terms(output, target, batch, context.step, self._epochs(context))
            return Loss(terms.total, terms.count, terms.parts, self.measured_outputs(output, self._hard(target), batch))
        total, count = loss.total(output, target, batch)
        if loss.simple and isinstance(output, Tensor):
            return Loss(total, count, outputs={"output": output.detach(), TARGET: self._hard(target)} if self.wishes else {})
        return Loss(total, count, outputs=self.measured_outputs(output, self._hard(target), batch))

    def _hard(self, target: Any) -> Any:
        """The class with the largest share (b) of rows that were mixed, for the metrics of training rows; other targets as they are."""
        mixed = self.batch_transforms is not None and self.batch_transforms.makes_shares
        return target.argmax(1) if mixed and isinstance(target, Tensor) and target.is_floating_point() and target.dim() == 2 else target

    def _of_function(self, loss: FunctionCriterion, output: Any, target: Any, batch: Batch) -> Loss:
        """The loss of a function: goes backwards from its scalar as it is."""
        value = loss.value(output, target, batch)
        if value.dim():
            return Loss(value.sum(), value.numel(), outputs=self.measured_outputs(output, target, batch))
        rows = row_count(target, batch, output)
        made = Loss.of_mean(value, rows)
        made.outputs = self.measured_outputs(output, target, batch)
        return made

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """Output and target of each row, as far as they are measured, and the loss where it cannot be computed from both."""
        output, target = self._call_model(batch)
        loss = self.criterion
        if loss.simple and isinstance(output, Tensor):
            return {"output": output.detach(), TARGET: target}
        terms = loss.terms(output, target, batch, context.step, self._epochs(context))
        return self._keep_outputs(output, target, batch, terms.total, terms.count)

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        """What the model gives, rows first: `output`, or the tensors of a mapping or a tuple by name or number."""
        output = self.output_of(batch)
        if isinstance(output, Tensor):
            return {"output": self.criterion.scores(output)}
        return {str(name): each for name, each in look_inside(output).items() if isinstance(each, Tensor)}

    def _keep_outputs(self, output: Any, target: Any, batch: Batch, total: Tensor, count: Count) -> dict[str, Tensor]:
        """What the metrics read: the loss and the items of the batch, shared out over its rows, and small outputs with their target."""
        rows = row_count(target, batch, output)
        kept = {"loss": (total.detach() / rows).expand(rows)}
        kept["items"] = (count / rows).expand(rows) if isinstance(count, Tensor) else total.detach().new_full((rows,), count / rows)
        return kept | self.measured_outputs(output, target, batch)

    def measured_outputs(self, output: Any, target: Any, batch: Batch) -> dict[str, Tensor]:
        """Output and target for the metrics, where any are asked for, rows first."""
        if not self.wishes:
            return {}
        loss = self.criterion
        if not isinstance(loss, FunctionCriterion) and loss.kind:
            found = loss.arguments(output, target, batch)
            output, target = found[0], found[len(loss.takes)]
        if not (isinstance(output, Tensor) and isinstance(target, Tensor) and output.dim() and len(output) == len(target)):
            return {}
        with torch.no_grad():
            return {"output": loss.scores(output).detach(), TARGET: target}

    def metrics(self, outputs: dict[str, Tensor] | None = None) -> Any:
        """New metrics of the loss and of what was asked for; with `outputs` of whole rows their numbers."""
        made = PlainMetrics(self.criterion, self.wishes.metric(pair_of, self.ignored_class, self.find_predicted))
        if outputs is None:
            return made
        with torch.no_grad():
            made.update(outputs)
            return made.compute()

    def ignored_class(self, target: Tensor) -> int | None:
        """The class number that counts for nothing, where the loss leaves one out."""
        if self._of_classes is None:
            return getattr(self.criterion.options, "ignore_index", None)
        found = self._of_classes.find_ignored(target)
        return None if found == NONE_IGNORED else found

    def find_predicted(self, output: Tensor, target: Tensor) -> str:
        """What an output predicts where the loss takes logits of classes or of labels: labels, for a target of floats."""
        loss = self.criterion
        if loss.kind not in ("category", "") or not loss.simple or loss.read_expected(output, target) != "logits":
            return ""
        return "binary" if target.is_floating_point() else "category"

    @property
    def own_metrics(self) -> bool:  # type: ignore[override]
        """Whether there are any beside the loss: some targets are refused only when numbers are computed."""
        return bool(self.wishes)

    def metric_names(self) -> list[str] | None:
        """The keys that `metrics` may return; None where an object or a function of whole outputs is asked what it gives."""
        return ["loss", *self.wishes.names()] if self.wishes.certain else None

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a key of `metrics` is better; None for a function of one's own."""
        if name == "loss":
            return False
        known = self.wishes.higher_is_better(name)
        return known if known is not None or self.wishes.certain else super().higher_is_better(name)

    def check(self, batch: Batch) -> list[str]:
        """Try a forward pass and the loss on some rows before the run begins; doubts. Raises DataError that says what does not fit."""
        check(self, batch)
        found = [doubt for each in self.criterion.modules() if isinstance(each, Criterion) for doubt in each.doubts]
        return list(dict.fromkeys(found))
