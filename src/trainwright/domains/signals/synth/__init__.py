"""Made recordings whose rule is known, written as real files. Imports nothing that makes them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.synth"

SYNTH = {
    "ecg": Part(f"{_HERE}.ecg:write_ecg", f"{_HERE}.options:ECGOptions", "12-lead ECGs with several diagnoses each"),
}
"""NAME of `trainwright synth NAME` → what writes it."""
