"""Encoders of pictures: from `(b, columns, channels, height, width)` to tokens. This table imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.models"


def _encoder(path: str, options: str, summary: str) -> Part:
    """An encoder of this package; its options are imported when they are first asked for."""
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "small_cnn": _encoder("small_cnn:SmallCNN", "SmallCNNOptions", "convolutions at falling size, for few pictures or small ones"),
}
