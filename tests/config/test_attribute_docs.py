"""Strings below options become their descriptions, as pydantic reads them, at a cost that does not grow with what is imported."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from trainwright.config.model import ConfigModel


class Theirs(BaseModel):
    """Read by pydantic."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def classes(base: Any) -> list[Any]:
    """Classes whose source is hard to find or to cut out, made from a base."""

    class Plain(base):
        """Of the class."""

        first: int = 1
        """One line."""
        second: int = 2
        """Two lines,
        and the second."""
        third: int = Field(default=3, description="given")
        """Not taken."""
        fourth: int = 4
        fifth: int = 5
        """Below the fifth."""

        def first_function(self) -> None:
            """Of no option."""

        class Inner:
            fourth: int = 4
            """Of another class."""

    def again() -> Any:
        class Plain(base):
            first: int = 1
            """Of the second of this name."""

        return Plain

    # fmt: off
    class Below(
        Plain,
    ):
        first: int = 7
        sixth: int = 6
        """With its bases on lines of their own."""
        fourth: int = 4
    # a comment
        """Below a comment."""

    class Cut(base):
        text: str = """
no further to the right
"""
        """Below a text."""
        number: int = max(
    1,
        2,
    )
        """Below a bracket."""

    @(
        lambda each: each
    )
    class Decorated(base):
        first: int = 1
        """Below a decorator of several lines."""
    # fmt: on

    return [Plain, again(), Below, Cut, Decorated]


def described(model: Any) -> dict[str, str | None]:
    return {name: field.description for name, field in model.model_fields.items()}


def test_descriptions_are_those_that_pydantic_finds() -> None:
    found = [described(each) for each in classes(ConfigModel)]
    assert found == [described(each) for each in classes(Theirs)]
    of_plain = {
        "first": "One line.",
        "second": "Two lines,\nand the second.",
        "third": "given",
        "fourth": None,
        "fifth": "Below the fifth.",
    }
    assert found[0] == of_plain
    assert found[1] == {"first": "Of the second of this name."}
    assert found[2] == of_plain | {"first": None, "fourth": "Below a comment.", "sixth": "With its bases on lines of their own."}
    assert found[3] == {"text": "Below a text.", "number": "Below a bracket."}
    assert found[4] == {"first": "Below a decorator of several lines."}


def test_a_dataclass_keeps_its_descriptions() -> None:
    @dataclass
    class Decorated(ConfigModel):
        first: int = 1
        """Below a decorator."""

    assert described(Decorated) == {"first": "Below a decorator."}


def test_a_class_without_source_keeps_what_its_bases_say() -> None:
    base = classes(ConfigModel)[0]
    made = create_model("Made", __base__=base, more=(int, 1))
    assert described(made) == {**described(base), "more": None}
    space: dict[str, Any] = {"ConfigModel": ConfigModel, "__name__": "nowhere"}
    exec('class Told(ConfigModel):\n    a: int = 1\n    """Lost."""\n', space)
    assert described(space["Told"]) == {"a": None}


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    for number, word in enumerate(("one", "another")):
        file = tmp_path / "own.py"
        file.write_text(f'import trainwright as tw\n{"#" * number}\n\nclass Own(tw.ConfigModel):\n    a: int = 1\n    """{word} word"""\n')
        space: dict[str, Any] = {"__name__": "own"}
        exec(compile(file.read_text(), str(file), "exec"), space)
        assert described(space["Own"]) == {"a": f"{word} word"}


def seconds_for(count: int) -> float:
    begun = time.process_time()
    for number in range(count):
        create_model(f"Made{number}", __base__=ConfigModel, a=(int, 1))
    return time.process_time() - begun


@pytest.fixture
def many_modules() -> Any:
    names = [f"made_for_test_{number}" for number in range(20_000)]
    sys.modules.update({name: ModuleType(name) for name in names})
    yield
    for name in names:
        del sys.modules[name]


def test_a_class_takes_as_long_however_much_is_imported(request: pytest.FixtureRequest) -> None:
    seconds_for(10)
    few = min(seconds_for(10) for _ in range(3))
    request.getfixturevalue("many_modules")
    assert min(seconds_for(10) for _ in range(3)) < 4 * few
