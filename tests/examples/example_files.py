"""The files of `examples/`, imported by path as configurations import them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainwright.config.foreign import import_code

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> Any:
    """The module of `examples/<name>.py`, run once."""
    return import_code(str(EXAMPLES / f"{name}.py"))
