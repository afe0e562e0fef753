"""Options of sources of pictures. Imports nothing that reads them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from trainwright.config.model import PartConfig, refusal
from trainwright.domains.images.classical.options import Measure


def named_pattern(text: str) -> str:
    """A regular expression with named groups; raises ValueError for what is none."""
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    if not found.groupindex:
        raise ValueError(r"it has no named group: name what is to be a column, (?P<person>\w+)_\d+")
    return text


Pattern = Annotated[str, AfterValidator(refusal(named_pattern))]


class ImageFolderOptions(PartConfig):
    """Pictures in a folder for each class; with folders for splits above them, with a table of what is known of each, or all in one."""

    type: str = "image_folder"
    path: str
    """The folder, or one picture."""
    layout: Literal["auto", "flat"] = "auto"
    """`auto`: folders of the first level are classes; `flat`: pictures of all folders, without classes."""
    splits: Literal["auto", "off"] = "auto"
    """Folders named train, val (valid, validation) and test: the given split (`auto`), or classes as others are (`off`)."""
    unknown: Literal["error", "drop"] = "error"
    """Classes of val and test that train lacks: stop with an `error`, or `drop` their pictures, which is told."""
    duplicates: Literal["error", "allow"] = "error"
    """Pictures of one content in two given splits: stop with an `error`, or `allow` them, which is told."""
    metadata: str = "auto"
    """A table with `file_name` and what is known of each picture: `auto` finds `metadata.csv`, `.jsonl` or `.parquet`, `off` none."""
    pattern: Pattern | None = None
    r"""What names of files say: a regular expression whose named groups are columns: `(?P<person>[^_]+)_\d+`."""
    group: str | None = None
    """The column whose pictures are never divided between splits, such as a person."""
    measures: list[Measure] = []
    """Numbers about each picture as columns beside it: `moments`, `contours`, `edges`, `lines`, `circles`, a few each; `hog`, one column
    of 1,764. Measured once by scikit-image, and kept on disk."""


class ImageMasksOptions(PartConfig):
    """Pictures and their masks in parallel folders, `images/` and `masks/`, also below or above folders for splits."""

    type: str = "image_masks"
    path: str
    """The folder."""
    images: str | None = None
    """The name of the folder of pictures; default: `images`, or what else is usual."""
    masks: str | None = None
    """The name of the folder of masks; default: `masks`, or what else is usual (`labels`, `annotations`)."""
    mask_suffix: str = ""
    """What names of masks have at their end that those of pictures have not: `_mask` for `1.jpg` and `1_mask.png`."""
    unpaired: Literal["error", "skip"] = "error"
    """Pictures without a mask and masks without a picture: stop with an `error` that lists both, or `skip` them, which is told."""


class IdxOptions(PartConfig):
    """MNIST's idx files, plain or `.gz`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`."""

    type: str = "idx"
    path: str
    """The folder, or the file of pictures."""


class CIFAROptions(PartConfig):
    """The binary version of CIFAR-10 or CIFAR-100."""

    type: str = "cifar"
    path: str
    """The folder, or one file of it."""


class ArrayOptions(PartConfig):
    """Arrays of pictures in a `.npy` or `.npz` file: (rows, height, width) or with channels last or second."""

    type: str = "image_array"
    path: str
    """The file."""
    images: str | None = None
    """The array of pictures in a `.npz`; default: `images`, `x` and such; `train_images`, `x_test` are a split."""
    labels: str | None = None
    """The array of labels in a `.npz`, or a `.npy` file of labels for one of pictures; default: `labels`, `y` and such of a `.npz`."""


class TarOptions(PartConfig):
    """Tar shards as WebDataset writes them: `0001.jpg`, `0001.cls`, `0001.json` are a row."""

    type: str = "tar"
    path: str
    """A shard, several by braces (`train-{000..146}.tar`) or a pattern (`train-*.tar`), or a folder of them."""


class ImageTableOptions(PartConfig):
    """Parquet or Arrow files with pictures as bytes, as Hugging Face has them; a folder that `save_to_disk` wrote."""

    type: str = "image_table"
    path: str
    """The file, a pattern, or the folder."""
