"""What is told where a transform of another library is used. Imports no torch."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.data.transforms import FunctionOptions, on_device
from trainwright.domains.images.transforms.options import PictureTransformConfig

LIBRARIES = ("torchvision", "timm", "albumentations")
"""Whose transforms are known: what they take, and where their randomness comes from."""
RESIZING = re.compile("Resize|ScaleJitter|ShortestSize")


class LibraryTransformOptions(PictureTransformConfig):
    """A transform of torchvision, timm or albumentations; `type: torchvision.transforms.v2.RandomRotation` says the same."""

    type: str = "library_transform"
    main: ClassVar[str] = "call"
    for_masks: ClassVar[bool] = False
    call: str
    """Its dotted path."""
    arguments: dict[str, Any] = Field(default={})
    """What it is made with."""

    @property
    def makes_size(self) -> bool:
        return RESIZING.search(self.call.rpartition(".")[2]) is not None


def of_library(options: PartConfig) -> PartConfig:
    """A function of a chain as the transform of a library that it is; anything else as it is."""
    if not isinstance(options, FunctionOptions) or on_device(options) or options.call.partition(".")[0] not in LIBRARIES:
        return options
    return LibraryTransformOptions(call=options.call, arguments=options.arguments, applies_in=options.applies_in)
