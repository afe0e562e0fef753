"""Shapes and types that annotations state are checked at run time while tests run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

from trainwright.config.own_parts import PARTS

CHECKED = ["trainwright.nn", "trainwright.systems.readout"]

install_import_hook(CHECKED, "beartype.beartype")


@pytest.fixture(autouse=True)
def parts_of_one_test_only() -> Iterator[None]:
    """What a test registers by name is gone after it."""
    before = dict(PARTS)
    yield
    PARTS.clear()
    PARTS.update(before)
