"""A function or a module of one's own as a loss: its sum and count, or the loss of every row of a column."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import Tensor, nn

from trainwright.config.errors import ConfigError, DataError
from trainwright.losses.base import Count, Criterion
from trainwright.losses.broadcast import watch_broadcast
from trainwright.losses.shared_options import FunctionOptions
from trainwright.losses.wiring import argument, claimed_keys, look_inside

REQUIRED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class FunctionCriterion(Criterion):
    """`loss(output, target)`: a scalar is the mean over the rows, a tensor has the loss of every element.

    Further parameters without a default are found by their names in the model's output or in the batch.
    """

    def __init__(self, function: Callable[..., Any], options: FunctionOptions) -> None:
        super().__init__(options)
        if getattr(function, "reduction", None) == "sum":
            why = "a sum grows with the rows of a step, so that pieces of a step could not be joined into the same update"
            fix = "give it reduction='mean', or a function that divides the sum by len(target)"
            raise ConfigError("the loss has reduction='sum'", where="loss", why=why, fix=fix)
        self.function = function
        self.extra = extra_names(function)
        self.simple = False  # it may read what is not kept, so it is not computed again from outputs
        self._direct = not self.names and not self.extra

    @property
    def claimed(self) -> set[str | int]:
        """Keys and places of the batch that the loss reads."""
        return {*(name for name in self.extra if name not in self.names), *claimed_keys(self.names.values())}

    def total(self, output: Any, target: Any, batch: Any = None) -> tuple[Tensor, Count]:
        """The sum over rows or elements, and how many; raises DataError when the function gives no tensor."""
        value = self.value(output, target, batch)
        if value.dim():
            return value.sum(), value.numel()
        rows = row_count(target, batch, output)
        return value * rows, rows

    def value(self, output: Any, target: Any, batch: Any = None) -> Tensor:
        """What the function gives; raises DataError when that is no tensor."""
        if self._direct:
            value = self.function(output, target)
        else:
            value = self.function(*self.arguments(output, target, batch)[:2], **self._find_extra(output, batch))
        if not isinstance(value, Tensor):
            raise _no_tensor(self.name, value)
        return value

    def arguments(self, output: Any, target: Any, batch: Any = None) -> list[Any]:
        """The output, as it is unless `inputs` names one, and the target."""
        first = argument("output", output, batch, self.names, self.name) if "output" in self.names else output
        return [first, argument("target", output, batch, self.names, self.name) if "target" in self.names else target]

    def _find_extra(self, output: Any, batch: Any) -> dict[str, Any]:
        return {name: argument(name, output, batch, self.names, self.name) for name in self.extra}

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row of a column, `[n]` or `[n, v]`; raises ConfigError when the function gives one number for all of them."""
        rows = self.function(output, target)
        if not isinstance(rows, Tensor):
            raise ConfigError(f"'{self.name}' gives a {type(rows).__name__}, not a tensor", why="a loss here gives one number per row")
        if rows.shape[:1] != output.shape[:1]:
            what = f"'{self.name}' gives {tuple(rows.shape)} for {len(output)} rows"
            raise ConfigError(what, why="a loss here gives one number per row", fix="leave out its mean over the rows")
        return rows

    def check_held(self, output: Any, target: Any, batch: Any = None) -> None:
        """A function of one's own may leave out values that are missing: no target is refused."""

    def check(self, output: Any, target: Any, batch: Any = None) -> None:
        """Calls the function once; raises DataError when it gives no tensor, or broadcasts output and target against each other."""
        watch = watch_broadcast(self.name, *self.arguments(output, target, batch)) if self.options.check_values else None
        with watch or nullcontext():
            self.total(output, target, batch)


def without_reduction(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss with its reduction switched off, where it has one."""
    if isinstance(loss, nn.Module):
        if hasattr(loss, "reduction"):
            setattr(loss, "reduction", "none")  # noqa: B010 - a plain attribute, which modules are typed not to have
        return loss
    try:
        reduces = "reduction" in inspect.signature(loss).parameters
    except (TypeError, ValueError):  # a function in C without a signature
        reduces = False
    return partial(loss, reduction="none") if reduces else loss


def refuse_reduction(given: Any, name: str) -> None:
    """Raises ConfigError for any reduction but torch's default: the step takes the mean over rows, whatever is written."""
    if given not in ("mean", "none", None):
        why = "a step is the mean over the rows of its batch, and a loss here gives one number per row"
        raise ConfigError(f"reduction '{given}' of '{name}' has no meaning here", why=why, fix="leave reduction out")


def make_function(made_from: Any, options: FunctionOptions) -> Callable[..., Any]:
    """The function with its options bound, or an instance of the class; raises ConfigError when they do not fit its signature."""
    given = options.options
    try:
        if isinstance(made_from, type):
            return made_from(**given)
        if given:
            inspect.signature(made_from).bind_partial(None, None, **given)
    except TypeError as error:
        try:
            signature = str(inspect.signature(made_from))
        except (TypeError, ValueError):
            signature = "(…)"
        fix = f"its signature is {getattr(made_from, '__name__', 'loss')}{signature}"
        raise ConfigError(f"'{options.type}' does not take these options", where="loss", why=str(error), fix=fix) from error
    return partial(made_from, **given) if given else made_from


def extra_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters without a default after (output, target)."""
    call = function.forward if isinstance(function, nn.Module) else function
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return ()
    return tuple(each.name for each in parameters[2:] if each.kind in REQUIRED and each.default is each.empty)


def row_count(target: Any, batch: Any = None, output: Any = None) -> int:
    """How many rows there are: the length of the target, else of the first tensor in it, the batch or the output."""
    for place in (target, batch, output):
        if isinstance(place, Tensor):
            if place.dim():
                return place.shape[0]
            continue
        inside = place.values() if isinstance(place, Mapping) else look_inside(place).values()
        found = next((each for each in inside if isinstance(each, Tensor) and each.dim()), None)
        if found is not None:
            return found.shape[0]
        if isinstance(place, list) and place:
            return len(place)
    return 1


def _no_tensor(name: str, value: Any) -> DataError:
    what = f"the loss '{name}' gives {'nothing' if value is None else f'a {type(value).__name__}'}, not a tensor"
    fix = "return the loss, computed with torch so that it has a graph" if value is None else "return a tensor, not .item()"
    return DataError(what, where="loss", fix=fix)
