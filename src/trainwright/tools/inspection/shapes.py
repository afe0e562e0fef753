"""The tensors in any structure that a forward takes or gives, and their shapes in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

DEEPEST = 8
"""Levels of nesting that are looked through; structures that hold themselves end there."""


def parts_of(value: Any) -> Iterator[tuple[str, Any]]:
    """What a structure holds, by name or number; nothing for what holds nothing."""
    if isinstance(value, PackedSequence):
        yield "data", value.data
    elif isinstance(value, Mapping):
        yield from ((str(name), each) for name, each in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, list | tuple):
        yield from ((str(number), each) for number, each in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((each.name, getattr(value, each.name, None)) for each in fields(value))
    elif hasattr(value, "__dict__") and hasattr(value, "to") and not hasattr(value, "forward"):  # a batch of one's own
        yield from vars(value).items()


def tensors_in(value: Any, depth: int = 0) -> Iterator[Tensor]:
    """Every tensor in a structure, in order."""
    if isinstance(value, Tensor):
        yield value
    elif depth < DEEPEST and not isinstance(value, str | int | float | None):
        for _, each in parts_of(value):
            yield from tensors_in(each, depth + 1)


def named_tensors(value: Any, name: str = "input", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Every tensor with a name made of where it is: `image`, `pair.0`."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, PackedSequence):
        yield f"{name} (packed)", value.data
    elif depth < DEEPEST and not isinstance(value, str | int | float | None):
        for inner, each in parts_of(value):
            yield from named_tensors(each, f"{name}.{inner}" if depth or name != "input" else inner, depth + 1)


def shape_of(tensor: Tensor) -> str:
    """`2×16×8×8`; `()` for a single number."""
    return "×".join(map(str, tensor.shape)) or "()"


def describe_shapes(value: Any, depth: int = 0) -> str:
    """A structure in shapes: `2×10`, `(2×5×8, (1×2×8, 1×2×8))`, `{logits: 2×10}`."""
    if isinstance(value, Tensor):
        return shape_of(value)
    if isinstance(value, PackedSequence):
        return f"packed {shape_of(value.data)}"
    if value is None or isinstance(value, str | int | float):
        return str(value)
    held = [(name, describe_shapes(each, depth + 1)) for name, each in parts_of(value) if each is not None] if depth < DEEPEST else []
    if not held:
        return type(value).__name__
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return f"({', '.join(text for _, text in held)})"
    return f"{{{', '.join(f'{name}: {text}' for name, text in held)}}}"


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor of a structure; None when it holds none."""
    return next(tensors_in(value), None)
