"""The augmentation of Karras et al.: against scikit-image's warp, and what its conditions say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.domains.diffusion.augment.karras import (
    KarrasAugmentation,
    KarrasAugmentationPipeline,
    KarrasAugmentWrapper,
    conditions_of,
)
from trainwright.domains.diffusion.augment.options import AugmentOptions
from trainwright.domains.diffusion.augment.warp import warp

ALL = AugmentOptions(probability=1.0)


def uniform(rows: int, seed: int = 0) -> Tensor:
    return torch.rand(rows, KarrasAugmentation.draws, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pictures(rows: int = 4, height: int = 9, width: int = 12) -> Tensor:
    return torch.randn(rows, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def forwards(width: int, height: int, a: list[float]) -> np.ndarray:
    """The matrix of a picture as k-diffusion composes it, column and row for x and y, each side with its own length."""

    def move_state(x: float, y: float) -> np.ndarray:
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])

    def scaled(x: float, y: float) -> np.ndarray:
        return np.diag([x, y, 1])

    def turned(angle: float) -> np.ndarray:
        return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])

    factor, ratio = 2 ** (0.2 * a[2]), 2 ** (0.2 * a[5])
    steps = [
        move_state(width / 2 - 0.5, height / 2 - 0.5),
        scaled(1 - 2 * a[0], 1 - 2 * a[1]),
        scaled(factor, factor),
        turned(-a[3]),
        turned(a[4]) @ scaled(ratio, 1 / ratio) @ turned(-a[4]),
        move_state(width * a[6] / 8, height * a[7] / 8),
        move_state(-width / 2 + 0.5, -height / 2 + 0.5),
    ]
    return np.linalg.multi_dot(steps)


def test_pictures_are_those_of_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform")
    augmentation, x = KarrasAugmentation(ALL), pictures()
    augmented, conditions = augmentation(x, uniform(4))
    for row, drawn in enumerate(torch.stack(augmentation.draw(uniform(4)), dim=1).tolist()):
        matrix = forwards(12, 9, drawn)
        for channel in range(2):
            expected = transform.warp(x[row, channel].numpy(), np.linalg.inv(matrix), order=3, mode="reflect", clip=False)
            torch.testing.assert_close(augmented[row, channel], torch.from_numpy(expected), rtol=0, atol=1e-9)
        a = drawn
        expected_conditions = [
            a[0], a[1], a[2], math.cos(a[3]) - 1, math.sin(a[3]), a[5] * math.cos(a[4]), a[5] * math.sin(a[4]), a[6], a[7],
        ]  # fmt: skip
        torch.testing.assert_close(conditions[row], torch.tensor(expected_conditions, dtype=torch.float64))


def test_flips_are_exact() -> None:
    x, off = pictures(), torch.full((4, KarrasAugmentation.draws), 0.9, dtype=torch.float64)
    augmentation = KarrasAugmentation(AugmentOptions(probability=0.5))
    torch.testing.assert_close(augmentation(x, off)[0], x, rtol=0, atol=1e-12)
    assert augmentation(x, off)[1].abs().max() == 0
    flipped = off.clone()
    flipped[:, 0] = 0.1
    torch.testing.assert_close(augmentation(x, flipped)[0], x.flip(3), rtol=0, atol=1e-12)
    flipped[:, 1:3] = 0.1
    torch.testing.assert_close(augmentation(x, flipped)[0], x.flip(2, 3), rtol=0, atol=1e-12)
    assert augmentation(x, flipped)[1][0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_each_group_has_its_probability_and_the_conditions_their_spread() -> None:
    conditions = conditions_of(*KarrasAugmentation().draw(uniform(20000)))
    share = (conditions != 0).double().mean(0)
    expected = torch.tensor([0.5, 0.06, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12], dtype=torch.float64)
    torch.testing.assert_close(share, expected, rtol=0, atol=0.012)
    for column in (2, 7, 8):
        done = conditions[:, column][conditions[:, column] != 0]
        assert float(done.std()) == pytest.approx(1, abs=0.05)


def test_a_picture_depends_on_its_own_numbers_alone() -> None:
    augmentation, x, u = KarrasAugmentation(ALL), pictures(), uniform(4)
    whole, conditions = augmentation(x, u)
    alone, own = augmentation(x[2:3], u[2:3])
    assert torch.equal(whole[2:3], alone)
    assert torch.equal(conditions[2:3], own)


def test_float32_pictures_stay_so_and_far_places_are_mirrored() -> None:
    x = pictures().float()
    augmented, conditions = KarrasAugmentation(AugmentOptions(probability=1.0, translation=30.0))(x, uniform(4))
    assert augmented.dtype == conditions.dtype == torch.float32
    assert augmented.isfinite().all()
    assert augmented.abs().max() < 2 * x.abs().max()


def test_a_picture_of_one_pixel_can_be_warped() -> None:
    x = torch.ones(1, 1, 1, 1)
    torch.testing.assert_close(warp(x, torch.eye(3).reshape(1, 3, 3)), x)


def test_the_transform_of_one_picture_gives_what_k_diffusion_does() -> None:
    image = pytest.importorskip("PIL.Image")
    torch.manual_seed(0)
    gray = image.fromarray(np.arange(72, dtype=np.uint8).reshape(8, 9))
    augmented, original, conditions = KarrasAugmentationPipeline()(gray)
    assert augmented.shape == original.shape == (1, 8, 9)
    assert conditions.shape == (9,)
    torch.testing.assert_close(original[0], torch.arange(72).reshape(8, 9) / 127.5 - 1)
    assert KarrasAugmentationPipeline()(gray.convert("RGB"))[0].shape == (3, 8, 9)


def test_networks_without_conditions_of_augmentation_get_them_as_a_vector() -> None:
    class Heard(nn.Module):
        def forward(self, x: Tensor, sigma: Tensor, mapping_cond: Tensor) -> Tensor:
            return mapping_cond

    wrapper, x = KarrasAugmentWrapper(Heard()), pictures()
    assert wrapper(x, torch.ones(4)).tolist() == torch.zeros(4, 9).tolist()
    found = wrapper(x, torch.ones(4), aug_cond=torch.ones(4, 9), mapping_cond=torch.full((4, 2), 3.0))
    assert found[0].tolist() == [1.0] * 9 + [3.0] * 2


@pytest.mark.parametrize("shape", [(4, 3), (4, 1, 16)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="augment is for pictures alone"):
        KarrasAugmentation()(torch.ones(shape), uniform(4))
