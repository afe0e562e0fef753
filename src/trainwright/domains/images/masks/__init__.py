"""Masks: the class of every pixel of a picture, as a column that is predicted. Imports neither torch nor Pillow."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.masks"

DECODERS: dict[str, Part] = {
    "unet": Part(f"{_HERE}.unet:UNetDecoder", f"{_HERE}.options:UNetDecoderOptions", "a class at every pixel, from maps of several scales"),
}
