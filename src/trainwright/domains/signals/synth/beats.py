"""`trainwright synth beats`: long two-lead ECGs with an annotation of every beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading.write import write_annotations, write_record
from trainwright.domains.signals.synth.ecg import DIPOLES, WAVES
from trainwright.domains.signals.synth.heart import DOWER, SEEN, Array, Wave, sum_waves
from trainwright.domains.signals.synth.options import BeatOptions

LEADS = ("II", "V1")
SHARES = {"V": 0.05, "A": 0.03}
"""How many beats come early, from a ventricle and from an atrium."""


def write_beats(folder: Path, seed: int, options: BeatOptions) -> list[str]:
    """`100.hea`, `.dat`, `.atr` and on: records of one patient each, with age and sex as MIT-BIH writes them."""
    for number in range(options.records):
        rng = np.random.default_rng([seed, number])
        name = str(100 + number)
        values, samples, symbols = make_beats(rng, options)
        comments = [f"{int(rng.integers(23, 90))} {'M' if rng.random() < 0.5 else 'F'} 0 0 x1"]
        write_record(folder, name, values, options.rate, LEADS, format="212", gain=200, comments=comments)
        write_annotations(folder, name, [0, *samples], ["+", *symbols], texts=["(N", *[""] * len(samples)])
    return ["data.type=wfdb_beats"]


def make_beats(rng: np.random.Generator, options: BeatOptions) -> tuple[Array, list[int], list[str]]:
    """`(2, time)` in mV, and sample and symbol of each beat: N, V (wide, followed by a pause), A (early, its P upside down)."""
    seconds, length = options.minutes * 60, round(options.minutes * 60 * options.rate)
    mean = 60 / rng.uniform(60, 90)
    count = int(seconds / mean * 1.3) + 8
    symbols = rng.choice(["N", *SHARES], size=count, p=[1 - sum(SHARES.values()), *SHARES.values()])
    symbols[1:][symbols[:-1] != "N"] = "N"  # never two early beats in a row
    symbols[:2] = "N"
    early = np.where(symbols == "V", 0.62, np.where(symbols == "A", 0.65, 1.0))
    pause = np.concatenate([[0], np.where(symbols[:-1] == "V", 0.38, 0)])
    swing = 1 + 0.03 * np.sin(2 * np.pi * 0.25 * mean * np.arange(count)) + 0.02 * rng.normal(size=count)
    beats = np.cumsum(mean * swing * (early + pause))
    inside = beats < seconds - 0.1
    beats, symbols = beats[inside], symbols[inside]
    values = sum_waves(waves_of(beats, symbols, rng), options.rate, length)
    height, pitch = rng.uniform(0.03, 0.12, (2, 1)), rng.uniform(0.15, 0.4, (2, 1))
    values += height * np.sin(2 * np.pi * pitch * np.arange(length) / options.rate) + 0.03 * rng.normal(size=(2, length))
    return values, np.rint(beats * options.rate).astype(int).tolist(), symbols.tolist()


def waves_of(beats: Array, symbols: Array, rng: np.random.Generator) -> list[Wave]:
    """The waves of all beats, as II and V1 see them."""
    rows = [SEEN.index(lead) for lead in LEADS]
    seen = {wave: DOWER[rows] @ np.asarray(way) * rng.normal(1, 0.15, 2) for wave, way in DIPOLES.items()}
    narrow, wide = beats[symbols != "V"], beats[symbols == "V"]
    sign = np.where(symbols == "A", -1.0, 1.0)[symbols != "V", None]
    at = {"Q": -0.028, "R": 0.0, "S": 0.030, "T": 0.28}
    way = rng.normal(size=3)
    ectopic = DOWER[rows] @ (1.4 * way / np.linalg.norm(way))
    return [
        Wave(narrow - rng.uniform(0.13, 0.18), WAVES["P"], sign * seen["P"]),
        *(Wave(narrow + after, WAVES[wave], seen[wave]) for wave, after in at.items()),
        Wave(wide, 0.038, ectopic),
        Wave(wide + 0.30, 0.06, -0.35 * ectopic),
    ]
