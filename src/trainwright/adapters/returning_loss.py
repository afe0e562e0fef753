"""A model that returns its own loss (`model(**batch).loss`), as the models of Hugging Face do; transformers is not imported here."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.engine.adapted import Wrapping
from trainwright.engine.directions import higher_is_better
from trainwright.engine.system import Batch, Loss, StepContext, rows_in
from trainwright.metrics.base import Metric
from trainwright.nn.modes import eval_mode
from trainwright.systems.base import seed_generators

log = logging.getLogger("trainwright.systems")

LABELS = "labels"
TARGETS = (LABELS, "targets", "target", "label", "tgt", "y")
"""Arguments of `forward` that hold what is to be learned, so that a scalar beside the logits is their loss."""
IGNORED = -100
"""The label that transformers leaves out of a loss."""


class ReturningLossSystem(Wrapping):
    """Trains a model that takes the columns of a batch by name and returns an object, mapping or tuple with the mean loss of them.

    Items are the labels that count where there is a label per token, so that pieces of a step are joined exactly; else rows. Names of
    weights are the model's own. A batch (x, y) by place is given by the names of the first arguments: `forward(idx, targets)`.
    """

    def __init__(self, model: nn.Module, positional: bool = False) -> None:
        super().__init__()
        self.model = model
        self.taken = find_columns(model)
        self.positional = positional
        self.labels = target_of(model) or LABELS
        self._shifted: bool | None = None
        self._left_out: frozenset[str] = frozenset()

    def inputs_of(self, batch: Batch) -> dict[str, Any]:
        """The columns that the model takes; the others are named once. Raises DataError for a batch without names."""
        if self.positional:
            batch = by_arguments(self.model, batch)
        if not isinstance(batch, Mapping):
            fix = "give mappings: {'input_ids': …, 'labels': …}"
            raise DataError(
                f"a batch is a {type(batch).__name__}", where=type(self.model).__name__, why="the model takes columns by name", fix=fix
            )
        if self.taken is None:
            return dict(batch)
        left_out = frozenset(batch) - self.taken
        if not left_out:
            return dict(batch)
        if not left_out <= self._left_out:
            self._left_out |= left_out
            log.info("columns that %s does not take are left out: %s", type(self.model).__name__, ", ".join(sorted(left_out)))
        return {name: each for name, each in batch.items() if name in self.taken}

    def items_of(self, inputs: Mapping[str, Any]) -> int | Tensor:
        """What the loss is the mean over: tokens whose labels count, or rows."""
        labels = inputs.get(self.labels)
        if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dim() < 2 or labels.shape[1] == 1:
            return rows_in(inputs)
        if self.labels != LABELS:  # of one's own: given beside what they follow
            return (labels >= 0).sum()
        counted = labels[..., 1:] if self.shifts(inputs, labels) else labels
        return (counted >= 0).sum()  # -100 of transformers, or another `ignore_index` below 0

    def shifts(self, inputs: Mapping[str, Any], labels: Tensor) -> bool:
        """Whether the model compares labels with the tokens before them, so that the first counts for nothing; found out once."""
        if self._shifted is None:
            try:
                highest = int(labels.max())  # a class that there is: a label that the model does not ignore may end all work of a GPU
                losses = [self._loss_with(first, inputs, labels) for first in (0, highest if highest > 0 else IGNORED)]
                self._shifted = bool(torch.equal(losses[0], losses[1]))
            except FOREIGN:  # a model that takes no such label compares the first: it did not leave it out
                self._shifted = False
        return self._shifted

    def _loss_with(self, first: int, inputs: Mapping[str, Any], labels: Tensor) -> Tensor:
        """The loss where the first label of every row is this one."""
        changed = labels.clone()
        changed[:, 0], changed[:, 1] = first, 0
        with try_forward(self.model):
            return self._loss(self.model(**{**inputs, LABELS: changed}), inputs)

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        """The loss of the rows; raises TrainwrightError when the model returns none."""
        inputs = self.inputs_of(batch)
        mean = self._loss(self.model(**inputs), inputs)
        items = self.items_of(inputs)
        if isinstance(items, int):
            return Loss.of_mean(mean, items)
        total = torch.where(items > 0, mean, torch.zeros_like(mean)) * items  # without a label that counts the mean is 0 / 0
        return Loss(total, items)

    def _loss(self, returned: Any, inputs: Mapping[str, Any]) -> Tensor:
        loss = loss_in(returned)
        if loss is not None:
            return loss
        what = f"{type(self.model).__name__} returned no loss"
        why = f"it was given {', '.join(inputs)}"
        fix = "let forward return a mapping or an object with a scalar 'loss'"
        fix = f"give the column '{self.labels}'" if self.labels not in inputs else fix
        raise TrainwrightError(what, where="training_step", why=why, fix=fix)

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """Sum of the loss and items of the batch, spread over its rows; whether each row is right where there is one class for it."""
        inputs = self.inputs_of(batch)
        returned = self.model(**inputs)
        mean, rows = self._loss(returned, inputs), rows_in(batch)
        items = torch.as_tensor(self.items_of(inputs), device=mean.device)
        total = torch.where(items > 0, mean.float() * items, 0.0)
        found = {"total": (total / rows).expand(rows), "items": (items / rows).expand(rows)}
        logits, labels = logits_in(returned), inputs.get(self.labels)
        if self.asked_metrics is not None and logits is not None and isinstance(labels, Tensor):
            found |= {"logits": logits, LABELS: labels}
        if classifies(logits, labels):
            found["right"] = logits.argmax(dim=1) == labels.reshape(-1)  # type: ignore[union-attr]
        return found

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        """The logits, or every tensor beside the loss that has rows; raises TrainwrightError when there is none."""
        returned = self.model(**self.inputs_of(batch))
        logits = logits_in(returned)
        if logits is not None:
            return {"logits": logits}
        rows = rows_in(batch)
        found = {name: each for name, each in name_tensors(returned) if name != "loss" and each.dim() and len(each) == rows}
        if not found:
            fix = "let forward return 'logits'"
            raise TrainwrightError(f"{type(self.model).__name__} returned nothing to predict", where="predict_step", fix=fix)
        return found

    def metrics(self, outputs: dict[str, Tensor] | None = None) -> Any:
        """New metrics: `loss` per item, and `accuracy` where each row has one class; of `outputs` of whole rows their numbers."""
        made = LossPerItem()
        if outputs is None:
            return made
        made.update(outputs)
        return made.compute()

    def higher_is_better(self, name: str) -> bool | None:
        """Which way a key of `metrics` is better."""
        return higher_is_better(name)


class LossPerItem(Metric):
    """`loss` over items, and the share of rows that are `right`."""

    emptied_by_load = True

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in sums of the loss and of items, and whether rows are right."""
        self.add(total=outputs["total"].double().sum(), items=outputs["items"].double().sum())
        if "right" in outputs:
            self.add(right=outputs["right"].sum(), rows=len(outputs["right"]))

    def compute(self) -> dict[str, float]:
        """The loss, and the accuracy where it is one."""
        found = {name: float(value) for name, value in self.sums.items()}
        items = found.get("items", 0.0)
        values = {"loss": found["total"] / items if items else float("nan")}
        return values | ({"accuracy": found["right"] / found["rows"]} if "rows" in found else {})


def target_of(model: nn.Module) -> str:
    """The argument of `forward` that holds what is to be learned; empty where none is called so."""
    names = inspect.signature(model.forward).parameters
    return next((name for name in TARGETS if name in names), "")


def by_arguments(model: nn.Module, batch: Batch) -> Batch:
    """The parts of a batch that was given by place, by the names of the first arguments of `forward`."""
    parts = list(batch.values()) if isinstance(batch, Mapping) else list(batch) if isinstance(batch, list | tuple) else [batch]
    parameters = inspect.signature(model.forward).parameters.values()
    names = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return dict(zip(names, parts, strict=False))


def find_columns(model: nn.Module) -> frozenset[str] | None:
    """Names of the arguments of `forward`; None where it takes any."""
    parameters = inspect.signature(model.forward).parameters.values()
    found = frozenset(each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY))
    anything = any(each.kind is each.VAR_KEYWORD for each in parameters)
    if anything and not (found and hasattr(model, "config")):
        return None
    return found  # models of transformers take **kwargs for flags of attention, not for columns


@contextmanager
def try_forward(model: nn.Module) -> Iterator[None]:
    """Inside, a forward pass leaves no trace: evaluation mode, no graph, generators as they were afterwards."""
    with eval_mode(model), torch.no_grad(), seed_generators(0):
        yield


def loss_in(returned: Any) -> Tensor | None:
    """The scalar loss in what a model returned: `.loss`, `["loss"]`, the only scalar of a tuple or its first, or itself; else None."""
    found: Any = None
    if isinstance(returned, Tensor):
        found = returned
    elif type(returned) is dict or isinstance(returned, Mapping):
        found = returned.get("loss")
    elif hasattr(returned, "loss"):
        found = returned.loss
    elif isinstance(returned, tuple | list) and returned:
        scalars = [each for each in returned if isinstance(each, Tensor) and not each.dim()]
        found = scalars[0] if len(scalars) == 1 and is_scalar(scalars[0]) else returned[0]
    if not is_scalar(found):
        return None
    return found.reshape(()) if found.dim() else found  # a view would be one more node to go backwards through


def is_scalar(found: Any) -> bool:
    """Whether a value is a tensor of one floating-point number."""
    return isinstance(found, Tensor) and found.numel() == 1 and found.is_floating_point()


def logits_in(returned: Any) -> Tensor | None:
    """The logits in what a model returned: by name, or the first of a tuple beside the loss; None where there are none."""
    if isinstance(returned, tuple) and not hasattr(returned, "_fields"):
        loss = loss_in(returned)
        rest = [each for each in returned if loss is None or not isinstance(each, Tensor) or each.data_ptr() != loss.data_ptr()]
        return rest[0] if rest and isinstance(rest[0], Tensor) else None
    found = returned.get("logits") if isinstance(returned, Mapping) else getattr(returned, "logits", None)
    return found if isinstance(found, Tensor) else None


def name_tensors(returned: Any) -> Iterable[tuple[str, Tensor]]:
    """The tensors in what a model returned, by name."""
    if isinstance(returned, Mapping):
        pairs: Iterable[tuple[Any, Any]] = returned.items()
    elif isinstance(returned, tuple | list):
        pairs = ((f"output.{place}", each) for place, each in enumerate(returned))
    else:
        pairs = vars(returned).items() if hasattr(returned, "__dict__") else ()
    return [(str(name), each) for name, each in pairs if isinstance(each, Tensor)]


def classifies(logits: Tensor | None, labels: Any) -> bool:
    """Whether logits (b, c) and labels (b,) or (b, 1) are classes and their numbers."""
    if logits is None or not isinstance(labels, Tensor) or labels.is_floating_point() or logits.dim() != 2:
        return False
    return logits.shape[1] > 1 and (labels.shape == logits.shape[:1] or labels.shape == (len(logits), 1))


def returns_loss(model: nn.Module, batch: Batch) -> bool:
    """Whether `model(**batch)` gives a loss, found by trying it on a batch in evaluation mode; false when the model does not take it."""
    if not isinstance(batch, Mapping):
        return False
    taken = find_columns(model)
    inputs = {name: each for name, each in batch.items() if taken is None or name in taken}
    try:
        with try_forward(model):
            returned = model(**inputs)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError):
        return False
    alone = isinstance(returned, Tensor)
    beside = isinstance(returned, tuple) and bool(returned) and not is_scalar(returned[0])
    if (alone or beside) and not any(name in inputs for name in TARGETS):
        return False  # a scalar of a model that was given no target is a term of its own, or its output for one row
    return loss_in(returned) is not None
