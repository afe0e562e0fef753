"""Media files that are whole or not there, and images in the format that their name says."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.files.text import refusal
from trainwright.files.whole import whole_file
from trainwright.runs.media.optional import import_needed

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
OPAQUE = ("JPEG", "BMP")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which becomes `path` when all went well. Raises RunError when the disk refuses."""
    try:
        with whole_file(path) as temporary:
            yield temporary
    except OSError as error:
        raise refusal(error, path) from error


def inside(folder: Path, filename: str | os.PathLike[str]) -> Path:
    """The path of `filename` below `folder`; raises ConfigError when it would lie elsewhere, or is no name."""
    path, root = folder / filename, folder.resolve()
    target = path.resolve()
    if not target.is_relative_to(root) or target == root:
        fix = "give a name below it, such as 'it100/view.png'"
        raise ConfigError(f"'{os.fspath(filename)}' is no place in the media folder", where=str(folder), fix=fix)
    return path


def with_suffix(filename: str | os.PathLike[str], suffixes: tuple[str, ...], what: str) -> str:
    """The name, with the first of the suffixes when it has none; raises ConfigError when it has another."""
    name = os.fspath(filename)
    suffix = Path(name).suffix.lower()
    if suffix in suffixes:
        return name
    if suffix and suffix[1:].isalpha():
        raise ConfigError(f"'{name}' is no name of {what}", fix=f"end it with {', '.join(suffixes)}")
    return name + suffixes[0]


def write_image(path: Path, pixels: np.ndarray, suffix: str = "") -> Path:
    """Write (H, W), (H, W, 3) or (H, W, 4) pixels, uint8 (or uint16 for (H, W) as PNG), in the format of `suffix`, or the path's."""
    library = import_needed("PIL.Image", "saving images")
    kind = FORMATS[(suffix or path.suffix).lower()]
    image = library.fromarray(np.ascontiguousarray(pixels))
    if kind in OPAQUE and image.mode == "RGBA":
        raise ConfigError(f"{kind} has no transparency", where=path.name, fix="name it .png, or leave the fourth channel out")
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    with whole(path) as temporary:
        image.save(temporary, format=kind, **options)
    return path


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays by name; numpy's own `savez` takes no array called `file`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return path
