"""Shapes and types that annotations state are checked at run time while tests run."""

from __future__ import annotations

from jaxtyping import install_import_hook

CHECKED = ["trainwright.nn", "trainwright.systems.readout"]

install_import_hook(CHECKED, "beartype.beartype")
