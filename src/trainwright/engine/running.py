"""What the training steps leave behind for logging: losses and logged values since the last row, and since the last evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from trainwright.engine.system import Loss
from trainwright.parallel.world import World

PIECES = 256
"""Scalars that are joined into one tensor, so that a long time between two rows does not hold thousands of small ones."""


class ScalarSeries:
    """Scalars in the order they came, kept where they are; nothing is computed and the host does not wait until they are read.

    Sums are exact (`math.fsum`), so that they do not depend on where a run was interrupted.
    """

    def __init__(self) -> None:
        self._recent: list[Tensor | float] = []
        self._older: list[Tensor] = []

    def append(self, value: Tensor | float) -> None:
        """Keep a scalar as it is now."""
        if isinstance(value, Tensor):
            # what has a graph was made by this step; anything else may be a weight that changes, and CUDA graphs reuse their outputs
            fresh = value.grad_fn is not None and not value.is_cuda
            value = value.detach() if fresh else value.detach().clone()
            value = value.reshape(()) if value.dim() else value
        self._recent.append(value)
        if len(self._recent) >= PIECES:
            self._fold()

    def _fold(self) -> None:
        if not self._recent:
            return
        tensors = [value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64) for value in self._recent]
        device = next((each.device for each in tensors if each.device.type != "cpu"), tensors[0].device)
        if len({each.dtype for each in tensors}) > 1 and device.type != "mps":  # a wider type holds every value as it is
            tensors = [each.double() for each in tensors]
        self._older.append(torch.stack([each.to(device, tensors[0].dtype) for each in tensors]))
        self._recent = []

    def read(self) -> list[float]:
        """All values. Waits for the device."""
        older = [value for each in self._older for value in each.tolist()]
        if any(isinstance(value, Tensor) for value in self._recent):
            self._fold()
            return older + self._older[-1].tolist()
        return older + [float(value) for value in self._recent]

    def __len__(self) -> int:
        return len(self._recent) + sum(len(each) for each in self._older)


class Sum:
    """A sum that is rounded only when it is read, kept as few numbers (Shewchuk 1997): when terms are added changes no bit of it."""

    def __init__(self, parts: Iterable[float] = ()) -> None:
        self.parts = list(parts)

    def add(self, values: Iterable[float]) -> None:
        """Take in some terms."""
        terms = [*self.parts, *values]
        if not all(map(math.isfinite, terms)):
            self.parts = [sum(terms)]
            return
        self.parts = []
        while (rounded := math.fsum(terms)) != 0.0:
            self.parts.append(rounded)
            terms.append(-rounded)

    def value(self) -> float:
        """The sum, rounded once."""
        return exact_sum(self.parts)


class RunningTerm:
    """What steps add to one number: recent ones on their device, those before as a sum."""

    def __init__(self) -> None:
        self.recent, self.before = ScalarSeries(), Sum()

    def read(self) -> Sum:
        """All of it as one sum. Waits for the device."""
        if len(self.recent):
            self.before.add(self.recent.read())
            self.recent = ScalarSeries()
        return self.before


class RunningLoss:
    """Losses and items of the steps since the last logged row and since the last evaluation, read only when a row is logged."""

    def __init__(self, world: World | None = None) -> None:
        """`world`: the processes whose losses make one mean."""
        self.world = world or World()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.terms: dict[str, RunningTerm] = {"items": RunningTerm(), "loss": RunningTerm()}
        self.count, self.steps = 0, 0
        self._bad: int | None = None
        self._batch_numbers: list[int] = []
        self._evaluation: dict[str, Sum] = {"items": Sum()}

    def add(self, loss: Loss, batch_number: int = 0) -> None:
        """Take in the loss of some rows of batch number `batch_number`."""
        terms = self.terms
        terms["loss"].recent.append(loss.total)
        self._batch_numbers.append(batch_number)
        self.steps += 1
        if isinstance(loss.count, int):
            self.count += loss.count
        else:
            terms["items"].recent.append(loss.count)
        for name, part in loss.parts.items():
            if f"loss/{name}" not in terms:
                terms[f"loss/{name}"] = RunningTerm()
            terms[f"loss/{name}"].recent.append(part)

    def has_steps(self) -> bool:
        """Whether any process took in a loss since the last row; each may have had no rows."""
        return self.world.any(self.steps > 0)

    def _read(self) -> dict[str, Sum]:
        """Every term as a sum, and the first batch that was not finite found. Waits for the device."""
        totals = self.terms["loss"].recent
        if self._bad is None:
            found = zip(self._batch_numbers, totals.read(), strict=True)
            self._bad = next((batch_number for batch_number, total in found if not math.isfinite(total)), None)
        self._batch_numbers = []
        self.terms["items"].before.add([float(self.count)])
        self.count = 0
        return {name: term.read() for name, term in self.terms.items()}

    def means(self) -> dict[str, float]:
        """`loss` and `loss/<part>` per item since the last row; NaN before the first step. Waits for the device."""
        return means_of(self._of_all(self._read()))

    def means_since_evaluation(self) -> dict[str, float]:
        """As `means`, since the last evaluation; nothing when there was no step. Waits for the device."""
        sums = {name: Sum(each.parts) for name, each in self._evaluation.items()}
        for name, each in self._read().items():
            sums.setdefault(name, Sum()).add(each.parts)
        sums = self._of_all(sums)
        return means_of(sums) if sums["loss"].parts or sums["items"].parts else {}

    def gather_at_rank_0(self) -> None:
        """Bring what all processes added up to rank 0, which writes it into a checkpoint; the others go on from nothing."""
        row, evaluation = self._of_all(self._read()), self._of_all(self._evaluation)
        self.drop_sums()
        if self.world.is_main:
            self._evaluation = evaluation
            for name, each in row.items():
                self.terms.setdefault(name, RunningTerm()).before = each

    def drop_sums(self) -> None:
        """Go on from nothing, with the count of the steps since the last row."""
        self.terms, self._evaluation = {"items": RunningTerm(), "loss": RunningTerm()}, {"items": Sum()}

    def _of_all(self, sums: dict[str, Sum]) -> dict[str, Sum]:
        """The sums over all processes: exact, so that no order of adding them changes a bit."""
        if self.world.size == 1:
            return sums
        whole: dict[str, Sum] = {}
        for theirs in self.world.gather({name: each.parts for name, each in sums.items()}):
            for name, parts in theirs.items():
                whole.setdefault(name, Sum()).add(parts)
        return whole

    def begin_row(self, evaluated: bool) -> None:
        """Begin the next row, and with an evaluation the time until the next one."""
        kept = {} if evaluated else self._evaluation
        for name, each in {} if evaluated else self._read().items():
            kept.setdefault(name, Sum()).add(each.parts)
        self.reset()
        self._evaluation |= kept

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint: a few numbers of each term. Waits for the device."""
        found = {name: torch.tensor(each.parts, dtype=torch.float64) for name, each in self._read().items()}
        found |= {f"evaluation/{name}": torch.tensor(each.parts, dtype=torch.float64) for name, each in self._evaluation.items()}
        return found | {"steps": torch.tensor([self.steps, -1 if self._bad is None else self._bad])}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self.reset()
        steps = tensors.get("steps")
        if steps is None:
            return  # of a checkpoint that kept something else
        self.steps, bad = steps.tolist()
        self._bad = None if bad < 0 else bad
        for name, tensor in tensors.items():
            if name.startswith("evaluation/"):
                self._evaluation[name.removeprefix("evaluation/")] = Sum(tensor.tolist())
            elif name != "steps":
                self.terms[name] = RunningTerm()
                self.terms[name].before = Sum(tensor.tolist())

    def first_not_finite(self) -> int | None:
        """The number of the first batch since the last row whose loss was not finite; None when no single one was. Waits for the device."""
        self._read()
        return self._bad


def means_of(sums: Mapping[str, Sum]) -> dict[str, float]:
    """`loss` and `loss/<part>` per item, from their sums and that of the items."""
    items = sums["items"].value()
    return {name: each.value() / items if items else math.nan for name, each in sums.items() if name != "items"}


def exact_sum(values: list[float]) -> float:
    """The sum, rounded once; NaN and infinities as floating-point addition has them."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


class Followed:
    """A number that is asked for when a row is logged, in place of being logged at every step."""

    def __init__(self, value: Callable[[], float | Tensor]) -> None:
        self.value = value

    def read(self) -> Sum:
        """What it is now, as a sum. Waits for the device."""
        found = Sum()
        found.add([float(self.value())])
        return found


class RunningValues:
    """Values that systems and callbacks log, kept until a row is logged."""

    in_step = False
    """Whether what is logged now is of the rows of a step, of which each process has some."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._terms: dict[str, RunningTerm | Followed] = {}
        self._counts: dict[str, int] = {}
        self._reduce: dict[str, str] = {}
        self._of_rows: set[str] = set()
        """Names of values that steps logged of their rows: those of all processes make one."""

    def add(self, name: str, value: float | Tensor, reduce: str = "mean") -> None:
        """Take in a value: the row will have the mean, the sum or the last of those since the row before. Never waits for the device."""
        if self.in_step:
            self._of_rows.add(name)
        term = self._terms.get(name)
        if not isinstance(term, RunningTerm) or reduce == "last":
            self._terms[name] = term = RunningTerm()
            self._reduce[name], self._counts[name] = reduce, 0
        term.recent.append(value)
        self._counts[name] += 1

    def follow(self, name: str, value: Callable[[], float | Tensor]) -> None:
        """Let the row have what `value` gives when it is logged: as adding it at every step as the last, without computing it."""
        self._terms[name], self._reduce[name], self._counts[name] = Followed(value), "last", 1

    def values(self) -> dict[str, float]:
        """The values of the row. Waits for the device."""
        return {
            name: term.read().value() / (self._counts[name] if self._reduce[name] == "mean" else 1) for name, term in self._terms.items()
        }

    def gather(self, world: World) -> None:
        """Take in what steps logged in all processes; those but rank 0 go on from nothing. Waits for the device."""
        mine = {
            name: (self._reduce[name], self._counts[name], self._terms[name].read().parts) for name in self._of_rows & self._terms.keys()
        }
        told = world.gather(mine)
        for name in mine if not world.is_main else ():
            del self._terms[name], self._reduce[name], self._counts[name]
        if not world.is_main:
            return
        for rank, theirs in enumerate(told):
            for name, (reduce, count, parts) in theirs.items() if rank else ():
                term = self._terms.get(name)
                if not isinstance(term, RunningTerm) or reduce == "last":
                    term = self._terms[name] = RunningTerm()
                    self._reduce[name], self._counts[name] = reduce, 0
                term.before.add(parts)
                self._counts[name] += count
                self._of_rows.add(name)

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint: a few numbers of each name. Waits for the device."""
        return {
            f"{self._reduce[name]}/{name}": torch.tensor([float(self._counts[name]), *term.read().parts], dtype=torch.float64)
            for name, term in self._terms.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back."""
        self.reset()
        for key, kept in tensors.items():
            reduce, _, name = key.partition("/")
            count, *parts = kept.tolist()
            self._terms[name] = term = RunningTerm()
            self._reduce[name], self._counts[name] = reduce, int(count)
            term.before = Sum(parts)
