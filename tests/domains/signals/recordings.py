"""Recordings in files of every kind, written by the libraries of the field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyedflib
import scipy.io
import soundfile
import wfdb

RATE = 250


def wave(channels: int = 3, length: int = 2501, seed: int = 0) -> np.ndarray:
    """Seeded values between −0.9 and 0.9, `(channels, time)`."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, length))


def write_wfdb(folder: Path, format: str, values: np.ndarray, name: str = "rec", rate: int = RATE, **more: object) -> str:
    """A record written by wfdb; its path."""
    names = [f"L{number}" for number in range(len(values))]
    options = {"fmt": [format] * len(values), "adc_gain": [100.0] * len(values), "baseline": [3] * len(values)} | more
    wfdb.wrsamp(name, rate, ["mV"] * len(values), names, p_signal=values.T, write_dir=str(folder), **options)
    return str(folder / name)


def write_by_hand(folder: Path, format: str, values: np.ndarray) -> str:
    """A record of a format that wfdb does not write; its path."""
    digits = np.round(values.T * 100).astype(np.int64) + 3
    if format == "8":
        digits = np.round(values.T * 30).astype(np.int64)
        content = np.diff(digits, axis=0, prepend=digits[:1]).astype(np.int8).tobytes()
    else:
        content = (digits + (32768 if format == "160" else 0)).astype({"61": ">i2", "160": "<u2"}[format]).tobytes()
    (folder / "rec.dat").write_bytes(content)
    lines = [f"rec.dat {format} {'30(0)' if format == '8' else '100(3)'}/mV 16 0 {first} 0 0 L{n}" for n, first in enumerate(digits[0])]
    (folder / "rec.hea").write_text("\n".join([f"rec {len(values)} {RATE} {values.shape[1]}", *lines, ""]))
    return str(folder / "rec")


def write_sound(folder: Path, ending: str, values: np.ndarray, rate: int = 8000) -> str:
    """A sound written by soundfile; its path."""
    path = folder / f"sound.{ending}"
    soundfile.write(path, values.T, rate)
    return str(path)


def write_mat(folder: Path, values: np.ndarray, **more: object) -> str:
    """A MATLAB file written by scipy; its path."""
    path = folder / "rec.mat"
    scipy.io.savemat(path, {"val": np.round(values * 1000).astype(np.int16)}, **more)
    return str(path)


def write_hdf5(folder: Path, values: np.ndarray, **attributes: object) -> str:
    """An HDF5 file with an array of recordings, and another one; the path."""
    path = folder / "rec.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", data=np.stack([values.T, values.T * 2]).astype(np.float32), chunks=(1, 100, len(values)))
        file["tracings"].attrs.update(attributes)
        file["other"] = np.arange(7)
    return str(path)


def write_edf(folder: Path, rates: tuple[int, ...], seconds: int = 10) -> str:
    """An EDF file with a signal of each rate, written by pyedflib; its path."""
    path = folder / "rec.edf"
    writer = pyedflib.EdfWriter(str(path), len(rates), pyedflib.FILETYPE_EDFPLUS)
    for number, rate in enumerate(rates):
        writer.setSignalHeader(
            number,
            {
                "label": f"S{number}",
                "dimension": "uV",
                "sample_frequency": rate,
                "physical_max": 1.0,
                "physical_min": -1.0,
                "digital_max": 32767,
                "digital_min": -32768,
                "prefilter": "",
                "transducer": "",
            },
        )
    writer.writeSamples([wave(1, rate * seconds, number)[0] for number, rate in enumerate(rates)])
    writer.close()
    return str(path)


def _npy(folder: Path) -> str:
    np.save(folder / "rec.npy", wave().astype(np.float32))
    return str(folder / "rec.npy")


def _npz(folder: Path) -> str:
    np.savez(folder / "rec.npz", x=wave().T, fs=RATE)
    return str(folder / "rec.npz")


def _csv(folder: Path) -> str:
    table = np.column_stack([np.arange(2501) / RATE, wave().T])
    np.savetxt(folder / "rec.csv", table, delimiter=",", header="time,I,II,III", comments="")
    return str(folder / "rec.csv")


def _mat73(folder: Path) -> str:
    with h5py.File(folder / "rec.mat", "w", userblock_size=512) as file:
        file["val"] = wave().T  # MATLAB's axes come in reverse
        file["val"].attrs["MATLAB_class"] = np.bytes_("double")
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    content = bytearray((folder / "rec.mat").read_bytes())
    content[: len(head)] = head
    (folder / "rec.mat").write_bytes(content)
    return str(folder / "rec.mat")


def _writer(write: Callable[..., str], *arguments: object, **options: object) -> Callable[[Path], str]:
    return lambda folder: write(folder, *arguments, **options)


WRITERS: dict[str, Callable[[Path], str]] = {
    **{f"wfdb_{each}": _writer(write_wfdb, each, wave()) for each in ("16", "80", "212", "24", "32", "516")},
    **{f"wfdb_{each}": _writer(write_by_hand, each, wave()) for each in ("61", "160", "8")},
    "wfdb_212_of_one": _writer(write_wfdb, "212", wave(1)),
    **{each: _writer(write_sound, each, wave(2, 9001)) for each in ("wav", "flac", "ogg", "mp3")},
    "mat_4": _writer(write_mat, wave(), format="4"),
    "mat_5": _writer(write_mat, wave()),
    "mat_5_compressed": _writer(write_mat, wave(), do_compression=True),
    "mat_7_3": _mat73,
    "hdf5": lambda folder: write_hdf5(folder, wave()) + "#key=/tracings&row=1",
    "edf": _writer(write_edf, (200, 200)),
    "edf_of_two_rates": _writer(write_edf, (200, 50)),
    "npy": _npy,
    "npz": _npz,
    "csv": _csv,
}
"""Kind → writes a recording of it into a folder and gives the reference to it."""
CLOSE = {"mp3": 1e-6, "ogg": 1e-6}
"""By how much a window differs from the slice of the whole: their decoders add in another order after seeking."""
