"""`trainwright synth sounds`: short calls of several speakers, told apart by how their pitch goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading.write import write_sound
from trainwright.domains.signals.synth.heart import Array
from trainwright.domains.signals.synth.options import SoundOptions

GLIDE = 1.5
"""Octaves between the lowest and the highest pitch."""
CONTOURS: dict[str, Callable[[Array], Array]] = {
    "rise": lambda at: at,
    "fall": lambda at: 1 - at,
    "hill": lambda at: np.sin(np.pi * at),
    "valley": lambda at: 1 - np.sin(np.pi * at),
    "repeat": lambda at: np.full_like(at, 0.5),
    "swing": lambda at: np.floor(4 * at) % 2,
}
"""Class → its pitch between the lowest (0) and the highest (1), as it goes from the beginning (0) to the end (1)."""
NOTES = {"repeat": 4, "swing": 4}
"""Of classes that begin anew: how often the voice does."""
NAMES = ("anna", "ben", "cora", "dan", "eva", "finn")
HARMONICS = 5


def write_sounds(folder: Path, seed: int, options: SoundOptions) -> None:
    """`CLASS/speaker_take.wav`, or all as `CLASS_speaker_take.wav`: 16-bit, one channel."""
    for number in range(options.speakers):
        rng = np.random.default_rng([seed, number])
        name = NAMES[number] if number < len(NAMES) else f"speaker{number + 1}"
        pitch, timbre, pace = rng.uniform(150, 350), rng.dirichlet(np.ones(HARMONICS)), rng.uniform(0.4, 0.7)
        for label in CONTOURS:
            for take in range(options.takes):
                samples = sing(rng, label, pitch, timbre, pace, options.rate)
                file = f"{label}_{name}_{take}.wav" if options.flat else f"{label}/{name}_{take}.wav"
                (folder / file).parent.mkdir(exist_ok=True)
                write_sound(folder / file, samples[None], options.rate)


def sing(rng: np.random.Generator, label: str, pitch: float, timbre: Array, pace: float, rate: int) -> Array:
    """One call of a voice, a few percent off in pitch and length, in noise: `(time,)` between -1 and 1."""
    count = round(pace * rng.uniform(0.85, 1.15) * rate)
    at = np.arange(count) / count
    base = pitch * 2 ** (GLIDE * CONTOURS[label](at) + 0.03 * rng.normal())
    phase = 2 * np.pi * np.cumsum(base) / rate
    orders = np.arange(1, HARMONICS + 1)[:, None]
    heard = timbre[:, None] * (base * orders < rate / 2)
    waves = (heard * np.sin(orders * phase + rng.uniform(0, 6.28, (HARMONICS, 1)))).sum(axis=0)
    waves *= np.abs(np.sin(np.pi * at * NOTES.get(label, 1))) ** 0.5
    quiet = np.zeros(round(rng.uniform(0.0, 0.08) * rate))
    whole = np.concatenate([quiet, waves, quiet])
    return np.clip(rng.uniform(0.3, 0.8) * whole + 0.02 * rng.normal(size=len(whole)), -1, 1)
