"""A file named by its path imports what lies beside it, and is a module of the package it lies in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainwright.config import foreign
from trainwright.config.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files import one another; what was imported from it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    home = tmp_path / "work"
    written = {
        "plain/neighbour_of_it.py": "WIDTH = 7\n",
        "plain/system.py": "import neighbour_of_it\n\nclass S:\n    width = neighbour_of_it.WIDTH\n",
        "apack/__init__.py": "",
        "apack/inner/__init__.py": "DEPTH = 2\n",
        "apack/parts.py": "class P:\n    pass\n",
        "apack/inner/system.py": "from . import DEPTH\nfrom ..parts import P\n\nclass S(P):\n    depth = DEPTH\n",
        "json/__init__.py": "",
        "json/system.py": "class S:\n    pass\n",
        "broken_pack/__init__.py": "1 / 0\n",
        "broken_pack/system.py": "class S:\n    pass\n",
    }
    for name, text in written.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    yield home
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_file_imports_the_files_beside_it_which_hide_no_installed_module(folder: Path) -> None:
    assert foreign.found_at(f"{folder}/plain/system.py:S")[0].width == 7
    assert sys.path[-1] == str(folder / "plain")


def test_a_file_of_a_package_uses_relative_imports_and_is_the_packages_own_module(folder: Path) -> None:
    made_from, path = foreign.found_at(f"{folder}/apack/inner/system.py:S")
    assert made_from.depth == 2
    assert made_from.__module__ == "apack.inner.system"
    assert path == f"{folder}/apack/inner/system.py:S"
    assert foreign.found_at("apack.inner.system.S")[0] is made_from
    assert foreign.found_at(f"{folder}/apack/parts.py:P")[0] is made_from.__mro__[1]
    assert foreign.import_code(f"{folder}/apack/__init__.py") is sys.modules["apack"]


def test_a_package_named_as_an_installed_one_is_run_by_its_file(folder: Path) -> None:
    import json

    assert foreign.found_at(f"{folder}/json/system.py:S")[0].__module__.startswith("trainwright_file_system_")
    assert sys.modules["json"] is json


def test_what_fails_in_the_package_is_said_and_tried_again(folder: Path) -> None:
    with pytest.raises(ConfigError, match="ZeroDivisionError") as caught:
        foreign.found_at(f"{folder}/broken_pack/system.py:S")
    assert caught.value.what == f"cannot import '{folder}/broken_pack/system.py'"
    (folder / "broken_pack/__init__.py").write_text("# mended now\n")
    assert foreign.found_at(f"{folder}/broken_pack/system.py:S")[0].__name__ == "S"


CHECKED = """
from trainwright.config import foreign, typecheck
typecheck.install()
import jaxtyping
made = foreign.found_at("./checked_pack/system.py:twice")[0]
try:
    made("two")
except jaxtyping.TypeCheckError as error:
    print("checked_pack.system.twice" in str(error), made(2))
"""


def test_types_are_checked_in_a_file_of_a_package(folder: Path) -> None:
    (folder / "checked_pack").mkdir()
    (folder / "checked_pack/__init__.py").touch()
    (folder / "checked_pack/numbers_of_it.py").write_text("TWO = 2\n")
    text = "from .numbers_of_it import TWO\n\ndef twice(x: int) -> int:\n    return TWO * x\n"
    (folder / "checked_pack/system.py").write_text(text)
    found = subprocess.run([sys.executable, "-c", CHECKED], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (found.stdout, found.returncode) == ("True 4\n", 0), found.stderr


def test_a_file_whose_import_was_interrupted_is_run_again(folder: Path) -> None:
    file = folder / "plain" / "slow.py"
    file.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        foreign.module_of_file(file)
    file.write_text("WIDTH = 7  # mended\n")
    assert foreign.module_of_file(file).WIDTH == 7
