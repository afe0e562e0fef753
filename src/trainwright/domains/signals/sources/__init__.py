"""Where recordings come from. Imports nothing that reads them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.sources"
_OPTIONS = f"{_HERE}.options"

PARTS: dict[str, Part] = {
    "wfdb": Part(f"{_HERE}.wfdb:WFDBRecords", f"{_OPTIONS}:WFDBOptions", "WFDB records with age, sex and diagnoses of their headers"),
}
