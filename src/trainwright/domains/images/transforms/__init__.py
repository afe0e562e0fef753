"""Transforms of pictures, by name. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part
from trainwright.domains.images.transforms.policies import PARTS as POLICIES

_HERE = "trainwright.domains.images.transforms"


def _part(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "fit": _part("fit:Fit", "FitOptions", "the whole picture at one size"),
    "store": _part("fit:Store", "StoreOptions", "a smaller picture to keep"),
    **POLICIES,
}
