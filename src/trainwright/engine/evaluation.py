"""Evaluating a split: every row in order, in evaluation mode, without a graph; metrics are summed up batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.data.draws import device_generator
from trainwright.data.joined_windows import Joining
from trainwright.data.rows import Rows
from trainwright.data.windows import Windows
from trainwright.engine.callbacks.base import Listeners
from trainwright.engine.evaluation_files import EvaluationFiles
from trainwright.engine.interrupt import Interrupts, Waited, WaitedTooLong, too_late
from trainwright.engine.joint_metric import JointMetric, Turns
from trainwright.engine.outputs import in_float32
from trainwright.engine.padding_share import PaddingShares
from trainwright.engine.recovery import out_of_memory
from trainwright.engine.system import Batch, Loss, StepContext, System, rows_in, to_device
from trainwright.metrics.base import Metric
from trainwright.metrics.group import MetricGroup, as_metric, numbers
from trainwright.metrics.means import MeansOfNumbers
from trainwright.metrics.whole import WholeOutputs, join_outputs
from trainwright.nn.modes import eval_mode
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

Step = Callable[[Batch, int], Any]
"""What a system gives for a batch whose first row stands at this place of the split."""
TakeIn = Callable[[dict[str, Tensor], Batch], None]
"""What is done with the outputs of a batch."""
ALONE = Turns()
PLACES = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class EvaluationInterrupted(Exception):
    """A signal came during an evaluation; it is done again when the run continues."""


def metrics_of(session: Session, rows: Rows, split: str) -> dict[str, float]:
    """Metrics of a split with the weights that are evaluated, and the hooks of `split` called. Raises EvaluationInterrupted on a signal."""
    parts = session.parts
    with session.evaluated_weights():
        metrics = parts.world.broadcast(measure(session, rows, split))  # all processes measured all rows
        for hook in parts.hooks.of_split(split).epoch_end:
            hook(session, parts.system, metrics)
    return metrics


def measure(session: Session, rows: Rows, split: str) -> dict[str, float]:
    """Metrics of a split with the weights as they are, summed up batch by batch. Raises EvaluationInterrupted on a signal."""
    metric = metric_of(session.system)
    padding = PaddingShares(rows.padded)
    turns = turns_of(session, rows)
    summing = Summing(session.system, metric, rows)
    if turns.size == 1:
        walk_split(session, rows, split, summing, padding)
    else:
        joint = joint_metric(session, rows, metric, summing, turns)
        walk_split(session, rows, split, joint.take_in, padding, turns=turns, end_round=joint.end_round)
    found = compute_numbers(metric) | padding.means(session.parts.strategy.data_world if turns.size > 1 else World())
    if session.parts.sample_metrics is not None:
        found |= session.parts.sample_metrics.measure(session, rows, split)
    if split == "validation":
        for tracker in session.parts.trackers:
            if isinstance(tracker, EvaluationFiles):
                tracker.take(session.position.step, metric.details)
    return add_logged(session.system, found)


def turns_of(session: Session, rows: Rows) -> Turns:
    """Which batches of a split this process measures; all of them where what is joined over batches cannot be joined over processes."""
    strategy = session.parts.strategy
    if strategy.data_size == 1 or rows.windows is not None or rows.iterable or not session.system.shares_evaluation:
        return Turns()
    return Turns(strategy.data_rank, strategy.data_size, strategy.moves_together)


def joint_metric(session: Session, rows: Rows, metric: Metric, show: TakeIn, turns: Turns) -> JointMetric:
    """The metric as all processes measure it together."""
    batches = -(-len(rows) // (1 if rows.batched else session.parts.evaluation_batch_size))
    return JointMetric(metric, show, lambda: metric_of(session.system), session.parts.strategy.data_world, turns, batches)


def metric_of(system: System) -> Metric:
    """A new metric of all that a system measures: its own, the mean of each number, or a function of whole outputs that holds them."""
    function: Callable[..., Any] = system.metrics
    found = WholeOutputs(function) if must_be_given(function) else function()
    own = MeansOfNumbers() if found is None else as_metric(found)
    asked = system.asked_metrics  # beside its own
    return own if asked is None else MetricGroup([("", own), ("", asked.of_outputs())], later_wins=True)


def must_be_given(function: Callable[..., Any]) -> bool:
    """Whether a function has an argument without a default: `metrics(outputs)` wants those of all rows."""
    return any(each.default is each.empty and each.kind in PLACES for each in signature(function).parameters.values())


@torch.no_grad()
def compute_numbers(metric: Metric) -> dict[str, float]:
    """The numbers of a metric by name. Raises ConfigError for what is no mapping of numbers."""
    found = numbers(metric.compute())
    if "" in found:
        what, fix = "metrics returned a number without a name", "return {'accuracy': 0.9}, for example"
        raise ConfigError(what, where="metrics(outputs)", why="it gives a mapping of name → number", fix=fix)
    return found


class JoinedRows:
    """Hands on the outputs of rows once those of all their windows have come; they come with the batch of a row's last window."""

    def __init__(self, windows: Windows, take_in: TakeIn) -> None:
        self.joining, self.take_in = Joining(windows), take_in
        self.batch: Batch = {}

    def __call__(self, outputs: dict[str, Tensor], batch: Batch) -> None:
        self.batch = batch
        self._hand_on(self.joining.add(outputs))

    def end(self) -> None:
        """Hand on a row of which some windows alone were asked for."""
        self._hand_on(self.joining.rest())

    def _hand_on(self, outputs: dict[str, Tensor]) -> None:
        if outputs and len(next(iter(outputs.values()))):
            self.take_in(outputs, self.batch)


class Summing:
    """Shows the outputs of each batch to a metric, and says once what that will hold where it grows with the rows."""

    def __init__(self, system: System, metric: Metric, rows: Rows) -> None:
        self.system, self.metric, self.rows = system, metric, rows

    def __call__(self, outputs: dict[str, Tensor], batch: Batch) -> None:
        self.metric.update(outputs, batch)
        if self.system.say_once("memory of metrics"):
            count = len(self.rows) * (rows_in(batch) if self.rows.batched else 1)
            held = self.metric.memory_of(count)
            if held:
                log.info("%s", held)


def add_logged(system: System, metrics: dict[str, float]) -> dict[str, float]:
    """The metrics with what the system logged in its evaluation steps; a name that both have keeps the metric, said once."""
    logged = system.take_logged()
    both = [name for name in logged if name in metrics]
    if both and system.say_once("logged and measured"):
        log.warning("'%s' is logged in an evaluation and a metric too: the metric is kept", both[0])
    return {**logged, **metrics}


def walk_split(
    session: Session,
    rows: Rows,
    split: str,
    take_in: TakeIn,
    *hears: Callable[..., None],
    turns: Turns = ALONE,
    end_round: Callable[[], None] | None = None,
) -> None:
    """Hand on what `<split>_step` gives for all rows, batch by batch, the hooks of the split's batches called, and `hears` as they are.

    `turns` and `end_round` as in `walk`.
    """
    parts = session.parts
    hooks, system = parts.hooks.of_split(split), parts.system
    context = session.evaluation_context()
    parts.followers.before_split(rows, context)  # what follows the run is at this step for an evaluation too, also without training before
    with eval_mode(system), parts.precision.evaluation():
        for hook in hooks.epoch_start:
            hook(session, system)
        walk(
            system,
            rows,
            take_in,
            batch_size=parts.evaluation_batch_size,
            device=parts.device,
            step=step_of(system, split, context, len(rows)),
            interrupts=parts.interrupts,
            before=[lambda batch, _: system.begin_batch(batch), *(_of(session, hook) for hook in hooks.batch_start)],
            after=[*hears, *(_of(session, hook) for hook in hooks.batch_end)],
            turns=turns,
            end_round=end_round,
        )


def step_of(system: System, split: str, context: StepContext, rows: int) -> Step:
    """What is called for every batch of a split of so many rows."""
    if split == "predict":
        return lambda batch, _: system.predict_step(batch)
    step = {"validation": system.validation_step, "test": system.test_step, "": system.evaluation_step}[split]
    context.rows = rows

    def at_place(batch: Batch, first: int) -> Any:
        context.first = first
        return step(batch, context)

    return at_place


def predictions(session: Session, rows: Rows) -> dict[str, Tensor]:
    """What `predict_step` gives for all rows, joined in their order."""
    pieces: list[dict[str, Tensor]] = []
    walk_split(session, rows, "predict", lambda outputs, batch: pieces.append(outputs))
    return join_outputs(pieces)


def _of(session: Session, hook: Callable[..., None]) -> Callable[..., None]:
    return lambda *arguments: hook(session, session.system, *arguments)


def take_in_order(rows: Rows, start: int, end: int, interrupts: Interrupts | None) -> Batch:
    """Rows `start` to `end`. Raises EvaluationInterrupted for a signal, DataError when they do not come in time."""
    if interrupts is None:
        return rows.take(torch.arange(start, end))
    if interrupts.requested:
        raise EvaluationInterrupted
    try:
        with interrupts.waits:
            return rows.take(torch.arange(start, end))
    except WaitedTooLong:
        raise too_late("evaluated", start, list(range(start, end)), interrupts.waits.limit) from None
    except (Waited, *FOREIGN) as error:
        if not interrupts.requested:
            raise
        if not isinstance(error, Waited):
            log.warning("the data could not be read any more after the signal: %s", error)
        raise EvaluationInterrupted from None


def as_outputs(given: Any, batch: Batch) -> dict[str, Tensor]:
    """What an evaluation step gave, rows first: a single tensor as `loss` or `output`, a number as the mean of all rows of its batch."""
    if type(given) is dict and all(isinstance(each, Tensor) and each.dim() for each in given.values()):
        return given
    rows = rows_in(batch)
    if given is None:
        return {}
    if isinstance(given, Tensor):
        given = {"loss" if given.numel() == 1 else "output": given}
    if isinstance(given, Loss):
        given = {"loss": given.total / given.count, **{name: part / given.count for name, part in given.parts.items()}}
    if not isinstance(given, Mapping):
        what = f"an evaluation step returned a {type(given).__name__}"
        raise ConfigError(what, where="evaluation_step", fix="return a mapping of tensors, rows first, or of numbers, or nothing")
    found = {}
    for name, each in given.items():
        value = torch.as_tensor(each) if isinstance(each, Tensor | int | float) else None
        if value is not None:
            found[name] = value.detach().reshape(-1).expand(rows) if value.dim() == 0 else value
    return found


def check_rows(outputs: dict[str, Tensor], rows: int) -> None:
    """Raise ConfigError for an output that has not one entry per row of the batch."""
    for name, value in outputs.items():
        if len(value) != rows:
            why, fix = "what an evaluation step gives is rows first", "give one entry per row, or a single number"
            raise ConfigError(f"output '{name}' has {len(value)} rows for a batch of {rows}", where="evaluation_step", why=why, fix=fix)


@torch.no_grad()
def walk(
    system: System,
    rows: Rows,
    take_in: TakeIn,
    *,
    batch_size: int,
    device: torch.device,
    step: Step | None = None,
    interrupts: Interrupts | None = None,
    before: list[Callable[..., None]] | Listeners = (),
    after: list[Callable[..., None]] | Listeners = (),
    turns: Turns = ALONE,
    end_round: Callable[[], None] | None = None,
) -> None:
    """Hand on what `step` (else `system.evaluation_step`) gives for all rows in their order: `take_in(outputs, batch)`, rows first.

    `before(batch, index)` and `after(batch, index, outputs)` are called round each batch. When memory runs out the batches become smaller.
    `turns`: which batches are measured here; `end_round` is called when every process has measured one. Raises EvaluationInterrupted
    between two batches, or while one is waited for, once `interrupts` heard a signal.
    """
    context = StepContext(0, 0, 0.0, device_generator(device), rows=len(rows))
    step = step or step_of(system, "", context, len(rows))
    size = unit = 1 if rows.batched else batch_size
    if rows.batched:
        rows.begin_epoch(0, 0)
    joined = None if rows.windows is None else JoinedRows(rows.windows, take_in)
    index = turns.rank
    with eval_mode(system):
        for start, counts in starts_of(len(rows), unit, turns):
            if interrupts is not None:
                interrupts.agree_now()
                if interrupts.requested:  # also where this process has no batch left
                    raise EvaluationInterrupted
            end = min(start + unit, len(rows))
            while start < end:
                batch = system.as_evaluated(to_device(take_in_order(rows, start, min(start + size, end), interrupts), device))
                for hook in before if counts else ():
                    hook(batch, index)
                try:
                    outputs = as_outputs(step(batch, start), batch)
                except (RuntimeError, MemoryError) as error:
                    if not out_of_memory(error) or size == 1:
                        raise
                    size = -(-size // 2)
                    log.warning("memory ran out with %d rows at once while evaluating; from here %d", size * 2, size)
                    continue
                start += size
                if not counts:
                    continue
                for hook in after:
                    hook(batch, index, outputs)
                if index == turns.rank and system.own_metrics and not rows.batched:
                    check_rows(outputs, rows_in(batch))
                (joined or take_in)(in_float32(outputs), batch)
                index += turns.size
            if end_round is not None:
                end_round()
    if joined is not None:
        joined.end()


def starts_of(rows: int, unit: int, turns: Turns) -> Iterator[tuple[int, bool]]:
    """For each round the first row of the batch measured here, and whether it counts; `rows` and False where there is none left."""
    for first in range(0, rows, unit * turns.size):
        start = first + unit * turns.rank
        yield (start, True) if start < rows else (0 if turns.together else rows, False)


def outputs_of(system: System, rows: Rows, *, batch_size: int, device: torch.device) -> dict[str, Tensor]:
    """What `evaluation_step` gives for all rows in their order, joined, on the device: for a report, which shows single rows."""
    pieces: list[dict[str, Tensor]] = []
    walk(system, rows, lambda outputs, batch: pieces.append(outputs), batch_size=batch_size, device=device)
    return join_outputs(pieces)
