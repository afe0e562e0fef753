"""Pictures as a model takes them: decoded and brought to one size as in training, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trainwright.deploy.host.description import Column
from trainwright.deploy.host.files import FileReader, TooLarge
from trainwright.deploy.host.readers import Parts
from trainwright.domains.images.reading.decoding import TooManyPixels, decode_content
from trainwright.domains.images.reading.options import Decoding
from trainwright.domains.images.reading.reference import split_reference
from trainwright.domains.images.resizing import fit_pixels

UPLOAD = split_reference("upload")
FINE = np.float32(255)


def too_large(error: TooManyPixels, limited: bool) -> TooLarge:
    """The refusal of a picture; `limited` where the limit is a server's, and not that of training."""
    whose = "this server takes" if limited else "the model was trained to take"
    return TooLarge(f"it has {error.size} pixels, and {whose} {error.most:,}{' (--max-pixels)' if limited else ''}")


class PictureReader(FileReader):
    """uint8 `(b, channels, height, width)`, or float32 of 0 to 255 where finer levels are kept; and which rows have none."""

    wanted, such = "a picture", '{"base64": "…"}'
    limited = False
    """Whether a server limits pixels, and not training."""
    accept = ".jpg,.jpeg,.png,.webp,.gif,.bmp,.tif,.tiff"

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self.decoding = Decoding(**column.option("reading", {}))
        self.fine = self.decoding.levels == "float32"
        self.fit: dict[str, Any] | None = None if self.fine else self.further.drop("fit")

    @property
    def axes(self) -> list[Any]:
        return ["channel", "height", "width"]

    def limit(self, pixels: int) -> None:
        self.limited = pixels < self.decoding.max_pixels
        self.decoding = replace(self.decoding, max_pixels=min(pixels, self.decoding.max_pixels))

    def array(self, content: bytes) -> np.ndarray:
        try:
            pixels = decode_content(content, UPLOAD, self.decoding).pixels
        except TooManyPixels as error:
            raise too_large(error, self.limited) from error
        if self.fit is None:
            return pixels.astype(np.float32) / FINE if self.fine else pixels
        size = self.fit["size"]
        wanted = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        return fit_pixels(pixels, wanted, self.fit["resize"], self.fit["crop_pct"], self.fit["interpolation"], self.fit["fill"])

    def join(self, arrays: Sequence[np.ndarray | None]) -> Parts:
        kind = np.float32 if self.fine else np.uint8
        mean = np.array(self.column.option("mean", [0.0]), np.float32).reshape(-1, 1, 1)
        empty = np.broadcast_to(mean if self.fine else np.rint(mean), [int(each) for each in self.shape])
        values = np.stack([empty if each is None else each * FINE if self.fine else each for each in arrays]).astype(kind)
        return {"": values, "missing": self.missing(arrays)}
