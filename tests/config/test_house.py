"""What is read in one sitting stays so: no function is longer than 60 lines, no file than 400, and no name says nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import trainwright

FILES = sorted(Path(trainwright.__file__).parent.rglob("*.py"))
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def lengths(file: Path) -> dict[str, int]:
    """Lines of each function in a file, by its name and the line where it begins."""
    found = [each for each in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(each, ast.FunctionDef)]
    return {f"{each.name}:{each.lineno}": (each.end_lineno or 0) - each.lineno + 1 for each in found}


def test_no_function_is_longer_than_60_lines() -> None:
    assert {f"{file}:{name}": lines for file in FILES for name, lines in lengths(file).items() if lines > 60} == {}


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {file: lines for file, lines in sizes.items() if lines > 400} == {}


def test_no_file_or_folder_is_a_place_for_anything() -> None:
    assert [str(file) for file in FILES if NAMELESS & {file.stem, file.parent.name}] == []
