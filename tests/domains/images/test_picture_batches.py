"""Boxes erased, sizes that grow, flips that alternate, and rows that come several times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build
from trainwright.data.draws import PLACE
from trainwright.data.order import epoch_order
from trainwright.data.rows import TensorRows
from trainwright.data.sampled_rows import RepeatedRows, repeat_rows
from trainwright.data.transforms import RandomCropOptions
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.data.transforms.place import BatchPlace
from trainwright.domains.images.transforms.batches.erasing import TRIES, RandomErasing
from trainwright.domains.images.transforms.batches.flipping import is_flipped
from trainwright.domains.images.transforms.batches.options import (
    AlternatingFlipOptions,
    CutoutOptions,
    ProgressiveResizeOptions,
    RandomErasingOptions,
)
from trainwright.domains.images.transforms.batches.sizes import ProgressiveResize, chances
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.batch_transforms import SupervisedTransforms

OF_TIMM = [(0.2574923795879614, 0.8259183888888108, 16, 16, 30, 36), (0.3169859459452628, 0.3437639026505357, 5, 2, 21, 61)]
"""Area, height over width, top, left, height and width of timm 1.0.31's RandomErasing on 64 × 64."""
OF_TORCHVISION = [(0.1738395392894745, 1.8929617404937744, 21, 10, 37, 19), (0.021321691572666168, 0.38642072677612305, 25, 17, 6, 15)]
"""The same of torchvision 0.24.1."""


def numbers_of(options: RandomErasingOptions, row: tuple[float, ...]) -> Tensor:
    """The uniform numbers that give a box, after a first one that does not fit."""
    area, ratio, top, left, tall, wide = row
    low, high = (math.log(each) for each in options.ratio)
    scale = (area - options.scale[0]) / (options.scale[1] - options.scale[0])
    numbers = torch.zeros(1, 2 + 2 * TRIES + 2, dtype=torch.float64)
    numbers[0, 2], numbers[0, 3] = 0.9999, scale
    numbers[0, 2 + TRIES], numbers[0, 3 + TRIES] = 0.9999, (math.log(ratio) - low) / (high - low)
    numbers[0, -2], numbers[0, -1] = (top + 0.5) / (64 - tall + 1), (left + 0.5) / (64 - wide + 1)
    return numbers


@pytest.mark.parametrize("row", [*OF_TIMM, *OF_TORCHVISION], ids=str)
def test_boxes_are_those_of_timm_and_torchvision(row: tuple[float, ...]) -> None:
    more: dict[str, Any] = {} if row in OF_TIMM else {"scale": [0.02, 0.33], "ratio": [0.3, 3.3]}
    options = RandomErasingOptions(p=1.0, **more)
    assert RandomErasing(options).boxes(numbers_of(options, row), 64, 64)[0, 0].tolist() == list(row[2:])


@pytest.mark.parametrize("mode", ["const", "rand", "pixel"])
@pytest.mark.parametrize("count", [1, 3])
def test_as_much_is_erased_as_is_asked_for(mode: Any, count: int) -> None:
    options = RandomErasingOptions(p=0.5, mode=mode, count=count)
    batch = torch.full((400, 3, 32, 32), 5.0)
    seed_of(1)("x")
    found = build("transform", options)(batch)
    changed = (found != 5).any(dim=1)
    share = changed.float().mean(dim=(1, 2))
    assert abs(float((share > 0).float().mean()) - 0.5) < 0.08
    assert 0.1 < float(share[share > 0].mean()) < 0.19
    values = found[:, 0][changed]
    row = found[(share > 0).nonzero()[0, 0], 0][changed[(share > 0).nonzero()[0, 0]]]
    assert mode != "const" or bool((values == 0).all())
    assert mode != "rand" or len(row.unique()) <= count
    assert mode != "pixel" or (abs(float(values.mean())) < 0.05 and abs(float(values.std()) - 1) < 0.05)
    seed_of(1)("x")
    assert torch.equal(build("transform", options)(batch), found)


def test_values_of_channels_are_put_into_boxes() -> None:
    found = build("transform", RandomErasingOptions(p=1.0, mode="const", value=[1.0, 2.0, 3.0]))(torch.zeros(8, 3, 16, 16))
    assert found.unique().tolist() == [0.0, 1.0, 2.0, 3.0] and found[:, 1].unique().tolist() == [0.0, 2.0]
    with pytest.raises(DataError, match="2 values"):
        build("transform", RandomErasingOptions(p=1.0, mode="const", value=[1.0, 2.0]))(torch.zeros(8, 3, 16, 16))


def test_squares_are_cut_off_at_the_edges() -> None:
    found = build("transform", CutoutOptions(size=8))(torch.ones(300, 3, 32, 32))
    gone = (found == 0).all(dim=1).flatten(1).sum(dim=1)
    assert int(gone.max()) == 64 and int(gone.min()) >= 16 and bool((gone < 64).any())
    assert torch.equal(found.unique(), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    "given", [{"scale": [1.0, 0.08]}, {"scale": [0.1, 1.5]}, {"mode": "pixel", "value": 3.0}, {"count": 1, "least_count": 2}]
)
def test_mistakes_of_erasing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RandomErasingOptions.model_validate(given)


def test_a_picture_is_padded_and_cut_at_a_drawn_place() -> None:
    crop = build("transform", RandomCropOptions(size=[32, 32], padding=4))
    picture = torch.arange(1, 1 + 32 * 32, dtype=torch.int32).view(1, 32, 32).float()
    places = set()
    for seed in range(40):
        torch.manual_seed(seed)
        found = crop(picture)
        torch.manual_seed(seed)
        mask = crop(picture[0].long())
        assert found.shape == (1, 32, 32) and torch.equal(found[0][mask >= 0].long(), mask[mask >= 0])
        assert bool((found[0][mask == -100] == 0).all())
        places.add(tuple(found[0, 16, 16:18].tolist()))
    assert len(places) > 20
    row = torch.arange(5).float()
    mirrored = build("transform", RandomCropOptions(size=9, padding=2, padding_mode="reflect"))(row)
    assert mirrored.tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]
    repeated = build("transform", RandomCropOptions(size=9, padding=2, padding_mode="edge"))(row)
    assert repeated.tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4]


def test_a_picture_is_flipped_in_every_other_epoch_and_its_mask_and_boxes_with_it() -> None:
    flip, mask = build("transform", AlternatingFlipOptions()), build("transform", AlternatingFlipOptions(on="mask"))
    picture = torch.arange(12).view(1, 3, 4)
    starts = []
    for row in range(20):
        seen = []
        for epoch in range(4):
            PLACE.seed, PLACE.epoch, PLACE.number = 7, epoch, row
            flipped = bool(torch.equal(flip(picture), picture.flip(-1)))
            assert torch.equal(mask(picture[0]), flip(picture)[0])
            seen.append(flipped)
        assert seen[0] != seen[1] and seen[:2] == seen[2:]
        starts.append(seen[0])
    assert 4 < sum(starts) < 16
    assert is_flipped(7, 0, 3) != is_flipped(7, 0, 3, again=1)
    assert flip.boxes(torch.tensor([[0.0, 1, 3, 2]]), (3, 4), [1.0]).tolist() == [[1, 1, 4, 2]]


def test_a_size_grows_in_a_straight_line_and_stays() -> None:
    grow = ProgressiveResize(ProgressiveResizeOptions())
    sides = []
    for share in (0.0, 0.2, 0.4, 0.8, 0.9, 1.0):
        grow.tell_place(BatchPlace(0, 0.0, share))
        sides.append(grow(torch.rand(2, 3, 64, 64)).shape[-1])
    assert sides == [32, 40, 48, 64, 64, 64]
    grow.tell_place(BatchPlace(0, 0.0, 0.0))
    assert grow(torch.rand(2, 3, 30, 64)).shape == (2, 3, 16, 32)
    small = ProgressiveResize(ProgressiveResizeOptions(initial_scale=0.714, final_scale=0.714))
    for share in (0.0, 1.0):
        small.tell_place(BatchPlace(0, 0.0, share))
        assert small(torch.rand(1, 3, 224, 224)).shape == (1, 3, 160, 160)


def test_one_of_several_sizes_is_drawn_as_timm_draws_it() -> None:
    """exp(-½((place - middle) / spread)²), and a tenth of all alike."""
    found = np.array(chances(3, 0.5, 0.65, 0.1))
    bell = np.exp(-0.5 * ((np.arange(3) - 1.0) / 0.65) ** 2)
    np.testing.assert_allclose(found, 0.9 * bell / bell.sum() + 0.1 / 3)
    assert chances(4, 1.0, 0.0, 0.0) == [0, 0, 0, 1]
    grow = ProgressiveResize(ProgressiveResizeOptions(sizes=[0.5, 0.75, 1.0]))
    means = []
    for share in (0.0, 0.4, 0.8):
        grow.tell_place(BatchPlace(0, 0.0, share))
        drawn = []
        for key in range(100):
            seed_of(key)("x")
            drawn.append(grow(torch.zeros(1, 1, 64, 64)).shape[-1])
        assert set(drawn) <= {32, 48, 64}
        means.append(np.mean(drawn))
    assert means[0] < means[1] < means[2]


def test_growing_pictures_need_a_target_without_positions_and_pass_the_check_of_shapes() -> None:
    options = ProgressiveResizeOptions()
    group = InputGroup("photo", "image", ["photo"], None, {"value": (1, 3, 16, 16)}, extras={"transform": [[options]]})
    batch = {"photo.value": torch.rand(4, 1, 3, 16, 16), "target.y": torch.arange(4)}
    transforms = SupervisedTransforms(DataSpec([group], [TargetSpec("y", "category", 4, classes=list("abcd"))], 9))
    transforms.ensure_mixable(batch)
    assert not transforms.by_row
    transforms.tell_place(BatchPlace(0, 0.0, 0.0))
    found = transforms.in_training(batch, seed_of(1))
    assert found["photo.value"].shape[-1] == 8
    transforms.ensure_fits(batch, found)
    mask = TargetSpec("y", "category", 4, classes=list("abcd"), positions=(16, 16))
    with pytest.raises(ConfigError, match="changes its size"):
        SupervisedTransforms(DataSpec([group], [mask], 9)).ensure_mixable(batch)


@pytest.mark.parametrize("given", [{"initial_scale": 0.0}, {"sizes": [0.5]}, {"sizes": [0.5, 1.0], "initial_scale": 0.7}, {"until": "3 h"}])
def test_mistakes_of_growing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProgressiveResizeOptions.model_validate(given)


def test_copies_of_a_row_stand_together_and_an_epoch_sees_a_part_of_the_rows() -> None:
    rows = RepeatedRows(TensorRows({"x": torch.arange(100)}), 3, 100)
    seen = []
    for epoch in range(2):
        rows.begin_epoch(5, epoch)
        order = epoch_order(5, epoch, 100)
        found = torch.cat([rows.take(each)["x"] for each in order.split(30)])  # type: ignore[index]
        assert torch.equal(found[:99].view(33, 3), found[:99:3, None].expand(33, 3))
        assert len(found.unique()) == 34
        seen.append(found)
    assert not torch.equal(seen[0], seen[1])
    assert np.array_equal(repeat_rows(10, 2, 10, 1, 0), repeat_rows(10, 2, 10, 1, 0))
    with pytest.raises(ValidationError):
        from trainwright.data.config import SamplingConfig

        SamplingConfig(by="class", repeats=3)
