"""Where pictures come from. Imports nothing that reads them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.sources"


def _part(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "image_folder": _part(
        "image_folder:ImageFolder", "ImageFolderOptions", "pictures in a folder for each class, split folders above them"
    ),
    "image_masks": _part("image_masks:ImageMasks", "ImageMasksOptions", "pictures, and their masks in a parallel folder"),
    "idx": _part("array_rows:IdxFiles", "IdxOptions", "MNIST's idx files, plain or .gz"),
    "cifar": _part("array_rows:CIFARFiles", "CIFAROptions", "the binary version of CIFAR-10 or CIFAR-100"),
    "image_array": _part("array_rows:ArrayFile", "ArrayOptions", "arrays of pictures in a .npy or .npz file"),
    "tar": _part("tar:TarShards", "TarOptions", "tar shards as WebDataset writes them, indexed once"),
    "image_table": _part(
        "byte_tables:ImageTable", "ImageTableOptions", "Parquet and Arrow files with pictures as bytes, sets of Hugging Face"
    ),
}
"""Registry name → source."""
