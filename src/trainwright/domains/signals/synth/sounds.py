"""`trainwright synth sounds`: short melodies of several speakers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading.write import write_sound
from trainwright.domains.signals.synth.heart import Array
from trainwright.domains.signals.synth.options import SoundOptions

MELODIES = {
    "rise": (0, 2, 4, 7),
    "fall": (7, 4, 2, 0),
    "hill": (0, 4, 7, 2),
    "valley": (7, 2, 0, 4),
    "repeat": (0, 0, 7, 7),
    "swing": (0, 7, 0, 7),
}
"""Class → its four notes, in semitones above the voice."""
NAMES = ("anna", "ben", "cora", "dan", "eva", "finn")
HARMONICS = 5


def write_sounds(folder: Path, seed: int, options: SoundOptions) -> None:
    """`CLASS/speaker_take.wav`, or all as `CLASS_speaker_take.wav`: 16-bit, one channel."""
    for number in range(options.speakers):
        rng = np.random.default_rng([seed, number])
        name = NAMES[number] if number < len(NAMES) else f"speaker{number + 1}"
        pitch, timbre, pace = rng.uniform(110, 260), rng.dirichlet(np.ones(HARMONICS)), rng.uniform(0.07, 0.12)
        for label, notes in MELODIES.items():
            for take in range(options.takes):
                samples = melody(rng, notes, pitch, timbre, pace, options.rate)
                file = f"{label}_{name}_{take}.wav" if options.flat else f"{label}/{name}_{take}.wav"
                (folder / file).parent.mkdir(exist_ok=True)
                write_sound(folder / file, samples[None], options.rate)


def melody(rng: np.random.Generator, notes: tuple[int, ...], pitch: float, timbre: Array, pace: float, rate: int) -> Array:
    """The notes one after another, each a few percent off in pitch and length, in noise: `(time,)` between -1 and 1."""
    pieces = []
    for note in notes:
        seconds = pace * rng.uniform(0.8, 1.2)
        times = np.arange(round(seconds * rate)) / rate
        base = pitch * 2 ** ((note + 0.15 * rng.normal()) / 12)
        waves = np.sin(2 * np.pi * base * np.arange(1, HARMONICS + 1)[:, None] * times + rng.uniform(0, 6.28, (HARMONICS, 1)))
        heard = timbre * (base * np.arange(1, HARMONICS + 1) < rate / 2)
        pieces.append((heard @ waves) * np.sin(np.pi * times / seconds))
    quiet = np.zeros(round(rng.uniform(0.0, 0.08) * rate))
    whole = np.concatenate([quiet, *pieces, quiet])
    return np.clip(rng.uniform(0.3, 0.8) * whole + 0.02 * rng.normal(size=len(whole)), -1, 1)
