"""What follows a run: found below a root, or in the data that a run reads, and told where the run is."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from copy import copy
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from trainwright.config.errors import FOREIGN
from trainwright.data.rows import Rows
from trainwright.engine.system import StepContext, System

log = logging.getLogger("trainwright.engine")

INSIDE = "_registered_parts"
"""The attribute in which a part holds those registered with it that are no modules."""
METHODS = ("update_step", "update_step_end")
FEW = 64
"""Entries of a list in data that are looked at; a longer one is of samples."""
HELD = ("base_sampler", "batch_sampler", "collate_fn", "data", "dataset", "rows", "sampler")
"""Where loaders, samplers and datasets hold what they read from."""


def followers(root: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(path, part) of everything below and at `root` that follows the run, depth first, each once."""
    yield from _below(root, name, set())


def _below(part: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(part) in seen:
        return
    seen.add(id(part))
    modules = part.named_children() if isinstance(part, nn.Module) else [(k, v) for k, v in vars(part).items() if isinstance(v, nn.Module)]
    for name, child in (*modules, *part.__dict__.get(INSIDE, {}).items()):
        yield from _below(child, f"{path}.{name}" if path else name, seen)
    if any(callable(getattr(type(part), method, None)) for method in METHODS):
        yield path, part


def tell(parts: Iterable[tuple[str, Any]], method: str, context: StepContext) -> None:
    """Call `update_step` or `update_step_end` of parts in their order; an error names the part and the step."""
    for path, part in parts:
        try:
            getattr(part, method)(context)
        except FOREIGN as error:
            error.add_note(f"in {method} of '{path}' ({type(part).__name__}), step {context.step}")
            raise


class DataFollowers:
    """The parts of some data that follow the run: datasets, samplers, collate functions and what lies in them, those inside first."""

    def __init__(self, data: Any) -> None:
        found = [pair for pair in in_data(data) if _takes_context(pair[1])]
        self._before = [pair for pair in found if callable(getattr(pair[1], "update_step", None))]
        self._after = [pair for pair in found if callable(getattr(pair[1], "update_step_end", None))]
        self.names = sorted({type(part).__name__ for _, part in found})
        self.ids = frozenset(id(part) for _, part in found)

    def update_step(self, context: StepContext) -> None:
        """Tell them of the step whose batch is about to be read, or of an evaluation."""
        tell(self._before, "update_step", context)

    def update_step_end(self, context: StepContext) -> None:
        """Tell them that the step was made."""
        tell(self._after, "update_step_end", context)


class Followers:
    """What follows a run: the parts of its system and of the data that it reads, those of the data first."""

    def __init__(self, system: System, rows: Any) -> None:
        """`rows`: those of the training."""
        self.data = DataFollowers(rows)
        self.before_step, self.after_step = system.step_listeners(self.data.ids)
        self._of_splits: dict[int, tuple[Any, DataFollowers]] = {}

    def reading(self, rows: Any) -> Followers:
        """The same system over other rows."""
        changed = copy(self)
        changed.data = DataFollowers(rows)
        return changed

    def before_split(self, rows: Any, context: StepContext) -> None:
        """Tell what follows the run, in the system and in the rows of a split, that these are about to be measured or predicted."""
        if self.before_step is not None:
            self.before_step(context)
        if id(rows) not in self._of_splits:
            self._of_splits[id(rows)] = (rows, DataFollowers(rows))  # held, so that no other rows come to have this id
        self._of_splits[id(rows)][1].update_step(context)

    def tell_step(self, context: StepContext) -> None:
        """Tell what follows the run that a step was made, with the context it began with."""
        if self.after_step is not None:
            self.after_step(context)
        self.data.update_step_end(context)


def tell_beginning(data: Any) -> None:
    """Tell what follows the run in data that nothing was read of yet that it is at its beginning."""
    DataFollowers(data).update_step(StepContext(0, 0, 0.0, torch.default_generator))


def in_data(data: Any) -> Iterator[tuple[str, Any]]:
    """(name, part) of everything in data that has one of the two methods, those inside first, each once."""
    yield from _in_data(data, type(data).__name__, set())


def _in_data(part: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(part) in seen or part is None or isinstance(part, Tensor | type | ModuleType | str | bytes | int | float):
        return
    if _follows(part):
        yield from _below_in_data(part, path, seen)
        return
    seen.add(id(part))
    for name, each in _list_held(part):
        yield from _in_data(each, f"{path}.{name}", seen)


def _below_in_data(part: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """What lies in a part that follows the run, and is registered with it, before itself."""
    seen.add(id(part))
    for name, each in _list_held(part):
        yield from _in_data(each, f"{path}.{name}", seen)
    for name, each in followers(part, path):
        if each is part or id(each) not in seen:
            seen.add(id(each))
            yield name, each


def _list_held(part: Any) -> Iterator[tuple[str, Any]]:
    """What a loader, dataset, sampler, function or wrapper holds that data may be in."""
    if isinstance(part, Rows):
        yield from part.parts()
    if isinstance(part, MethodType):
        yield "self", part.__self__
    elif isinstance(part, partial):
        yield from (("function", part.func), *((str(place), each) for place, each in enumerate(part.args)), *part.keywords.items())
    elif isinstance(part, FunctionType):
        cells = zip(part.__code__.co_freevars, part.__closure__ or (), strict=False)
        yield from ((name, cell.cell_contents) for name, cell in cells if _is_filled(cell) and _may_follow(cell.cell_contents))
    elif isinstance(part, list | tuple):
        yield from ((str(place), each) for place, each in enumerate(part[:FEW]) if _may_follow(each))
    else:
        for name, each in list(getattr(part, "__dict__", {}).items()):
            if name in HELD or _may_follow(each) or (isinstance(each, list | tuple) and any(map(_may_follow, each[:FEW]))):
                yield name, each


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _may_follow(each: Any) -> bool:
    return isinstance(each, Dataset | Sampler | DataLoader) or _follows(each)


def _follows(part: Any) -> bool:
    return not isinstance(part, type) and any(callable(getattr(type(part), method, None)) for method in METHODS)


def _takes_context(part: Any) -> bool:
    """Whether the methods take one argument; said where they take others, as those of a class made for another program."""
    for method in METHODS:
        if not callable(getattr(part, method, None)):
            continue
        try:
            inspect.signature(getattr(part, method)).bind(None)
        except TypeError:
            what = f"{type(part).__name__}.{method}{inspect.signature(getattr(part, method))}"
            log.warning("%s is not told of steps: it takes no single argument; write %s(self, context)", what, method)
            return False
    return True
