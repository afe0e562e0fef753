"""Every fix in the sources, read as text: an option that it names exists, and it says what to do, not that something be looked at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import trainwright
from trainwright.config.schema import json_schema
from trainwright.systems.run_config import Config

SOURCES = Path(trainwright.__file__).parent
VAGUE = re.compile(
    r"\b(mend|repair) (it|them|the \w+|what)\b|\bcorrect (the (node|example|shapes|value|file)|its|it)\b"
    r"|\bcheck (it|its|the|that|columns)\b|\bsee (what|why|its)\b|\blook for\b|\bfix (it|them)\b"
)
OPTION = re.compile(r"\b(trainer|evaluation|run|data)\.[a-z_]+(?:\.[a-z_]+)*")
NAMES = {"data.safetensors", "run.json", "trainer.json"}
"""Files, which look the same."""


@cache
def fixes() -> list[tuple[str, str]]:
    """(place, text) of every fix: the argument `fix=`, and what variables of that name are set to; what is put in stands as `{}`."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for value in _given(node):
                for text in _texts(value):
                    found.append((f"{path.relative_to(SOURCES)}:{value.lineno}", text))
    return found


def _given(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from (each.value for each in node.keywords if each.arg == "fix")
    if isinstance(node, ast.Assign) and any(isinstance(each, ast.Name) and each.id == "fix" for each in node.targets):
        yield node.value


def _texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(each.value if isinstance(each, ast.Constant) else "{}" for each in value.values)  # type: ignore[misc]
    elif isinstance(value, ast.IfExp):
        yield from (*_texts(value.body), *_texts(value.orelse))
    elif isinstance(value, ast.BoolOp):
        for each in value.values:
            yield from _texts(each)
    elif isinstance(value, ast.BinOp):
        yield from (*_texts(value.left), *_texts(value.right))


def test_there_are_many_and_they_are_read() -> None:
    assert len(fixes()) > 900


@pytest.mark.parametrize(
    "vague", ["mend it, or leave it out", "correct the node, or what comes before it", "check its options", "see its __iter__"]
)
def test_what_says_nothing_is_recognised(vague: str) -> None:
    assert VAGUE.search(vague)


def test_no_fix_says_only_that_something_be_looked_at() -> None:
    assert [each for each in fixes() if VAGUE.search(each[1])] == []


def known_options() -> set[str]:
    """Every dotted option that the schema has, under whatever part; `*` is a name that a person gives."""
    schema = json_schema(Config)
    found: set[str] = set()

    def walk(node: Any, path: str, seen: tuple[str, ...]) -> None:
        if not isinstance(node, dict):
            return
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            walk(schema["$defs"][reference.rpartition("/")[2]], path, (*seen, reference))
        for name, each in [*node.get("properties", {}).items(), ("*", node.get("additionalProperties"))]:
            if isinstance(each, dict):
                place = f"{path}.{name}" if path else name
                found.add(place)
                walk(each, place, seen)
        for key in ("anyOf", "oneOf", "allOf"):
            for each in node.get(key, []):
                walk(each, path, seen)
        for key in ("then", "else"):
            walk(node.get(key), path, seen)

    walk(schema, "", ())
    return found


def test_every_option_that_a_fix_names_is_one() -> None:
    known, wrong = known_options(), []
    for place, text in fixes():
        for option in OPTION.finditer(text):
            name = option.group()
            if not {name, f"{name.rpartition('.')[0]}.*"} & known and name not in NAMES:
                wrong.append((place, name))
    assert wrong == []
