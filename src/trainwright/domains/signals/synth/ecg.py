"""`trainwright synth ecg`: a 12-lead multi-label set whose rule is known, as WFDB records."""

from __future__ import annotations

import csv
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.synth.broken import BREAKS
from trainwright.domains.signals.synth.heart import DERIVED, LEADS, Array, Wave, project, sum_waves
from trainwright.domains.signals.synth.options import ECGOptions

CODES = {
    "AF": ("164889003",),
    "IAVB": ("270492004",),
    "LBBB": ("164909002", "733534002"),
    "RBBB": ("59118001", "713427006"),
    "PVC": ("427172004", "17338001"),
    "PAC": ("284470004", "63593006"),
    "STE": ("164931005",),
    "TInv": ("59931005",),
}
"""Diagnosis → its codes in SNOMED CT; where there are two, PhysioNet/CinC take them for one."""
LABELS = tuple(CODES)
DRAWN = {"AF": 0.17, "IAVB": 0.21, "LBBB": 0.17, "RBBB": 0.19, "PVC": 0.18, "PAC": 0.21, "STE": 0.18, "TInv": 0.18}
"""How often each is drawn; some exclude others, so that each is found in 15 to 20 % of the records."""
WAVES = {"P": 0.022, "Q": 0.012, "R": 0.014, "S": 0.014, "T": 0.045}
"""Standard deviation of each wave (s)."""
DIPOLES = {"P": (0.05, 0.11, -0.02), "Q": (-0.08, -0.06, -0.05), "R": (1.0, 0.9, 0.3), "S": (-0.15, -0.15, 0.3), "T": (0.25, 0.25, -0.10)}
"""Where each wave points (mV to the left, downwards, to the back)."""
MATLAB_INT16 = 30
"""Type of a variable in a MATLAB 4 file: 16-bit numbers, little-endian."""
FOLDER_OF = 1000
"""Records in one folder, as in the sets of PhysioNet/CinC."""


@dataclass(frozen=True)
class Patient:
    """What all records of a patient share."""

    number: int
    age: int | None
    sex: str
    gain: float
    spread: dict[str, Array]
    """Wave → what each lead has of it beside others: `(8,)` round 1."""
    ectopic: Array
    """Where beats from a ventricle point: `(3,)`."""
    odd: Array
    """Where wide beats point that are no bundle branch block's: `(3,)`."""


@dataclass(frozen=True)
class Rhythm:
    """When the beats of a record are and of which kind; times are those of the R peak (s)."""

    beats: Array
    before: Array
    """Seconds since the beat before."""
    ventricular: np.ndarray
    retrograde: np.ndarray
    """Beats whose P wave is upside down."""


@dataclass(frozen=True)
class MadeRecord:
    """A record before it is written."""

    name: str
    patient: Patient
    rate: int
    true: tuple[str, ...]
    written: tuple[str, ...]
    rhythm: Rhythm
    values: Array = field(repr=False)
    """`(12, time)` in mV."""


def write_ecg(folder: Path, seed: int, options: ECGOptions) -> list[str]:
    """The records in folders of a thousand, and `true_labels.csv` with what is true of each and what its header says."""
    rows, count = list[tuple[str, ...]](), 0
    for patient in range(1, options.patients + 1):
        for made in patient_records(patient, seed, options):
            place = folder / f"g{count // FOLDER_OF + 1}"
            place.mkdir(exist_ok=True)
            _write(place, made)
            rows.append((made.name, str(patient), " ".join(made.true), " ".join(made.written)))
            count += 1
    _write_broken(folder / "g1", seed, options)
    with (folder / "true_labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("record", "patient", "true", "written"), *rows])
    return ["data.source.unreadable=skip"] if options.broken else []


def patient_records(number: int, seed: int, options: ECGOptions) -> list[MadeRecord]:
    """The records of one patient, which are the same whatever the number of patients."""
    rng = np.random.default_rng([seed, number])
    patient = draw_patient(number, rng)
    return [make_record(f"P{number:05d}_{each + 1}", patient, rng, options) for each in range(rng.integers(1, 4))]


def draw_patient(number: int, rng: np.random.Generator) -> Patient:
    """A patient; age and sex say nothing of the diagnoses."""
    age = int(rng.integers(18, 95))
    sex = "Female" if rng.random() < 0.5 else "Male"
    unknown = rng.random(2) < 0.02
    spread = {wave: rng.normal(1, 0.18, 8) for wave in (*WAVES, "ectopic", "late")}
    ectopic, odd = rng.normal(size=3), rng.normal(size=3)
    return Patient(
        number,
        None if unknown[0] else age,
        "Unknown" if unknown[1] else sex,
        rng.uniform(0.6, 1.5),
        spread,
        1.3 * ectopic / np.linalg.norm(ectopic),
        _turned_from_left_back(odd / np.linalg.norm(odd)),
    )


def _turned_from_left_back(way: Array) -> Array:
    """A direction that is none of a left bundle branch block: downwards and to the front, whatever else."""
    return np.array([0.7 + 0.3 * way[0], 0.4 + 0.3 * way[1], -0.3 - 0.4 * abs(way[2])])


def make_record(name: str, patient: Patient, rng: np.random.Generator, options: ECGOptions) -> MadeRecord:
    """A record of a patient: diagnoses, what resembles them and is none, rhythm, waves, noise."""
    true = draw_labels(rng)
    rate = options.rate or (200 if rng.random() < 0.25 else 100)
    rhythm = draw_rhythm(true, rng, options.seconds)
    length = round(options.seconds * rate)
    waves = draw_waves(true, rhythm, patient, rng, options.hard)
    seen = patient.gain * rng.uniform(0.85, 1.15) * sum_waves(waves, rate, length)
    if "AF" in true:
        seen = seen + fibrillation(rng, rate, length)
    noise = (0.14 if options.hard else 0.055) * rng.uniform(0.5, 1.5, (8, 1)) * rng.normal(size=(8, length))
    values = DERIVED @ (seen + wander(rng, rate, length) + noise)
    return MadeRecord(name, patient, rate, true, flip_labels(true, rng, options.flip), rhythm, values)


def draw_labels(rng: np.random.Generator) -> tuple[str, ...]:
    """Diagnoses of a record: atrial fibrillation has no P wave, so neither PR interval nor atrial beats; one block of a bundle at most."""
    found = {label for label, share in DRAWN.items() if rng.random() < share}
    if "AF" in found:
        found -= {"IAVB", "PAC"}
    if "LBBB" in found:
        found -= {"RBBB"}
    return tuple(label for label in LABELS if label in found)


def flip_labels(true: tuple[str, ...], rng: np.random.Generator, share: float) -> tuple[str, ...]:
    """What a header says: each diagnosis is replaced, with the probability `share`, by one of those that are not true."""
    others = [label for label in LABELS if label not in true]
    found = [others[int(rng.integers(len(others)))] if others and rng.random() < share else label for label in true]
    return tuple(label for label in LABELS if label in found)


def draw_rhythm(true: tuple[str, ...], rng: np.random.Generator, seconds: float) -> Rhythm:
    """Beats from before the record to behind it. Sinus arrhythmia and early beats with a P wave as always are of no diagnosis."""
    mean, count = 60 / rng.uniform(55, 100), int(seconds / 0.35) + 12
    intervals = np.full(count, mean) * (1 + 0.02 * rng.normal(size=count))
    if "AF" in true:
        intervals = mean * np.exp(rng.normal(0, 0.16, count))
    elif rng.random() < 0.25:
        intervals *= 1 + 0.22 * np.sin(2 * np.pi * rng.uniform(0.15, 0.4) * mean * np.arange(count) + rng.uniform(0, 6.28))
    inside = np.flatnonzero(np.cumsum(intervals) < seconds - 0.3)
    free = rng.permutation(inside[1::2])  # never two early beats in a row
    ventricular, retrograde = _share_beats(free, [label for label in ("PVC", "PAC") if label in true], count, rng)
    for beats, early in ((ventricular, 0.62), (retrograde, 0.65)):
        for each in np.flatnonzero(beats).tolist():
            _come_early(intervals, each, early, pause=early == 0.62)
    if "PAC" not in true and "AF" not in true and rng.random() < 0.25:
        for each in [beat for beat in free.tolist() if not ventricular[beat]][: rng.integers(1, 4)]:
            _come_early(intervals, each, 0.65, pause=False)
    beats = np.cumsum(intervals) - mean * rng.uniform(0.5, 1.5)
    return Rhythm(beats, intervals, ventricular, retrograde)


def _share_beats(free: np.ndarray, labels: list[str], count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which beats come from a ventricle and which early from an atrium: one to three of each that is wanted."""
    found = {label: np.zeros(count, bool) for label in ("PVC", "PAC")}
    for place, label in enumerate(labels):
        most = max(len(free) // len(labels), 1)
        found[label][free[place * most :][: min(int(rng.integers(1, 4)), most)]] = True
    return found["PVC"], found["PAC"]


def _come_early(intervals: Array, beat: int, share: float, pause: bool) -> None:
    """Shorten the interval before a beat; with a pause the beat after it comes when it would have come."""
    if pause and beat + 1 < len(intervals):
        intervals[beat + 1] += (1 - share) * intervals[beat]
    intervals[beat] *= share


def draw_waves(true: tuple[str, ...], rhythm: Rhythm, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    """The waves of all beats."""
    normal = rhythm.beats[~rhythm.ventricular]
    waves = [*atrial_waves(true, rhythm, patient, rng, hard), *_ventricular_beats(rhythm, patient, rng)]
    shape, turned = _conduction(true, rng)
    qrs = {"normal": _narrow, "LBBB": _left_block, "RBBB": _right_block, "wide": _unspecific, "notched": _notched}[shape]
    waves += qrs(normal, patient, rng, hard)
    after = 0.30 * np.sqrt(rhythm.before[~rhythm.ventricular] / 0.8)
    waves.append(Wave(normal + np.clip(after, 0.22, 0.40), WAVES["T"], _repolarised(true, patient, turned)))
    if "STE" in true:
        height = np.array([0, 0, 0.7, 1, 1, 0.7, 0, 0]) * (0.10 if hard else 0.16)
        waves.append(Wave(normal + 0.12, 0.05, height * patient.spread["T"]))
    return waves


def atrial_waves(true: tuple[str, ...], rhythm: Rhythm, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    """The P waves: none in atrial fibrillation or before a ventricle's beat, upside down where an atrial beat comes early."""
    low, high = ((0.20 if hard else 0.22), 0.32) if "IAVB" in true else (0.12, (0.20 if hard else 0.19))
    interval = rng.uniform(low, high)
    if "AF" in true:
        return []
    with_p = ~rhythm.ventricular
    sign = np.where(rhythm.retrograde, -1.0, 1.0)[with_p, None]
    return [Wave(rhythm.beats[with_p] - interval, WAVES["P"], sign * (project(DIPOLES["P"]) * patient.spread["P"]))]


def _ventricular_beats(rhythm: Rhythm, patient: Patient, rng: np.random.Generator) -> list[Wave]:
    peaks = rhythm.beats[rhythm.ventricular]
    seen = project(patient.ectopic) * patient.spread["ectopic"]
    return [Wave(peaks, rng.uniform(0.032, 0.042), seen), Wave(peaks + 0.30, 0.06, -0.35 * seen)]


def _conduction(true: tuple[str, ...], rng: np.random.Generator) -> tuple[str, float]:
    """How the ventricles are reached, and how much of T is turned against QRS; wide beats of no diagnosis are a third of the others."""
    decoy = rng.random()
    if "LBBB" in true:
        return "LBBB", 0.3
    if "RBBB" in true:
        return "RBBB", 0.2
    return ("wide", 0.2) if decoy < 0.15 else ("notched", 0.3) if decoy < 0.35 else ("normal", 0.0)


def _narrow(peaks: Array, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    at = {"Q": -0.028, "R": 0.0, "S": 0.030}
    return [Wave(peaks + after, WAVES[wave], project(DIPOLES[wave]) * patient.spread[wave]) for wave, after in at.items()]


def _broad(peaks: Array, way: Array, patient: Patient, rng: np.random.Generator) -> list[Wave]:
    """A broad QRS with a notch: two waves, 40 to 55 ms apart."""
    gap = rng.uniform(0.040, 0.055)
    first, second = project(way) * patient.spread["R"], 0.9 * project(way) * patient.spread["late"]
    return [Wave(peaks - gap / 2, 0.022, first), Wave(peaks + gap / 2, 0.026, second)]


def _left_block(peaks: Array, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    return _broad(peaks, np.array([1.0, 0.45, 0.8]), patient, rng)


def _notched(peaks: Array, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    """As broad and notched as a left bundle branch block, but to the front: no deep S in V1."""
    return _broad(peaks, patient.odd, patient, rng)


def _right_block(peaks: Array, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    late = project((-0.60, -0.10, -0.75)) * patient.spread["late"]
    return [*_narrow(peaks, patient, rng, hard)[:2], Wave(peaks + 0.055, 0.022, late)]


def _unspecific(peaks: Array, patient: Patient, rng: np.random.Generator, hard: bool) -> list[Wave]:
    """Wide, with a late wave as that of a right bundle branch block is, but neither to the right nor to the front."""
    late = project((0.30, -0.10, 0.60)) * patient.spread["late"] * (1.0 if hard else rng.uniform(0.6, 1.0))
    return [*_narrow(peaks, patient, rng, hard)[:2], Wave(peaks + 0.055, 0.022, late)]


def _repolarised(true: tuple[str, ...], patient: Patient, turned: float) -> Array:
    """T as leads see it; below the diaphragm (II, and so III and aVF) it is upright unless it is inverted."""
    seen = (project(DIPOLES["T"]) - turned * project((0.5, 0.0, 0.4))) * patient.spread["T"]
    upright = max(abs(seen[1]), 0.12)
    seen[1] = -0.8 * upright if "TInv" in true else upright
    seen[0] = np.clip(seen[0], -0.05, 0.10)
    return seen


def fibrillation(rng: np.random.Generator, rate: int, length: int) -> Array:
    """The f-waves of atrial fibrillation: 5 to 7 Hz, 0.05 mV, best seen in V1 and II: `(8, length)` in mV."""
    times = np.arange(length) / rate
    drift = 0.6 * np.sin(2 * np.pi * 0.3 * times + rng.uniform(0, 6.28))
    wave = np.sin(2 * np.pi * rng.uniform(5, 7) * times + drift + rng.uniform(0, 6.28))
    return 0.05 * project((0.1, 0.6, -0.8))[:, None] * wave


def wander(rng: np.random.Generator, rate: int, length: int) -> Array:
    """Baseline wander, of its own in each measured lead: 0.05 to 0.25 mV at 0.15 to 0.4 Hz: `(8, length)` in mV."""
    height, pitch, phase = rng.uniform(0.05, 0.25, (8, 1)), rng.uniform(0.15, 0.4, (8, 1)), rng.uniform(0, 6.28, (8, 1))
    return height * np.sin(2 * np.pi * pitch * np.arange(length) / rate + phase)


def _write(place: Path, made: MadeRecord) -> None:
    """A record as it is found in sets of PhysioNet/CinC: in either file form, either spelling of comments, either of two equal codes."""
    rng = np.random.default_rng([made.patient.number, int(made.name[-1])])
    codes = [CODES[label][int(rng.integers(len(CODES[label])))] for label in made.written]
    age = "NaN" if made.patient.age is None else str(made.patient.age)
    said = {"Age": age, "Sex": made.patient.sex, "Dx": (", " if rng.random() < 0.5 else ",").join(codes) or "Unknown"}
    comments = [f"{key}: {value}" for key, value in {**said, "Rx": "Unknown", "Patient": str(made.patient.number)}.items()]
    header = write_record(place, made.name, made.values, made.rate, LEADS, gain=1000, comments=comments)
    if rng.random() < 0.5:
        store_as_matlab(header, made.values.shape)
    if rng.random() < 0.5:
        header.write_text(header.read_text(encoding="utf-8").replace("\n# ", "\n#"), encoding="utf-8")


def store_as_matlab(header: Path, shape: tuple[int, ...]) -> None:
    """Put the 24 bytes of a MATLAB 4 file with one variable `val` before the samples `(leads, time)` of a record in format 16."""
    signals = header.with_suffix(".dat")
    head = struct.pack("<5i", MATLAB_INT16, *shape, 0, 4) + b"val\0"
    header.with_suffix(".mat").write_bytes(head + signals.read_bytes())
    signals.unlink()
    text = header.read_text(encoding="utf-8").replace(f"{header.stem}.dat 16 ", f"{header.stem}.mat 16+24 ")
    header.write_text(text, encoding="utf-8")


def _write_broken(place: Path, seed: int, options: ECGOptions) -> None:
    """Records that cannot be read as they are, of patients of their own; they are not in `true_labels.csv`."""
    for number in range(options.broken):
        rng = np.random.default_rng([seed, 100_000 + number])
        made = make_record(f"X{number + 1:05d}_1", draw_patient(100_000 + number, rng), rng, options)
        _write(place, made)
        BREAKS[number % len(BREAKS)](place, made.name)
