"""Made recordings whose rule is known, written as real files. Imports nothing that makes them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.synth"

SYNTH = {
    "ecg": Part(f"{_HERE}.ecg:write_ecg", f"{_HERE}.options:ECGOptions", "12-lead ECGs with several diagnoses each"),
    "beats": Part(f"{_HERE}.beats:write_beats", f"{_HERE}.options:BeatOptions", "long two-lead ECGs with an annotation of every beat"),
    "sounds": Part(f"{_HERE}.sounds:write_sounds", f"{_HERE}.options:SoundOptions", "short calls of several speakers, in folders"),
}
"""NAME of `trainwright synth NAME` → what writes it."""
