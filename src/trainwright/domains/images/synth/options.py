"""What made pictures are told."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig


class PicturesOptions(PartConfig):
    """Signs of six classes drawn by several people, each with a pen and paper of their own, in a folder for each class."""

    type: str = "pictures"
    people: int = Field(default=12, ge=5, le=999)
    """Who draws: each has colours, a width and a slant."""
    takes: int = Field(default=8, ge=1, le=999)
    """Pictures of each class by each of them."""
    size: int = Field(default=64, ge=8, le=1024)
    """Height and width, in pixels."""
    splits: bool = False
    """Folders train, val and test above those of the classes, each with other people."""
    broken: int = Field(default=0, ge=0, le=1000)
    """Files more that cannot be read as they are: half of one, empty, a page, without the first bytes."""


class HousesOptions(PartConfig):
    """Houses with area and distance in `metadata.csv` and the rest in a photograph: the price needs both."""

    type: str = "houses"
    rows: int = Field(default=800, ge=20, le=1_000_000)
    """How many."""
    size: int = Field(default=48, ge=16, le=1024)
    """Height and width of the photographs, in pixels."""


class ShapesOptions(PartConfig):
    """Discs, squares and triangles on a noisy ground, and masks of them."""

    type: str = "shapes"
    pictures: int = Field(default=1500, ge=1)
    """How many are drawn."""
    size: int = Field(default=48, ge=8, le=1024)
    """Height and width, in pixels."""
