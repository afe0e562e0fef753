"""How well R peaks are found: sensitivity and +P, one to one within 150 ms, and seconds of processor time per hour of a lead.

    python -m benchmarks.signals_peaks [--records DIR] [--methods band xqrs neurokit2]

Records of DIR with annotations `.atr` are judged by them: each lead by itself, and with `band` all together. A record without annotations
is judged by what XQRS finds at 250 Hz, which says whether detectors agree and not whether they are right. Without DIR: made records of
`trainwright synth beats`. Bar: sensitivity >= 0.995 on record 100.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainwright.domains.signals.models.events import EventScores, match_events
from trainwright.domains.signals.physiology.rpeaks import METHODS, rpeaks
from trainwright.domains.signals.reading import Piece, read
from trainwright.domains.signals.reading.annotations import read_annotations
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.options import BeatOptions

TOLERANCE = 0.15
OTHERS = ("ABP", "RESP", "PLETH", "ART", "PAP", "CVP")
"""Channels of records of patients at the bedside that are no ECG."""


def reference_of(record: Path, piece: Piece) -> tuple[np.ndarray, str]:
    """Seconds of the true beats, and who says so."""
    rate = float(piece.rate or 1)
    if record.with_suffix(".atr").is_file():
        return read_annotations(str(record), "atr").beats.samples / rate, "annotated"
    return rpeaks(piece.values[0], rate, "xqrs") / rate, "XQRS on the first lead, nobody annotated it"


def leads_of(piece: Piece) -> dict[str, np.ndarray]:
    """Each ECG lead by itself, and all of them."""
    own = {name: lead for name, lead in zip(piece.channels, piece.values, strict=True) if name not in OTHERS}
    return {**own, f"all {len(own)} leads": np.stack(list(own.values()))} if len(own) > 1 else own


def judge(record: Path, methods: Sequence[str]) -> Iterator[tuple[str, str, EventScores, float]]:
    """Lead, method, counts, and seconds of processor time for each hour."""
    piece = read(str(record))
    rate = float(piece.rate or 1)
    true, source = reference_of(record, piece)
    hours = piece.values.shape[1] / rate / 3600
    print(f"\n{record.name}: {piece.values.shape[1] / rate:,.0f} s at {rate:g} Hz, {len(true):,} beats ({source})", flush=True)
    for name, lead in leads_of(piece).items():
        for method in methods if lead.ndim == 1 else ["band"]:
            begin = time.process_time()
            found = rpeaks(lead, rate, method)
            yield name, method, match_events(found / rate, true, TOLERANCE), (time.process_time() - begin) / hours


def measure(folder: Path, methods: Sequence[str]) -> None:
    """A line for each lead and method of each record of a folder."""
    rpeaks(np.random.default_rng(0).normal(size=2500), 250.0)  # what scipy takes to load is not the detector's time
    for header in sorted(folder.glob("*.hea")):
        for name, method, scores, seconds in judge(header.with_suffix(""), methods):
            counts = f"missed {scores.missed}, false {scores.false}"
            print(
                f"  {name:14} {method:10} sensitivity {scores.sensitivity:.4f}  +P {scores.precision:.4f}  {counts:24} {seconds:6.2f} s/h"
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals_peaks", description=__doc__)
    parser.add_argument("--records", default="", help="a folder of WFDB records; default: made ones")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=["band", "xqrs"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.records:
            write_beats(Path(folder), 0, BeatOptions(records=2, minutes=10))
        measure(Path(arguments.records or folder), arguments.methods)


if __name__ == "__main__":
    main()
