"""Groups of encoded columns and batches of them, for the tests of encoders, combiners and systems."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.features.spec import DataSpec, InputGroup, TargetSpec

EDGES = torch.linspace(-2, 2, 49).tolist()


def numbers(columns: int = 3, missing: bool = False) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (columns,)} | ({"missing": (columns,)} if missing else {})
    return InputGroup("number", "number", [f"n{i}" for i in range(columns)], None, parts, extras={"quantiles": [EDGES] * columns})


def categories(sizes: tuple[int, ...] = (3, 5, 40)) -> InputGroup:
    return InputGroup("category", "category", [f"c{i}" for i in range(len(sizes))], None, {"index": (len(sizes),)}, sizes=list(sizes))


def tokens(kind: str = "text", steps: int = 12, size: int = 11) -> InputGroup:
    return InputGroup(kind, kind, [kind], None, {"tokens": (1, steps), "length": (1,)}, sizes=[size])


def series(steps: int = 12) -> InputGroup:
    return InputGroup("timeseries", "timeseries", ["wave"], None, {"value": (1, steps), "length": (1,)})


def vector(width: int = 6, kind: str = "vector", missing: bool = False) -> InputGroup:
    parts: dict[str, tuple[int, ...]] = {"value": (1, width)} | ({"missing": (1,)} if missing else {})
    return InputGroup(kind, kind, [kind], None, parts, sizes=[width] if kind in ("set", "bag") else [])


def draw(group: InputGroup, rows: int, seed: int = 0) -> dict[str, Tensor]:
    """Parts of a group filled with random values of the right types."""
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    for part, shape in group.parts.items():
        if part == "index":
            drawn[part] = torch.stack([torch.randint(0, size, (rows,), generator=generator) for size in group.sizes], dim=1)
        elif part == "tokens":
            drawn[part] = torch.randint(1, group.sizes[0], (rows, *shape), generator=generator)
        elif part == "length":
            steps = group.parts["tokens" if "tokens" in group.parts else "value"][1]
            drawn[part] = torch.randint(0, steps + 1, (rows, *shape), generator=generator)
        elif part == "missing":
            drawn[part] = torch.randint(0, 2, (rows, *shape), generator=generator).float()
        elif group.kind in ("set", "bag"):
            drawn[part] = torch.randint(0, 3 if group.kind == "bag" else 2, (rows, *shape), generator=generator).to(torch.uint8)
        else:
            drawn[part] = torch.randn(rows, *shape, generator=generator)
    return drawn


ALL_GROUPS = [
    numbers(missing=True),
    categories(),
    vector(),
    vector(9, "set"),
    tokens("text"),
    tokens("sequence"),
    series(),
    InputGroup("date", "date", ["day", "due"], None, {"value": (2, 5), "missing": (2,)}, extras={"components": ["a"] * 5}),
]

ALL_TARGETS = [
    TargetSpec("alive", "binary", 2, ["no", "yes"]),
    TargetSpec("kind", "category", 3, ["a", "b", "c"]),
    TargetSpec("price", "number", 1, scale={"mean": 10.0, "std": 2.0, "transform": "none"}),
    TargetSpec("place", "vector", 2, scale={"mean": [1.0, 2.0], "std": [3.0, 4.0], "transform": "none"}),
    TargetSpec("tags", "set", 4, ["p", "q", "r", "s"]),
]


def truth(target: TargetSpec, rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if target.kind in ("binary", "category"):
        return torch.randint(0, target.width, (rows,), generator=generator)
    if target.kind == "set":
        return torch.randint(0, 2, (rows, target.width), generator=generator).to(torch.uint8)
    return torch.randn(*((rows,) if target.kind == "number" else (rows, target.width)), generator=generator)


def batch_of(spec: DataSpec, rows: int, seed: int = 0) -> dict[str, Tensor]:
    """A batch for a system built on `spec`."""
    blocks = {f"{group.name}.{part}": values for group in spec.inputs for part, values in draw(group, rows, seed).items()}
    return blocks | {f"target.{target.name}": truth(target, rows, seed) for target in spec.targets}
