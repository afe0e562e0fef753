"""Pictures of Pillow as tensors, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from trainwright import diffusion
from trainwright.config.errors import RequestError


def test_pictures_of_pillow_come_back_as_they_were() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for array in (pixels, np.stack([pixels, pixels.T, 255 - pixels], axis=2)):
        x = diffusion.from_pil_image(Image.fromarray(array))
        assert x.dim() == 3 and float(x.min()) == -1 and float(x.max()) == 1
        assert np.array_equal(np.asarray(diffusion.to_pil_image(x)), array)
        cut = np.asarray(diffusion.to_pil_image(x[None] * 1e6))
        assert np.array_equal(cut[array < 127], 0 * cut[array < 127]) and (cut[array > 128] == 255).all()


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(RequestError, match="mode 'P'"):
        diffusion.from_pil_image(Image.new("P", (2, 2)))
    with pytest.raises(RequestError, match=r"\(2, 3, 4, 4\)"):
        diffusion.to_pil_image(torch.zeros(2, 3, 4, 4))
