"""An exported model as what a server asks: ONNX Runtime in the process, and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from trainwright._version import __version__
from trainwright.deploy.host.answers import column_names
from trainwright.deploy.host.model import HostedModel
from trainwright.deploy.host.readers import ColumnReader
from trainwright.deploy.host.rows import Asked, Raw
from trainwright.deploy.server.bodies import Body

WORDS = 1_000
"""Words of a column that the schema names."""


class HostedBackend:
    """A model file."""

    def __init__(self, model: HostedModel) -> None:
        self.model = model
        self.name, self.digest = model.description.name or model.path.stem, model.description.digest
        self.joins = model.description.independent

    def schema(self) -> dict[str, Any]:
        """`inputs` and `outputs` of `/schema`."""
        description = self.model.description
        outputs = [
            {"name": name, "type": str(each.get("type", "")), "classes": each.get("classes"), "columns": column_names(name, each)}
            for name, each in description.targets.items()
        ]
        return {"explains": True, "inputs": [describe_column(each) for each in self.model.reader.readers.values()], "outputs": outputs}

    def example(self) -> list[dict[str, Any]]:
        """One usual row, to warm up with."""
        return [{name: each.option("typical") for name, each in self.model.description.columns.items()}]

    def read_json(self, body: Body, columns: Sequence[str] | None = None) -> Asked:
        """Rows of values of JSON; of some `columns` alone."""
        return self.model.reader.read_json(body.columns or {}, body.count, columns)

    def read_table(self, body: Body) -> Asked:
        """Rows of a table."""
        return self.model.read(body.table, body.as_text)

    def run(self, raw: Raw) -> Raw:
        """What the graph gives."""
        return self.model.run(raw)

    def check(self, outputs: Raw, asked: Asked) -> None:
        """Raise FaultyRows for rows of which it computes no finite number."""
        self.model.refuse_infinite(outputs, asked)

    def columns(self, outputs: Raw) -> pa.Table:
        """Predictions."""
        return self.model.columns(outputs)

    def records(self, outputs: Raw) -> list[dict[str, Any]]:
        """Predictions row by row."""
        return self.model.records(outputs)

    def about(self) -> dict[str, Any]:
        """What is told at `/model`."""
        more = self.model.description.more
        versions = {**more.get("versions", {}), "trainwright (server)": __version__}
        return {"name": self.name, "digest": self.digest, "file": self.model.path.name, "versions": versions, "engine": "onnxruntime"}


def describe_column(reader: ColumnReader) -> dict[str, Any]:
    """An input as `/schema` has it."""
    column = reader.column
    words = column.option("words", column.known_values())
    found: dict[str, Any] = {
        "name": column.name,
        "type": column.kind,
        "required": True,
        "nullable": column.policy != "error",
        "typical": column.option("typical"),
    }
    facts = {name: column.option(name) for name in ("low", "high", "length", "formats", "shape", "rate", "channels", "times")}
    found |= {name: given for name, given in facts.items() if given not in (None, [])}  # 0 is a low, or a high, and False an answer
    found |= {"file": True, "accept": reader.accept, "axes": reader.axes, "microphone": reader.records} if reader.accept else {}
    if words and column.kind in ("binary", "category", "set", "bag"):
        found |= {"values": words[:WORDS], "words": len(words)}
    return found
