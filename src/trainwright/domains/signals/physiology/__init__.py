"""What is measured in recordings of the body: beats, intervals, their variability, entropies. Imports no torch."""

from __future__ import annotations

from trainwright.config.elsewhere import found_later

_HERE = "trainwright.domains.signals.physiology"

_LATER = {
    "clean": f"{_HERE}.cleaning",
    "delineate": f"{_HERE}.delineation",
    "ecg": f"{_HERE}.electrocardiogram",
    "eda": f"{_HERE}.skin",
    "emg": f"{_HERE}.muscle",
    "ppg": f"{_HERE}.pulse",
    "rsp": f"{_HERE}.breathing",
}
"""Functions by the module that each is in, imported when they are first asked for."""

__getattr__ = found_later(__name__, _LATER)
