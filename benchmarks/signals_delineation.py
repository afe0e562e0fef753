"""How far waves of an ECG lie from where neurokit2 sees them, point by point, and how much faster they are found.

    python -m benchmarks.signals_delineation [--records DIR] [--seconds 300]

The first lead of each record of DIR, cleaned and with the R peaks of neurokit2, is delineated by both (`ecg_delineate(method="dwt")`).
Without DIR: made records of `trainwright synth beats`. Bar: median distance <= 8 ms and >= 97 % within 40 ms of every point: not
all, since neurokit2 stretches time by up to a sample over a record.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.physiology.delineation import NAMES, Delineation, delineate
from trainwright.domains.signals.reading import probe, read
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.options import BeatOptions

THEIRS = {name: "ECG_{}_{}".format(*(part.capitalize() for part in name.split("_"))) for name in NAMES}
THEIRS |= {"qrs_onsets": "ECG_R_Onsets", "qrs_offsets": "ECG_R_Offsets"}
CLOSE, BAR, SHARE = 40.0, 8.0, 0.97


def compare(record: Path, seconds: float) -> None:
    """Print what both find of a record."""
    import neurokit2

    rate = float(probe(str(record)).rate or 1)
    lead = np.asarray(read(str(record), 0, round(seconds * rate)).values[0], float)
    cleaned = neurokit2.ecg_clean(lead, round(rate))
    peaks = neurokit2.ecg_peaks(cleaned, round(rate))[1]["ECG_R_Peaks"]
    begin = time.process_time()
    ours = delineate(cleaned, peaks, rate)
    middle = time.process_time()
    theirs = neurokit2.ecg_delineate(cleaned, peaks, round(rate), method="dwt")[1]
    spent = middle - begin, time.process_time() - middle
    print(
        f"\n{record.name}: {len(lead) / rate:,.0f} s at {rate:g} Hz, {len(peaks):,} beats; {spent[1] / spent[0]:.1f} x as fast", flush=True
    )
    for name in NAMES:
        print_point(name, ours, np.asarray(theirs[THEIRS[name]], float), rate)


def print_point(name: str, ours: Delineation, theirs: np.ndarray, rate: float) -> None:
    """One line: found by both, by one, and how far apart."""
    own: Any = getattr(ours, name)
    if len(own) != len(theirs):
        print(f"  {name:12} neurokit2 leaves beats out: {len(theirs):,} of {len(own):,}")
        return
    both = np.isfinite(own) & np.isfinite(theirs)
    apart = np.abs(own - theirs)[both] * 1000 / rate
    median, close = float(np.median(apart)), float(np.mean(apart <= CLOSE))
    print(
        f"  {name:12} both {both.sum():5,}, ours alone {(np.isfinite(own) & ~both).sum():4,}, neurokit2's alone "
        f"{(np.isfinite(theirs) & ~both).sum():4,}; median {median:4.1f} ms, within {CLOSE:g} ms {close:.4f}"
        f"{'' if median <= BAR and close >= SHARE else '   BELOW THE BAR'}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals_delineation", description=__doc__)
    parser.add_argument("--records", type=Path, help="a folder of WFDB records; default: made ones")
    parser.add_argument("--seconds", type=float, default=300.0, help="how much of each is delineated, from its beginning")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        if given.records is None:
            write_beats(Path(folder), 0, BeatOptions(records=2, minutes=2))
        found = sorted(each for each in (given.records or Path(folder)).glob("*.hea") if len(probe(str(each.with_suffix(""))).channels) < 4)
        for each in found:
            compare(each.with_suffix(""), given.seconds)


if __name__ == "__main__":
    main()
