"""Finding what a loss takes in a model's output and in the batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from trainwright.config.errors import DataError

OUTPUTS = ("output", "outputs", "logits", "prediction", "predictions", "pred", "out")
"""Keys that a model's one output goes by in a mapping."""
OUTPUT, BATCH = "output", "batch"
"""What a name begins with that is only looked for in the model's output, or only in the batch: `output.x`, `batch.x`."""


def look_inside(place: Any) -> dict[str | int, Any]:
    """What a mapping, a named or plain tuple, or an object holds, by name or by place."""
    if isinstance(place, Mapping):
        return dict(place)
    if isinstance(place, tuple | list):
        names = getattr(place, "_fields", None)
        numbered: dict[str | int, Any] = dict(enumerate(place))
        return {**numbered, **dict(zip(names, place, strict=True))} if names else numbered
    if place is None or isinstance(place, Tensor):
        return {}
    return {name: value for name, value in getattr(place, "__dict__", {}).items() if not name.startswith("_")}


def model_side(output: Any, batch: Any, takes: tuple[str, ...], names: Mapping[str, str | int], loss: str) -> list[Any]:
    """What the loss takes of the model: by name, else by place; raises DataError naming what is needed and what is there."""
    if len(takes) == 1:
        return [one_output(output, batch, takes[0], names, loss)]
    inside = look_inside(output)
    if isinstance(output, Tensor) and output.dim() > 1 and output.shape[1] == len(takes) and not names:
        return list(output.unbind(1))
    by_name = [name in names or name in inside for name in takes]
    if isinstance(output, tuple | list) and not any(by_name) and len(output) >= len(takes):
        return list(output[: len(takes)])
    return [argument(name, output, batch, names, loss) for name in takes]


def one_output(output: Any, batch: Any, name: str, names: Mapping[str, str | int], loss: str) -> Any:
    """The one tensor a loss takes of the model."""
    wanted = names.get(name, names.get("output"))
    if wanted is not None:
        return argument(name, output, batch, {name: wanted}, loss)
    if isinstance(output, Tensor):
        return output
    inside = look_inside(output)
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    for key in (name, *OUTPUTS):
        if key in inside:
            return inside[key]
    tensors = [each for each in inside.values() if isinstance(each, Tensor)]
    if len(tensors) == 1:
        return tensors[0]
    raise missing(name, output, batch, loss)


def argument(name: str, output: Any, batch: Any, names: Mapping[str, str | int], loss: str) -> Any:
    """An argument by its name, or by what `inputs` calls it, in the model's output and then in the batch; raises DataError."""
    wanted = names.get(name, name)
    for place in (output, batch):
        inside = look_inside(place)
        if wanted in inside:
            return inside[wanted]
    side, key = side_of(wanted)
    inside = look_inside({OUTPUT: output, BATCH: batch}.get(side))
    if side and key in inside:
        return inside[key]
    raise missing(name, output, batch, loss, str(wanted))


def side_of(wanted: str | int) -> tuple[str, str | int]:
    """`batch.x` as (`batch`, `x`) and `output.x` as (`output`, `x`), a place as a number; any other name without a side."""
    side, dot, key = str(wanted).partition(".")
    if not dot or side not in (OUTPUT, BATCH):
        return "", wanted
    return side, int(key) if key.isdecimal() else key


def claimed_keys(wanted: Iterable[str | int]) -> set[str | int]:
    """What of these is read from the batch, if it is there: nothing that is said to be the model's."""
    return {key for side, key in map(side_of, wanted) if side != OUTPUT}


def missing(name: str, output: Any, batch: Any, loss: str, wanted: str = "") -> DataError:
    """The error for an argument that is nowhere."""
    called = f" (called '{wanted}')" if wanted and wanted != name else ""
    why = f"the model gives {describe(output)}; the batch holds {describe(batch)}"
    where = f"inputs: {{{name}: KEY}} (batch.KEY or output.KEY where both have it)"
    fix = f"give it in the batch or from the model, or say where it is: {where}"
    return DataError(f"the loss '{loss}' needs '{name}'{called}", where="loss", why=why, fix=fix)


def describe(place: Any) -> str:
    """What there is, in words: names and shapes."""
    if isinstance(place, Tensor):
        return f"one tensor {tuple(place.shape)}"
    inside = look_inside(place)
    listed = [f"{key} {tuple(each.shape)}" if isinstance(each, Tensor) else str(key) for key, each in inside.items()]
    return ", ".join(listed) if listed else "nothing by name"
