"""What `trainwright view` is told of pictures. Imports no torch and no Pillow."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig


class PicturesViewOptions(PartConfig):
    """What is shown of a folder of pictures, or of one."""

    type: str = "pictures"
    tiles: int = Field(default=24, ge=1, le=60)
    """Pictures that are shown, of each class as many."""
    most: int = Field(default=2000, ge=1)
    """Pictures that are decoded to find what is wrong with them and which are copies, evenly over the folder."""
