"""Recordings in `.npy`, `.npz` and HDF5 files, and in MATLAB's, whose newer ones are HDF5."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from trainwright.domains.signals.reading import matlab
from trainwright.domains.signals.reading.arrays import Shaped, choose_key, find_names, find_rate, shape_recording, to_values
from trainwright.domains.signals.reading.facts import Facts, Floats, distinct_names
from trainwright.domains.signals.reading.files import HANDLES, read_bytes, readable_at, size_of
from trainwright.domains.signals.reading.libraries import need
from trainwright.domains.signals.reading.reference import Reference
from trainwright.features.npy import Unreadable, read_array, read_header


def probe_npy(reference: Reference) -> Facts:
    """What the header of an `.npy` file says. Raises Unreadable."""
    shaped = shape_recording(read_header(reference.path).shape, reference.row, reference.layout)
    return _facts("NumPy", reference.path, shaped, [{"names": reference.names}])


def read_npy(reference: Reference, start: int, stop: int) -> Floats:
    """Samples of an `.npy` file, a large one mapped. Raises Unreadable."""
    array = read_array(reference.path)
    values = to_values(shape_recording(array.shape, reference.row, reference.layout).cut(array, start, stop))
    return values if reference.scale is None else values * np.float32(reference.scale)


def _facts(kind: str, path: str, shaped: Shaped, places: Iterable[Mapping[str, Any]]) -> Facts:
    places = list(places)
    names, said = distinct_names(find_names(places, shaped.channels))
    return Facts(kind, find_rate(places), names, shaped.length, warnings=said, files=(path,))


def _open_npz(path: str) -> dict[str, np.ndarray]:
    if read_bytes(path, 0, 2) != b"PK":
        raise Unreadable("it is no .npz archive" if size_of(path) else "it is empty")
    try:
        with np.load(readable_at(path), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, OSError, EOFError) as error:
        why = "it holds objects, which are not unpickled" if "pickle" in str(error).lower() else f"it is damaged: {error}"
        raise Unreadable(why) from error


def _of_npz(reference: Reference) -> tuple[dict[str, np.ndarray], str]:
    arrays = _open_npz(reference.path)
    return arrays, choose_key(
        [name for name, each in arrays.items() if each.ndim and each.size > 1 and each.dtype.kind in "biuf"], reference.key
    )


def probe_npz(reference: Reference) -> Facts:
    """What an `.npz` file holds; it is read, as its arrays may be compressed. Raises Unreadable."""
    arrays, key = _of_npz(reference)
    return _facts("NumPy", reference.path, shape_recording(arrays[key].shape, reference.row, reference.layout, f"'{key}'"), [arrays])


def read_npz(reference: Reference, start: int, stop: int) -> Floats:
    """Samples of an array of an `.npz` file. Raises Unreadable."""
    arrays, key = _of_npz(reference)
    return to_values(shape_recording(arrays[key].shape, reference.row, reference.layout, f"'{key}'").cut(arrays[key], start, stop))


class _Hdf5:
    """An open HDF5 file and the names of what it holds."""

    def __init__(self, path: str) -> None:
        h5py = need("h5py", "HDF5 files, MATLAB 7.3 among them,")
        if size_of(path) == 0:
            raise Unreadable("it is empty")
        try:
            self.file = h5py.File(readable_at(path), "r")
        except OSError as error:
            raise Unreadable(f"it is no HDF5 file, or cut off: {' '.join(str(error).split())[:150]}") from error
        self.matlab = "MATLAB_class" in next((each.attrs for each in self.file.values() if hasattr(each, "attrs")), {})
        self.keys = list[str]()
        self.scalars = dict[str, Any]()
        self.file.visititems(self._note)

    def _note(self, name: str, item: Any) -> None:
        if not hasattr(item, "shape") or item.shape is None or name.startswith("#refs#"):
            return
        if item.size == 1 or item.dtype.kind not in "biuf":
            if item.size <= 1000:
                self.scalars[name.rpartition("/")[2]] = item[()]
        else:
            self.keys.append(f"/{name}")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _of_hdf5(opened: _Hdf5, reference: Reference) -> tuple[Any, Shaped]:
    key = choose_key(opened.keys, reference.key)
    array = opened.file[key]
    layout = reference.layout
    if layout is not None and opened.matlab:  # written column by column: its axes come in reverse
        layout = "time,channels" if layout == "channels,time" else "channels,time"
    return array, shape_recording(array.shape, reference.row, layout, f"'{key}'")


def probe_hdf5(reference: Reference) -> Facts:
    """What an HDF5 file says of an array: rate and names are its attributes, the file's, or arrays beside it. Raises Unreadable."""
    with HANDLES.use(reference.path, _Hdf5) as opened:
        array, shaped = _of_hdf5(opened, reference)
        kind = "MATLAB 7.3" if opened.matlab else "HDF5"
        return _facts(kind, reference.path, shaped, [dict(array.attrs), dict(opened.file.attrs), opened.scalars])


def read_hdf5(reference: Reference, start: int, stop: int) -> Floats:
    """Samples of an array of an HDF5 file; its other samples are not read, but for those of the same chunk. Raises Unreadable."""
    with HANDLES.use(reference.path, _Hdf5) as opened:
        array, shaped = _of_hdf5(opened, reference)
        try:
            return to_values(shaped.cut(array, start, stop))
        except OSError as error:
            raise Unreadable(f"it is damaged: {' '.join(str(error).split())[:150]}") from error


def probe_mat(reference: Reference) -> Facts:
    """What a MATLAB file holds. Raises Unreadable."""
    if matlab.is_hdf5(reference.path):
        return probe_hdf5(reference)
    found = matlab.open_mat(reference.path, reference.key)
    return _facts(
        found.kind, reference.path, shape_recording(found.array.shape, reference.row, reference.layout, f"'{found.key}'"), [found.beside]
    )


def read_mat(reference: Reference, start: int, stop: int) -> Floats:
    """Samples of an array of a MATLAB file; only one of version 4 or 7.3 is read in part. Raises Unreadable."""
    if matlab.is_hdf5(reference.path):
        return read_hdf5(reference, start, stop)
    array = matlab.open_mat(reference.path, reference.key).array
    return to_values(shape_recording(array.shape, reference.row, reference.layout).cut(array, start, stop))
