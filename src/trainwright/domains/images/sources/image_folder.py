"""Pictures in a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.domains.images.sources.options import ImageFolderOptions

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2")


class ImageFolder(TableSource):
    """A row for each picture: `file`, `image`, and `label`, the first folder it lies in."""

    def __init__(self, options: ImageFolderOptions, memory_limit: int) -> None:
        path = Path(options.path).expanduser().absolute()
        root, files = (path.parent, [path]) if path.is_file() else (path, sorted(e for e in walk(path) if e.suffix.lower() in PICTURES))
        if not files:
            raise DataError(f"no picture in '{options.path}'", where="data.source", fix=f"names of pictures end in {', '.join(PICTURES)}")
        parts = [each.relative_to(root).parts for each in files]
        labels = {"label": [each[0] for each in parts]} if all(len(each) > 1 for each in parts) else {}
        columns = {"file": [str(each.relative_to(root)) for each in files], "image": [str(each) for each in files], **labels}
        classes = {"label": {"type": "category"}} if labels else {}
        super().__init__(
            pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}),
            options.path,
            default_targets=list(labels),
            files=files,
            columns={"file": {"type": "ignore"}, "image": {"type": "image"}, **classes},
            named_by=["file"],
        )


def walk(folder: Path) -> Iterator[Path]:
    """The files in a folder and below, hidden ones left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith((".", "__MACOSX")))
        yield from (Path(place, each) for each in files if not each.startswith("."))
