"""A system of one's own, or a plain module, as what is explained: its tensors by name, and one of the things it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.data.rows import Rows, TensorRows, WrappedRows, as_blocks, names_of
from trainwright.explain.embeddings import Embedded, find_embedded
from trainwright.explain.layers import is_traced
from trainwright.explain.subject import Measure, Mix, Tensors
from trainwright.explain.tensors import TensorSubject, columns_of
from trainwright.losses.wiring import look_inside
from trainwright.metrics import mode
from trainwright.systems.plain import PlainSystem

PREFERRED = ("output", "logits", "scores", "p", "probabilities")
"""What of several things that a system gives is explained where none is named."""
MOST_HELD = 100_000
"""Rows of whole batches that are held, at most."""


class SystemSubject(TensorSubject):
    """Tensors by name → one of those that `predict_step`, or a plain model, gives: (b), (b, k), or (b, k, …) by its mean over places."""

    rows: Batches
    module: nn.Module

    def __init__(self, system: Any, rows: Rows, inputs: list[str], target: str = "", trainer: Any = None) -> None:
        """`inputs`: the blocks that the system takes; `target`: which of what it gives; `trainer` measures."""
        self.system, self.trainer, self.all_rows = system, trainer, rows
        self.rows = Batches(rows)
        self.left_out = self.rows.left_out
        self.plain = system if isinstance(system, PlainSystem) else None
        self.module = system.model if self.plain else system
        system.eval()
        example = self.rows.take(torch.arange(min(2, len(self.rows))))
        inputs = inputs if self.plain else self._read_by(example, inputs)
        self.columns = columns_of({name: example[name] for name in inputs if name in example})
        self.names = list(dict.fromkeys(name for column in self.columns for name, _ in column.places))
        self.target = self._find_target(example, target)
        self.notes: list[str] = []
        shape = self._shape(example)
        self.outputs = [str(place) for place in range(shape[0])]
        self.chooses = shape[0] > 1
        self._words(len(shape) > 1)
        self.embedded = self._find_embedded(example)

    def _read_by(self, example: Tensors, inputs: list[str]) -> list[str]:
        """The blocks that `predict_step` looks at: the truth is none of its inputs. All of those where it goes through the batch whole."""
        watched = Watched(example)
        batch = self.rows.batch_of(watched)
        if type(batch) is dict:
            with torch.no_grad():
                self.system.predict_step(watched)
        return [name for name in inputs if name in watched.read] or inputs

    def _words(self, places: bool) -> None:
        at = ", the mean over its places" if places else ""
        of_classes = self.plain is not None and self.plain.kind in ("category", "binary")
        self.about = (
            f"the probability of {{}}{at}"
            if of_classes and self.chooses
            else f"{{}} of '{self.target}'{at}"
            if self.chooses
            else f"'{self.target}'{at}"
        )
        if of_classes and not self.chooses:
            self.about = f"the probability of the positive class{at}"
        self.about_logit = f"the logit of {{}}{at}" if self.chooses and of_classes else f"'{self.target}'{at}, as the network gives it"

    def _find_target(self, example: Tensors, target: str) -> str:
        with torch.no_grad():
            given = self._answer_batch(example)
        floats = [name for name, each in given.items() if each.is_floating_point() and each.dim()]
        if target and target not in given:
            raise RequestError(f"the model gives no '{target}'", where="--target", fix=did_you_mean(target, given))
        if target and target not in floats:
            raise RequestError(
                f"'{target}' holds whole numbers", where="--target", why="they say nothing of how sure it is", fix=did_you_mean("", floats)
            )
        if not floats:
            raise RequestError(
                "the model gives no numbers that could be explained",
                why=f"it gives {', '.join(given) or 'nothing'}",
                fix="let predict_step give floats, rows first",
            )
        return target or next((name for name in PREFERRED if name in floats), floats[0])

    def _shape(self, example: Tensors) -> tuple[int, ...]:
        """The shape of what is given for a row: how many numbers, and at which places."""
        with torch.no_grad():
            given = self._answer_batch(example)[self.target]
        return (1,) if given.dim() == 1 else tuple(given.shape[1:])

    def _find_embedded(self, example: Tensors) -> dict[str, Embedded]:
        """The inputs of whole numbers that are read through embeddings."""
        whole = {name: example[name] for name in self.names if not example[name].is_floating_point()}
        if not whole or is_traced(self.module):
            return {}
        with torch.no_grad():
            found = find_embedded(self.module, whole, lambda: self._answer_batch(example))
        if found:
            self.notes.append(f"gradients of whole numbers ({', '.join(found)}) are those of their embeddings, summed")
        return found

    def _answer_batch(self, tensors: Tensors) -> dict[str, Tensor]:
        """What the model gives for a batch, by name."""
        batch = self.rows.batch_of({name: each.to(self.device) if isinstance(each, Tensor) else each for name, each in tensors.items()})
        found = self.plain.output_of(batch) if self.plain else self.system.predict_step(batch)
        if isinstance(found, Tensor):
            return {"output": found}
        return {str(name): each for name, each in look_inside(found).items() if isinstance(each, Tensor)}

    def answer(self, tensors: Tensors, logit: bool = False) -> Tensor:
        """What is given of each row (b, k): of a plain model of classes their probabilities, or the logits."""
        given = self._answer_batch(tensors)[self.target]
        given = given[:, None] if given.dim() == 1 else given
        if self.plain is not None and not logit:
            given = self._answers(given)
        return given.flatten(2).mean(2) if given.dim() > 2 else given

    def _answers(self, given: Tensor) -> Tensor:
        """Probabilities, where the loss says that what the model gives are logits of classes."""
        expects = self.plain.criterion.expects if self.plain is not None else ""
        if expects == "class logits" and given.shape[1] > 1:
            return given.softmax(1)
        return given.sigmoid() if expects == "logits" or (expects == "class logits" and given.shape[1] == 1) else given

    def points(self, tensors: Tensors) -> Tensors:
        """The inputs of floats, and the embeddings of the others."""
        return super().points(tensors) | {name: each for which in self.embedded.values() for name, each in which.look_up(tensors).items()}

    def answer_at(self, points: Tensors, tensors: Tensors, logit: bool = False) -> Tensor:
        """The same with other numbers, and other embeddings."""
        floats = {name: each for name, each in points.items() if name in tensors}
        with Embedded.given(list(self.embedded.values()), points):
            return self.answer({**tensors, **floats}, logit)

    def credit(self, shares: Tensors) -> dict[str, Tensor]:
        """The shares of floats; those of embeddings go to the whole numbers that were looked up."""
        return super().credit({**shares, **{name: which.credit(shares) for name, which in self.embedded.items()}})

    def measure(self, metric: str, indices: np.ndarray) -> Measure:
        """A metric of these rows as the trainer measures them. Raises RequestError for metrics that there are not."""
        if self.trainer is None:
            return super().measure(metric, indices)
        plain = self._measured(indices, None)
        name = metric or ("loss" if "loss" in plain else next(iter(plain), ""))
        if name not in plain:
            raise RequestError(f"there is no metric '{metric}'", where="--metric", fix=did_you_mean(name, plain))
        return Measure(name, name != "loss" and mode(name) == "max", lambda change: self._measured(indices, change)[name])

    def _measured(self, indices: np.ndarray, change: Mix | None) -> dict[str, float]:
        found: dict[str, float] = self.trainer.test(self.system, Changed(self.rows, indices, change))
        return found


class Watched(dict[str, Any]):
    """A batch that remembers which of its blocks were asked for by name; none where they were gone through whole."""

    def __init__(self, blocks: Mapping[str, Any]) -> None:
        super().__init__(blocks)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict gives it."""
        self.read.add(name)
        return super().get(name, default)


class Batches(WrappedRows):
    """Rows by name, whatever form their batches have; of rows that come in whole batches, those that were gone through."""

    def __init__(self, rows: Rows) -> None:
        held, self.left_out = _single(rows) if rows.batched else (rows, "")
        super().__init__(held)
        self._form = self.rows.take(torch.arange(1)) if len(self.rows) else {}

    def take(self, indices: Tensor) -> dict[str, Any]:
        """Blocks by name."""
        found = as_blocks(self.rows.take(indices))
        if not found:
            what = f"the rows are objects of {type(self._form).__name__}"
            raise RequestError(what, why="inputs are explained by their names", fix="let batches be dicts or tuples of tensors")
        return found

    def batch_of(self, blocks: Mapping[str, Any]) -> Any:
        """Blocks in the form that the rows had."""
        if isinstance(self._form, Tensor):
            return blocks["input"]
        if isinstance(self._form, tuple | list):
            names = names_of(len(self._form)) if len(self._form) > 1 else ["input"]
            return type(self._form)([blocks[name] for name in names])
        return dict(blocks)


def _single(rows: Rows) -> tuple[Rows, str]:
    """The rows of whole batches, one after the other, as far as they are held, and in words what is not."""
    pieces: list[dict[str, Any]] = []
    held = 0
    for number in range(len(rows)):
        blocks = {
            name: each for name, each in as_blocks(rows.take(torch.tensor([number]))).items() if isinstance(each, Tensor) and each.dim()
        }
        pieces.append(blocks)
        held += len(next(iter(blocks.values()))) if blocks else 0
        if held >= MOST_HELD:
            break
    names = list(pieces[0]) if pieces else []
    over = len(rows) - len(pieces)
    batches = "the last batch is" if over == 1 else f"the last {over:,} batches are"
    left_out = f"rows come in whole batches: {batches} left out, since at most about {MOST_HELD:,} rows are held" if over else ""
    return TensorRows({name: torch.cat([each[name] for each in pieces]) for name in names}), left_out


class Changed(WrappedRows):
    """Some rows of others, changed before they are measured."""

    def __init__(self, rows: Batches, indices: np.ndarray, change: Mix | None) -> None:
        super().__init__(rows)
        self._rows, self._indices, self._change = rows, indices, change

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, indices: Tensor) -> Any:
        """The batch in the form that the rows had."""
        wanted = self._indices[indices.cpu().numpy()]
        blocks = self._rows.take(torch.from_numpy(wanted))
        return self._rows.batch_of(blocks if self._change is None else self._change(blocks, wanted))
