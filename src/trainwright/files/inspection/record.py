"""The record of an inspection: plain data that JSON can hold and bring back, and its text. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import matcher
from trainwright.files.inspection.layers import Buffer, Flow, LayerRow, Totals
from trainwright.files.inspection.lines import buffer_lines, labels, layer_lines, total_lines

FORMAT = 1


@dataclass
class Inspection:
    """The layers of a model as a tree, the totals, and how data flow through it; printed, it is a table."""

    name: str
    rows: list[LayerRow]
    totals: Totals
    buffers: list[Buffer] = field(default_factory=list)
    example: dict[str, str] = field(default_factory=dict)
    """What it was run on: input → shape; empty when it was not run."""
    flow: Flow = field(default_factory=Flow)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; `from_dict` takes it back."""
        made = {"format": FORMAT, **asdict(self)}
        made["totals"] |= {"frozen": self.totals.frozen, "megabytes": self.totals.megabytes()}
        made["flow"]["edges"] = [list(each) for each in self.flow.edges]
        return made

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Inspection:
        """The inspection that `to_dict` wrote; raises ValueError for anything else."""
        from pydantic import TypeAdapter  # 0.06 s, which only reading one needs

        if given.get("format") != FORMAT:
            raise ValueError(f"the format is {given.get('format')!r}, not {FORMAT}")
        return TypeAdapter(cls).validate_python(dict(given))


def table(
    found: Inspection, depth: int | None = None, width: int = 120, buffers: bool = False, rows: Sequence[LayerRow] | None = None
) -> str:
    """The whole text: rows down to `depth` (all when None), or the given `rows` by their whole names, in lines of at most `width`."""
    tree = rows is None
    shown = [each for each in (found.rows if rows is None else rows) if depth is None or each.depth <= depth]
    names = labels(shown, found.name) if tree else [each.path or found.name for each in shown]
    ran = bool(found.example) or any(row.calls for row in shown)
    blocks = [
        "\n".join(layer_lines(shown, names, found.name, ran, width)),
        "\n".join(total_lines(found.totals, found.buffers, found.example)),
    ]
    if buffers:
        blocks.append("\n".join(buffer_lines(found.buffers)))
    blocks += [f"note: {each}" for each in found.notes]
    return "\n\n".join(blocks)


def find_rows(found: Inspection, pattern: str) -> list[LayerRow]:
    """The rows whose dotted name or class a pattern fits; raises ConfigError, with the nearest name, when it names none."""
    matches = matcher(pattern)
    rows = [row for row in found.rows if (row.path and matches(row.path)) or matches(row.kind) or (pattern == "." and not row.path)]
    if not rows:
        names = [*(row.path for row in found.rows if row.path), *dict.fromkeys(row.kind for row in found.rows)]
        fix = did_you_mean(pattern.strip("*."), names)
        raise ConfigError(f"no module is called, or is a, '{pattern}'", where="--match", fix=fix)
    return rows
