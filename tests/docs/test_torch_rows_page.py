"""Every line of the page about torch's names names tests that exist, and no line that is owed lacks."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache

import pytest
import torch
from pages import ROOT

PAGE = (ROOT / "docs" / "torch-rows.md").read_text()
LINES = {int(found[1]): found[0] for found in re.finditer(r"^\| (\d+) \|.*$", PAGE, re.MULTILINE)}
OWED = {22, 23, 24, 25, 26, 46, 47, *range(207, 216), 265, *range(270, 275), 280, *range(393, 402)}
"""Lines on pruning, quantization, jit, sparse, fx and testing."""
HOMES = {
    "prune": importlib.import_module("torch.nn.utils.prune"),
    "fx": torch.fx,
    "subgraph_rewriter": importlib.import_module("torch.fx.subgraph_rewriter"),
    "Graph": torch.fx.Graph,
    "GraphModule": torch.fx.GraphModule,
    "Tensor": torch.Tensor,
    "torch": torch,
    "functools": importlib.import_module("functools"),
}


@cache
def declared(path: str) -> dict[str, str]:
    """The tests of a file, each with the source of its decorators."""
    source = (ROOT / path).read_text()
    functions = [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)]
    return {each.name: " ".join(ast.unparse(one) for one in each.decorator_list) for each in functions if each.name.startswith("test_")}


def named_tests(line: str) -> list[tuple[str, str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([^\]]+)\])?`", line)


def test_no_line_that_is_owed_lacks() -> None:
    assert set(LINES) - {66} == OWED


@pytest.mark.parametrize("number", sorted(LINES))
def test_a_line_names_tests_that_exist(number: int) -> None:
    found = named_tests(LINES[number])
    assert found and len(found) == LINES[number].count("`tests/")
    for path, name, case in found:
        assert name in declared(path), f"{path} has no {name}"
        assert not case or "parametrize" in declared(path)[name], f"{name} has no cases"
        assert not case or case in (ROOT / path).read_text(), f"{path} knows no case '{case}'"


@pytest.mark.parametrize("number", sorted(LINES))
def test_names_of_a_line_are_those_of_torch(number: int) -> None:
    for name in re.findall(r"`((?:\w+\.)+\w+)`?", LINES[number].split("|")[2]):
        home, *parts = name.split(".")
        found = HOMES[home]
        for part in parts:
            assert hasattr(found, part), f"{name}: there is no '{part}'"
            found = getattr(found, part)
