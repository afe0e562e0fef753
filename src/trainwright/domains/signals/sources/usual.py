"""What is done with sounds and sets of labels where nothing else is said: written into the configuration of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.domains.signals.reading import Unreadable, probe

LABELS: dict[str, Any] = {"type": "set", "metrics": ["average_precision", "roc_auc", "f1", "hamming", "subset_accuracy"]}
"""Several labels a record: what is measured of the probabilities, and of the labels that are told."""
WINDOW, HOP = 0.025, 0.010
"""Seconds of a frame, and from one to the next, as in speech recognition."""
NARROW = 8000
"""Samples a second up to which 40 bands are as many as can be told apart; above it 64."""
LOOKED_AT = 20
"""Sounds that are looked at to find one that can be read."""


def declare_sounds(paths: Sequence[str]) -> dict[str, Any]:
    """Options of a column of sounds: a mel spectrogram that suits the rate of the first, its logarithm, and masks in training."""
    rate = next((rate for path in paths[:LOOKED_AT] if (rate := find_rate(path))), None)
    if rate is None:
        return {"type": "audio"}
    window, mels = round(WINDOW * rate), 40 if rate <= NARROW else 64
    mel = {"n_fft": 1 << (window - 1).bit_length(), "win_length": window, "hop_length": round(HOP * rate), "n_mels": mels}
    return {"type": "audio", "transform": [{"mel": mel}, "log", {"mask_frequency": mels // 6}, {"mask_time": {"width": 12, "share": 0.2}}]}


def declare(kind: str, paths: Sequence[str]) -> dict[str, Any]:
    """Options of a column of recordings, `signal` or `audio`."""
    return declare_sounds(paths) if kind == "audio" else {"type": kind}


def find_rate(path: str) -> float | None:
    """Samples a second of a sound; None where it cannot be read, which is told when it is."""
    try:
        return probe(path).rate
    except Unreadable:
        return None
