"""A picture is fitted without torch to the bit as the transform `fit` does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainwright.domains.images.resizing import FILTERS, fit_pixels
from trainwright.domains.images.transforms.fit import Fit
from trainwright.domains.images.transforms.options import FitOptions

SIDES = st.integers(1, 40)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@given(
    height=SIDES, width=SIDES, wanted=st.tuples(SIDES, SIDES), channels=st.sampled_from([1, 2, 3, 4]),
    kept=st.sampled_from([1.0, 0.875]), interpolation=st.sampled_from(sorted(FILTERS)), fill=st.sampled_from([0.0, 77.0]),
)  # fmt: skip
def test_pixels_are_those_of_the_transform(
    resize: str, height: int, width: int, wanted: tuple[int, int], channels: int, kept: float, interpolation: str, fill: float
) -> None:
    pixels = np.random.default_rng(height * 41 + width).integers(0, 256, (channels, height, width), dtype=np.uint8)
    options = FitOptions.model_validate(
        {"size": list(wanted), "resize": resize, "crop_pct": kept, "interpolation": interpolation, "fill": fill}
    )
    expected = Fit(options)(torch.from_numpy(pixels.copy()))
    found = fit_pixels(pixels, wanted, resize, kept, interpolation, fill)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected.numpy())
