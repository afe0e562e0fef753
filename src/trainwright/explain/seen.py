"""What of a network a picture's class map is made of: its last map, or where it attends, what its last attention reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainwright.explain.layers import watching
from trainwright.explain.recorder import Recorder
from trainwright.explain.study import Study
from trainwright.explain.subject import Column

FRONT = 16
"""Tokens in front of those of places (class tokens, registers), at most."""
SHOWN = 4
"""Columns that are named, at most."""


@dataclass(frozen=True)
class Seen:
    """A layer, and how its output lies over a picture."""

    layer: str
    last: bool = False
    """Whether its channels are the last dimension, (b, h, w, c)."""
    grid: tuple[int, int] | None = None
    """Of tokens (b, n, c): rows and columns of the places that the last ones are of."""

    def as_map(self, output: Tensor) -> Tensor:
        """Its output as (b, c, h, w)."""
        if self.grid is not None:
            places = output[:, output.shape[1] - math.prod(self.grid) :]
            return places.transpose(1, 2).reshape(len(output), -1, *self.grid)
        return output.permute(0, 3, 1, 2) if self.last else output


@dataclass
class Passed:
    """One forward pass of one row: what each layer gave in the order of calls, and what attention read."""

    outputs: list[tuple[str, Tensor]]
    attended: list[tuple[str, Tensor, int]]
    """(layer, what it read, tokens)."""
    order: list[str]
    """All layers."""

    def within(self, place: str) -> Passed:
        """What happened in the layers below one; everything where that is none."""
        if not place:
            return self
        own = [each for each in self.outputs if is_within(each[0], place)]
        return Passed(own, [each for each in self.attended if is_within(each[0], place)], self.order)


@dataclass(frozen=True)
class Patches:
    """The patches of a picture that tokens are of."""

    column: Column
    place: str
    """The module that reads it; empty where that is not known."""
    grid: tuple[int, int]


def find_patches(study: Study, module: nn.Module) -> Patches | None:
    """Those that attention is among, of the first picture of which there are such."""
    pictures = pictures_of(study)
    if not pictures:
        return None
    passed = run_once(study, module)
    for column, size in pictures:
        place = study.subject.place_of(column)
        if place or len(pictures) == 1:
            within = passed.within(place)
            grid = patches(within, size) if within.attended else None
            if grid is not None:
                return Patches(column, place, grid)
    return None


def read_tokens(study: Study, module: nn.Module, layer: str, tensors: dict[str, Tensor]) -> list[int] | None:
    """The tokens behind a layer of attention that the answer follows from: the class token, or all; None where there is no gradient."""
    kept: list[Tensor] = []

    def keep(name: str, output: object) -> object:
        first = output[0] if isinstance(output, tuple) else output
        if name != layer or not isinstance(first, Tensor) or first.dim() != 3:
            return None
        kept[:] = [first if first.requires_grad else first.detach().requires_grad_()]
        return (kept[0], *output[1:]) if isinstance(output, tuple) else kept[0]

    one = {name: each[:1] for name, each in tensors.items()}
    with watching(module, keep), torch.enable_grad():
        answer = study.subject.answer(one, True)
        if not kept or not answer.requires_grad:
            return None
        gradient = torch.autograd.grad(answer.max(), kept[0], allow_unused=True)[0]
    return None if gradient is None else gradient[0].abs().sum(1).nonzero()[:, 0].tolist() or None


def is_within(layer: str, place: str) -> bool:
    """Whether a layer is another, or in it."""
    return not place or layer == place or layer.startswith(f"{place}.")


def run_once(study: Study, module: nn.Module) -> Passed:
    """The pass of the first row that is looked at."""
    outputs: list[tuple[str, Tensor]] = []
    order: list[str] = []

    def keep(name: str, output: object) -> None:
        order.append(name)
        if name and isinstance(output, Tensor) and output.dim() >= 3:
            outputs.append((name, output))

    recorder = Recorder(module)
    with watching(module, keep), recorder.recording():
        study.subject.answer(study.subject.take(study.indices[:1]), True)
    every = zip(recorder.found, recorder.read, strict=True)
    return Passed(outputs, [(name, read, weights.shape[-1]) for (name, weights), read in every if read is not None], order)


def pictures_of(study: Study) -> list[tuple[Column, tuple[int, int]]]:
    """The columns that are told of and lie over two dimensions, with height and width."""
    columns = [column for player in study.players for column in player if column.array]
    found = [(column, places_of(column.shape, 2)) for column in columns]
    return [(column, (places[0], places[1])) for column, places in found if len(places) == 2]


def say_others(study: Study, column: Column) -> list[str]:
    """How to ask for the maps of the other columns, where one of several was looked at."""
    others = [each.name for each, _ in pictures_of(study) if each.name != column.name]
    if not others:
        return []
    shown = ", ".join(f"--column {name}" for name in others[:SHOWN]) + (", …" if len(others) > SHOWN else "")
    return [f"the map is of '{column.name}' alone; the other columns are looked at one by one: {shown}"]


def places_of(shape: tuple[int, ...], dimensions: int, seen: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The dimensions of an array that are places, where it has so many beside its channels; an empty tuple for none.

    Channels are the first or the last one: what leaves as many places as the layer has `seen`, else the first, unless the last is short.
    """
    if len(shape) == dimensions:
        return shape
    if len(shape) != dimensions + 1:
        return ()
    if seen in (shape[1:], shape[:-1]):
        return seen
    return shape[:-1] if shape[-1] <= 4 < shape[0] else shape[1:]


def find_seen(passed: Passed, size: tuple[int, int]) -> Seen | None:
    """What is looked at of a picture of this size; None for a network that keeps no places."""
    grid = patches(passed, size)
    tokens = _last_read(passed, grid) if grid is not None else None
    return tokens or last_map(passed.outputs, size)


def _last_read(passed: Passed, grid: tuple[int, int]) -> Seen | None:
    """The layer that gave what the last attention among places read: behind it a class token hears of them no more."""
    for _, read, count in reversed(passed.attended):
        if read.dim() != 3 or read.shape[1] != count or not 0 <= count - math.prod(grid) <= FRONT:
            continue
        layer = next((name for name, output in reversed(passed.outputs) if output is read), "")
        if layer:
            return Seen(layer, grid=grid)
    return None


def patches(passed: Passed, size: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of the patches that tokens are of: those of a map that has as many places as attention has tokens, or nearly."""
    counts = {count for _, read, count in passed.attended if len(read) == 1}
    for _, output in reversed(passed.outputs):
        form = form_of("", output, size)
        places = tuple(form.as_map(output).shape[2:]) if form is not None else (0, 0)
        if any(0 <= count - math.prod(places) <= FRONT for count in counts) and math.prod(places) > FRONT:
            return places[0], places[1]
    return next((grid for count in sorted(counts, reverse=True) if (grid := like_picture(count, size)) is not None), None)


def like_picture(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Rows and columns of so many tokens, some in front left out, that have the form of the picture; None where there are none."""
    for front in range(min(FRONT, tokens - 1)):
        rows = round(math.sqrt((tokens - front) * size[0] / size[1]))
        if rows > 1 and (tokens - front) % rows == 0 and is_alike((rows, (tokens - front) // rows), size):
            return rows, (tokens - front) // rows
    return None


def is_alike(places: Sequence[int], size: Sequence[int]) -> bool:
    """Whether places lie over a picture of this size: as many or fewer in both directions, at the same stride but for the ends."""
    height, width = places[0] / size[0], places[1] / size[1]
    return height <= 1 and width <= 1 and abs(height - width) <= 1.5 * min(1 / size[0] + 1 / size[1], max(height, width) / 2)


def form_of(layer: str, output: Tensor, size: tuple[int, int], grid: tuple[int, int] | None = None) -> Seen | None:
    """How the output of a layer lies over a picture; None where it does not. `grid`: of the patches that tokens are of."""
    if output.dim() == 4 and output.is_floating_point():
        for last, places in ((False, output.shape[2:]), (True, output.shape[1:3])):
            if places.numel() > 1 and is_alike(places, size):
                return Seen(layer, last)
    if output.dim() == 3 and output.is_floating_point():
        found = grid if grid is not None and 0 <= output.shape[1] - math.prod(grid) <= FRONT else like_picture(output.shape[1], size)
        return None if found is None else Seen(layer, grid=found)
    return None


def last_map(outputs: Sequence[tuple[str, Tensor]], size: tuple[int, int]) -> Seen | None:
    """The last output that is a map, by the name of the outermost layer that gave it."""
    for name, output in reversed(outputs):
        if output.dim() == 4 and (form := form_of(name, output, size)) is not None:
            return form
    return None
