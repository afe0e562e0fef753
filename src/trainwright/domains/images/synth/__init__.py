"""Made pictures whose rule is known, written as real files. Imports nothing that draws them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.synth"

SYNTH = {
    "pictures": Part(f"{_HERE}.pictures:write_pictures", f"{_HERE}.options:PicturesOptions", "signs drawn by several people, in folders"),
    "houses": Part(f"{_HERE}.houses:write_houses", f"{_HERE}.options:HousesOptions", "a photograph beside two numbers, and a price"),
    "shapes": Part(f"{_HERE}.shapes:write_shapes", f"{_HERE}.options:ShapesOptions", "drawn shapes, and the class of every pixel"),
}
"""NAME of `trainwright synth NAME` → what writes it."""
