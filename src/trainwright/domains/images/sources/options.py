"""Options of sources of pictures. Imports nothing that reads them."""

from __future__ import annotations

from trainwright.config.model import PartConfig


class ImageFolderOptions(PartConfig):
    """Pictures in a folder for each class."""

    type: str = "image_folder"
    path: str
    """The folder, or one picture."""
