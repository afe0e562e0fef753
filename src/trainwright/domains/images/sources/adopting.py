"""Objects in memory that are pictures: sets of Hugging Face, and folders as k-diffusion reads them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.domains.images.sources.byte_tables import adopt_set

FOLDERS = "trainwright.domains.images.folder_of_images"
"""The module of `FolderOfImages`, which is not imported to look at an object: it needs torch."""


def adopt(data: Any) -> TableSource | None:
    """The rows of a `datasets.Dataset` that has pictures, or of a `FolderOfImages`; None for any other object."""
    return adopt_folder(data) if type(data).__module__ == FOLDERS and hasattr(data, "paths") else adopt_set(data)


def adopt_folder(data: Any) -> TableSource:
    """The pictures of a `FolderOfImages` as a column `image`. Raises DataError for one with a transform, which a run could not repeat."""
    if data.transform.__module__ != FOLDERS:
        why = "what is done with pictures stands in a run's configuration, so that it can be repeated"
        fix = "leave the transform out, and say size, augment and transform of the column `image`"
        raise DataError("a FolderOfImages with a transform of its own was given", where="tw.train", why=why, fix=fix)
    files = [each.absolute() for each in data.paths]
    table = pa.table({"image": [str(each) for each in files]})
    return TableSource(table, str(data.root), files=files, columns={"image": {"type": "image"}})
