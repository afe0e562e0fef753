"""Tables of texts in front of an ONNX graph: what a host would look up, as LabelEncoders, so that texts go in as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trainwright.domains.deliverable import TextTable

ML = "ai.onnx.ml"
ML_VERSION = 3
ABSENT = ""
"""The text that stands for a missing value."""
OTHER = "\N{REPLACEMENT CHARACTER}"
"""What an unknown text is written as, where one is needed: a table that holds it is given one that is longer."""


def name_codes(tables: Mapping[str, TextTable], taken: Collection[str]) -> dict[str, str]:
    """Input → what the graph calls the numbers of its texts: a name that no input or output has."""
    found: dict[str, str] = {}
    for name in tables:
        free = f"{name}.number"
        while free in taken or free in found.values():
            free += "_"
        found[name] = free
    return found


def spellings(table: TextTable) -> dict[str, int]:
    """Every text that the graph knows → its number: those of the table, and a word in lower, upper and title case where case is nothing."""
    found = dict(table.exact)
    for word, number in table.without_case.items():
        for each in (word, word.lower(), word.upper(), word.title(), word.capitalize()):
            if each.casefold() == word.casefold():
                found.setdefault(each, number)
    return {ABSENT: table.missing, **found}


def put_in_front(model: Any, tables: Mapping[str, TextTable], codes: Mapping[str, str]) -> None:
    """Let inputs of numbers take texts: `codes` names what each graph input of a table is called, which becomes the encoder's output."""
    from onnx import TensorProto, helper

    inputs = {each.name: each for each in model.graph.input}
    for place, (name, code) in enumerate(codes.items()):
        known = spellings(tables[name])
        node = helper.make_node(
            "LabelEncoder",
            [name],
            [code],
            name=f"texts_of_{name}",
            domain=ML,
            keys_strings=list(known),
            values_int64s=list(known.values()),
            default_int64=tables[name].unknown,
        )
        model.graph.node.insert(place, node)
        given = inputs[code]
        given.name = name
        given.type.tensor_type.elem_type = TensorProto.STRING
    if codes and ML not in {each.domain for each in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(ML, ML_VERSION))


def texts_of(table: TextTable) -> dict[int, str]:
    """A text for each number that a column can hold: the first of the table, none for a missing one, a strange one for unknown ones."""
    found = {table.missing: ABSENT, table.unknown: OTHER}
    while found[table.unknown] in table.exact:
        found[table.unknown] += OTHER
    for word, number in [*table.exact.items(), *table.without_case.items()]:
        found.setdefault(number, word)
    return found
