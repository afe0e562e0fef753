"""The libraries that decode pictures, imported when the first is read."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from trainwright.config.errors import ConfigError

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "DIB", "PCX", "SGI", "QOI", "DDS", "PSD"),
)
"""Of the formats that Pillow reads those that hold pixels: others call programs (EPS) or draw (WMF)."""
_LIMIT = threading.RLock()


@lru_cache(maxsize=1)
def pillow() -> Any:
    """Pillow's module `Image`; raises ConfigError, saying how to get it, where it is not installed."""
    try:
        found = import_module("PIL.Image")
    except ImportError as error:
        fix = "pip install 'trainwright[images]'"
        raise ConfigError("pictures are read by the library Pillow, which is not installed", why=str(error), fix=fix) from error
    # What Pillow warns of is told of the file by name, and counted; its warnings name none.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    return found


@lru_cache(maxsize=1)
def simplejpeg() -> Any | None:
    """The library simplejpeg, which gives Pillow's pixels sooner; None where it is not installed or does not load."""
    try:
        return import_module("simplejpeg")
    except (ImportError, OSError, RuntimeError):
        return None


@contextmanager
def without_limit() -> Iterator[None]:
    """Pillow's own limit of pixels put aside, which warns without a name at one size and refuses at another; ours is asked instead."""
    image = pillow()
    with _LIMIT:
        before, image.MAX_IMAGE_PIXELS = image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            image.MAX_IMAGE_PIXELS = before
