"""Recordings as blocks of a report: traces on paper or on scales of their own, and for sounds a spectrogram and a player."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.repair import fill_invalid
from trainwright.domains.signals.reading.write import write_sound
from trainwright.report.charts.traces import extent, thin

Array = np.ndarray[Any, Any]

MILLI = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "millivolt": 1.0}
"""Unit of a trace, lower case → what it is multiplied with to be in mV."""
PAPER = (0.15, 15.0)
"""mV between which the middle range of leads lies, of an ECG: an EEG has less."""
HEART_LEADS = frozenset(
    [
        "i",
        "ii",
        "iii",
        "avr",
        "avl",
        "avf",
        "v",
        "v1",
        "v2",
        "v3",
        "v4",
        "v5",
        "v6",
        "vx",
        "vy",
        "vz",
        "mlii",
        "mliii",
        "mcl1",
        "ml2",
        "cm5",
    ]
)
FRAMES, BANDS = 420, 96
"""Columns and rows of a spectrogram, at most."""
DEPTH = 70.0
"""Decibels under the loudest that are dark."""
SOUND_RATE = 16000
"""Samples a second of a sound that is played, at most."""
STEPS = 4000
"""Whole numbers that a trace is written with, on either side of 0: more than there are pixels."""


def traces_of(values: Array, channels: Sequence[str], units: Sequence[str]) -> tuple[list[dict[str, Any]], bool]:
    """`(channels, time)` as traces, voltages in mV, and whether they lie on the paper of an ECG."""
    found = []
    for name, unit, lead in zip(channels, [*units, *[""] * len(channels)], values, strict=False):
        times = MILLI.get(unit.lower(), 0.0)
        found.append(trace(name, "mV" if times else unit, lead * times if times else lead))
    spans = [high - low for each in found for low, high in [extent([None if v is None else v * each["scale"] for v in each["values"]])]]
    middle = float(np.median(spans)) if spans else 0.0
    voltages, hearts = bool(found) and all(each["unit"] == "mV" for each in found), any(map(is_heart_lead, channels))
    micro = any(MILLI.get(each.lower()) == 1e-3 for each in units)  # an EEG's unit, unless the leads are an ECG's
    paper = voltages and (hearts or (not micro and PAPER[0] <= middle <= PAPER[1]))
    if not paper:  # on scales of their own the units are those of the file
        found = [trace(name, unit, lead) for name, unit, lead in zip(channels, [*units, *[""] * len(channels)], values, strict=False)]
    return found, paper


def is_heart_lead(name: str) -> bool:
    """Whether a lead is one of an ECG by its name."""
    folded = name.lower()
    return folded in HEART_LEADS or "ecg" in folded or "ekg" in folded


def trace(name: str, unit: str, lead: Array) -> dict[str, Any]:
    """One channel as a trace, thinned to what a picture shows and written as whole numbers of a step."""
    finite = lead[np.isfinite(lead)]
    largest = float(np.abs(finite).max()) if len(finite) else 0.0
    step = largest / STEPS or 1.0
    kept = np.where(np.isfinite(lead), lead, 0.0) / step
    whole = [round(each) if there else None for each, there in zip(kept.tolist(), np.isfinite(lead).tolist(), strict=True)]
    return {"name": name, "unit": unit, "scale": float(f"{step:.6g}"), "values": thin(whole)}


def spectrogram(sound: Array, rate: float) -> dict[str, Any]:
    """The power of a sound `(time,)` over frequency and time in decibels, as a picture."""
    size = 1 << max(4, int(np.log2(max(0.03 * rate, 16))))
    hop = max(1, size // 4, -(-len(sound) // FRAMES))
    padded = np.pad(sound.astype(np.float64), (size // 2, size // 2))
    starts = range(0, max(len(sound), 1), hop)
    window = np.hanning(size)
    power = np.stack([np.abs(np.fft.rfft(padded[each : each + size] * window)) ** 2 for each in starts], axis=1)
    return heat(10 * np.log10(power + 1e-20), rate / 2, "spectrogram")


def heat(decibels: Array, highest: float | None, name: str) -> dict[str, Any]:
    """Levels `(frequencies, frames)` as a picture, the loudest bright and what is 70 dB below it dark; `highest` in Hz, None for bands."""
    bands, frames = decibels.shape
    if bands > BANDS:
        edges = np.linspace(0, bands, BANDS + 1).astype(int)[:-1]
        decibels = np.maximum.reduceat(decibels, edges, axis=0)
    if frames > FRAMES:
        edges = np.linspace(0, frames, FRAMES + 1).astype(int)[:-1]
        decibels = np.maximum.reduceat(decibels, edges, axis=1)
    top = float(decibels.max())
    levels = np.clip((decibels - top + DEPTH) / DEPTH * 255, 0, 255).astype(int).tolist()
    if highest is None:
        labels = ["band 1", f"{max(bands // 2, 1)}", f"{bands}"]
    else:
        labels = ["0", *(f"{each / 1000:g} kHz" if each >= 1000 else f"{each:g} Hz" for each in (highest / 2, highest))]
    return {"levels": levels, "labels": labels, "name": name}


def scaled_heat(values: Array, name: str) -> dict[str, Any]:
    """Any numbers `(rows, frames)` as a picture, from their smallest to their largest."""
    low, high = float(values.min()), float(values.max())
    return heat((values - high) * (DEPTH / ((high - low) or 1.0)), None, name)


def write_playable(values: Array, rate: float, folder: Path, name: str) -> str:
    """Write a sound `(channels, time)` as mono wav of 16 bits and at most 16 kHz; gives its path in the folder."""
    sound = fill_invalid(np.asarray(values, np.float32)).mean(axis=0)
    if rate > SOUND_RATE:
        from scipy.signal import resample_poly

        ratio = Fraction(SOUND_RATE) / Fraction(rate).limit_denominator(1000)
        sound, rate = resample_poly(sound, ratio.numerator, ratio.denominator), SOUND_RATE
    loudest = float(np.abs(sound).max()) if len(sound) else 0.0
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sound(path, sound / max(loudest, 1.0), round(rate))
    return name
