"""Shapes and types that annotations state are checked at run time while tests run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

from trainwright.config.own_parts import PARTS

CHECKED = ["trainwright.nn", "trainwright.systems.readout"]

install_import_hook(CHECKED, "beartype.beartype")


@pytest.fixture(autouse=True)
def parts_of_one_test_only() -> Iterator[None]:
    """What a test registers by name is gone after it."""
    before, modules = dict(PARTS), set(sys.modules)
    yield
    if before.keys() != PARTS.keys():
        PARTS.clear()
        PARTS.update(before)
        for name in [each for each in sys.modules if each.startswith("trainwright_file_") and each not in modules]:
            del sys.modules[name]  # so that the same file registers again when another test names it
