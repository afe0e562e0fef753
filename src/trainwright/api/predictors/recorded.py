"""What a system of one's own takes, written beside its weights, so that it answers rows where its data are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from trainwright.config.received import damage
from trainwright.data.rows import Rows, as_blocks
from trainwright.domains.predictor import Field
from trainwright.files.text import read_json, write_json
from trainwright.systems.plain import PlainSystem

INPUTS = "inputs.json"


def inputs_of(system: Any, batch: Any) -> list[Field]:
    """The blocks of a batch that a system takes, by the numbers they hold; a plain one does not take its target."""
    plan = system.reading.plan_of(batch) if isinstance(system, PlainSystem) else None
    target = None if plan is None else plan.target
    return [Field(name, *kind_of(each)) for name, each in as_blocks(batch).items() if name != target and isinstance(each, Tensor)]


def record_inputs(folder: Path, system: Any, rows: Rows) -> None:
    """Write the inputs of the rows that a system was trained on; data that can be read once are not read again for it."""
    if rows.single_pass:
        return
    example = rows.example()
    named = [{"name": each.name, "type": each.type, "shape": list(each.shape)} for each in inputs_of(system, example)]
    by_place = bool(getattr(system, "positional", False)) or not isinstance(example, Mapping)
    if named:
        write_json(folder / INPUTS, {"inputs": named, "by_place": by_place})


def recorded_by_place(folder: Path) -> bool:
    """Whether the batches that the system was trained on had their parts by place, (x, y), and no names."""
    found = read_json(folder / INPUTS)
    return isinstance(found, dict) and found.get("by_place") is True


def recorded_inputs(folder: Path) -> list[Field]:
    """The inputs that stand beside the weights, empty where none do; raises RunError for what cannot be such."""
    found = read_json(folder / INPUTS)
    if found is None:
        return []
    try:
        return [Field(str(each["name"]), str(each["type"]), tuple(int(n) for n in each["shape"])) for each in found["inputs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise damage(folder / INPUTS, f"it holds no inputs: {error}") from error


def kind_of(each: Tensor) -> tuple[str, tuple[int, ...]]:
    """The type of a tensor's numbers, and the shape of one of its rows."""
    return str(each.dtype).removeprefix("torch."), tuple(each.shape[1:])


def list_fields(fields: list[Field]) -> str:
    """Fields for a person: `x (float32, 3), y (int64)`."""
    return ", ".join(f"{each.name} ({each.type}{''.join(f', {size}' for size in each.shape)})" for each in fields) or "no named arrays"
