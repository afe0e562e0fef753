"""Pictures of Pillow as tensors between −1 and 1, and back; after k-diffusion's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE = 255
CHANNELS = (1, 3, 4)


def from_pil_image(picture: Image) -> Tensor:
    """A picture in gray, RGB or RGBA as float32 (channels, height, width) between −1 (black) and 1 (white).

    Raises RequestError for other modes, such as a palette: `picture.convert("RGB")` first.
    """
    if picture.mode not in ("L", "RGB", "RGBA"):
        what, why = f"a picture of mode '{picture.mode}' is not taken as it is", "its numbers are no levels of gray or colours"
        raise RequestError(what, where="from_pil_image", why=why, fix='convert it: picture.convert("RGB")')
    values = torch.from_numpy(np.array(picture, dtype=np.float32)) / WHITE * 2 - 1
    return values[None] if values.dim() == 2 else values.permute(2, 0, 1).contiguous()


def to_pil_image(x: Tensor) -> Image:
    """(channels, height, width), (height, width), or one such in a batch, between −1 and 1, as a picture of 8 bits; beyond is cut off.

    Levels are rounded, so that a picture comes back as it was; k-diffusion rounds down. Raises RequestError for other shapes.
    """
    from PIL import Image

    values = x[0] if x.dim() == 4 and len(x) == 1 else x
    values = values[None] if values.dim() == 2 else values
    if values.dim() != 3 or values.shape[0] not in CHANNELS:
        what = f"a tensor of {tuple(x.shape)} is no picture"
        raise RequestError(what, where="to_pil_image", fix="give one of (channels, height, width), of 1, 3 or 4 channels")
    levels = ((values.detach().float().cpu().clamp(-1, 1) + 1) * (WHITE / 2)).round().to(torch.uint8)
    return Image.fromarray(levels[0].numpy() if len(levels) == 1 else levels.permute(1, 2, 0).contiguous().numpy())
