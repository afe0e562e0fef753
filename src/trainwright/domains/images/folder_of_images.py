"""Pictures of a folder as a dataset without labels, and the transform of rows of a Hugging Face dataset: k-diffusion's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from trainwright.config.errors import ConfigError, DataError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
"""Names of files end in one of these, in any case."""


def keep_as_it_is(picture: Any) -> Any:
    """The picture itself; a function with a name, since workers are sent it."""
    return picture


class FolderOfImages(Dataset[tuple[Any]]):
    """The pictures in a folder and below it, in the order of their paths, as RGB; there are no labels.

    An index gives a tuple of one, the picture under `transform`; a slice a list of such tuples. Raises DataError for a folder that is not
    there, or that has no picture, and naming the file for a picture that cannot be read.
    """

    def __init__(self, root: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None) -> None:
        self.root = Path(root)
        self.transform = keep_as_it_is if transform is None else transform
        if not self.root.is_dir():
            raise DataError(f"there is no folder '{self.root}'", where="FolderOfImages", fix="name a folder with pictures in it")
        self.paths = sorted(each for each in self.root.rglob("*") if each.suffix.lower() in EXTENSIONS and each.is_file())
        if not self.paths:
            fix = f"names of pictures end in {', '.join(sorted(EXTENSIONS))}"
            raise DataError(f"no picture in '{self.root}'", where="FolderOfImages", fix=fix)

    def __repr__(self) -> str:
        return f'FolderOfImages(root="{self.root}", len: {len(self)})'

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self._read(each) for each in self.paths[key]]
        return self._read(self.paths[key])

    def _read(self, path: Path) -> tuple[Any]:
        try:
            from PIL import Image
        except ImportError as error:
            raise ConfigError("pictures are read by the library Pillow", why=str(error), fix="pip install 'trainwright[images]'") from error
        try:
            with open(path, "rb") as file:
                picture = Image.open(file).convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            fix = "write it again, or take it out of the folder"
            raise DataError("a picture cannot be read", where=str(path), why=str(error), fix=fix) from error
        return (self.transform(picture),)


def hf_datasets_augs_helper(
    examples: Mapping[str, Sequence[Any]], transform: Callable[[Any], Any], image_key: str, mode: str = "RGB"
) -> dict[str, list[Any]]:
    """Pictures of rows of a Hugging Face dataset, converted to a mode of Pillow's and transformed: `{image_key: [one for each row]}`.

    For `dataset.set_transform(partial(hf_datasets_augs_helper, transform=…, image_key="image"))`. Raises DataError for rows without it.
    """
    if image_key not in examples:
        fix = f"rows have: {', '.join(map(str, examples))}"
        raise DataError(f"rows have no '{image_key}'", where="hf_datasets_augs_helper", fix=fix)
    return {image_key: [transform(each.convert(mode)) for each in examples[image_key]]}
