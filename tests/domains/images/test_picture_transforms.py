"""Transforms of pictures: masks and boxes by the same numbers, draws as torchvision's, batches row by row, options that are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from domains.images.golden_pictures import FOLDER, picture, wide_picture
from trainwright.config.errors import ConfigError, DataError, ManyErrors
from trainwright.config.model import PartConfig
from trainwright.config.registry import build, options_class
from trainwright.domains.images.augmentation import default_augmentation
from trainwright.domains.images.transforms import PARTS, functions, tensors
from trainwright.domains.images.transforms.base import PictureTransform
from trainwright.domains.images.transforms.colors import in_turn, order_of
from trainwright.domains.images.transforms.crops import random_box
from trainwright.domains.images.transforms.options import PictureTransformConfig
from trainwright.domains.images.transforms.together import transform_together
from trainwright.systems.run_config import read_config

NEAREST: dict[str, dict[str, Any]] = {
    "fit": {"size": [24, 30], "interpolation": "nearest-exact"},
    "resize": {"size": 21, "interpolation": "nearest-exact"},
    "store": {"size": 20, "interpolation": "nearest-exact"},
    "pad": {"padding": [1, 2, 3, 4]},
    "random_resized_crop": {"size": [17, 25], "interpolation": "nearest-exact"},
    "random_zoom_out": {"p": 1.0},
    "random_horizontal_flip": {"p": 0.5},
    "random_vertical_flip": {"p": 0.5},
    "random_rotate90": {},
    "random_rotation": {"degrees": 180.0, "interpolation": "nearest"},
    "random_rotate": {"degree": 90.0, "interpolation": "nearest"},
    "random_affine": {
        "degrees": 30.0,
        "translate": [0.2, 0.3],
        "scale": [0.5, 1.5],
        "shear": [-20, 20, -10, 10],
        "interpolation": "nearest",
    },
    "random_perspective": {"p": 1.0, "interpolation": "nearest"},
    "elastic_transform": {"interpolation": "nearest"},
}
"""What moves pixels, so that a picture takes the nearest ones as its mask does."""
SMOOTH = {name: {key: each for key, each in given.items() if key != "interpolation"} for name, given in NEAREST.items()}


def made(name: str, **options: Any) -> Any:
    return build("transform", options_class("transform", name).model_validate({"type": name, **options}))


def options(name: str, **given: Any) -> PartConfig:
    return options_class("transform", name).model_validate({"type": name, **given})


def labels() -> Tensor:
    """A mask `(40, 52)` of five classes that has no symmetry."""
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(52), indexing="ij")
    return (rows // 9 + (columns // 7) ** 2 + (rows * columns) // 300) % 5


@pytest.mark.parametrize("name", sorted(NEAREST))
@pytest.mark.parametrize("seed", range(4))
def test_a_mask_follows_its_picture_exactly(name: str, seed: int) -> None:
    mask = labels()
    coloured = (mask * 50 + 5).to(torch.uint8).expand(3, -1, -1)
    found = transform_together(coloured, [options(name, **NEAREST[name])], seed, mask)
    assert found.mask is not None
    there = found.mask != -100
    assert found.mask.shape == found.picture.shape[1:]
    assert torch.equal((found.mask * 50 + 5)[there], found.picture[0][there].long())
    assert bool((found.picture[0][~there] == 0).all())


@pytest.mark.parametrize("name", sorted(SMOOTH))
@pytest.mark.parametrize("seed", range(3))
def test_boxes_lie_around_what_they_lay_around(name: str, seed: int) -> None:
    canvas = torch.zeros(1, 40, 52, dtype=torch.uint8)
    canvas[:, 12:25, 20:41] = 255
    box = torch.tensor([[20.0, 12.0, 41.0, 25.0]])
    found = transform_together(canvas, [options(name, **SMOOTH[name])], seed, boxes=box)
    lit = (found.picture[0] > 127).nonzero()
    assert found.boxes is not None
    assert found.kept is not None
    if not len(lit):
        return
    (top, left), (bottom, right) = lit.amin(0).tolist(), (lit.amax(0) + 1).tolist()
    near = 2.5 if name == "elastic_transform" else 1.0
    x, y, beyond, below = found.boxes[0].tolist()
    assert x <= left + near
    assert y <= top + near
    assert beyond >= right - near
    assert below >= bottom - near
    if name not in ("random_affine", "random_rotation", "random_rotate", "random_perspective", "elastic_transform"):  # these slant edges
        assert (left - x, top - y, beyond - right, below - bottom) == pytest.approx((0, 0, 0, 0), abs=near)


def test_boxes_are_cut_off_and_those_of_which_nothing_is_left_are_told() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 90.0, 60.0], [70.0, 2.0, 80.0, 9.0]])
    found = transform_together(
        wide_picture(), [options("random_resized_crop", size=32, scale=[0.1, 0.1], ratio=[1.0, 1.0])], 3, boxes=boxes
    )
    assert found.boxes is not None
    assert found.kept is not None
    assert float(found.boxes.min()) >= 0
    assert float(found.boxes.max()) <= 32
    assert found.boxes[1].tolist() == [0, 0, 32, 32]
    assert found.kept.tolist() == [bool((each[2] - each[0] >= 1) & (each[3] - each[1] >= 1)) for each in found.boxes]
    assert not all(found.kept.tolist())


def test_flips_and_quarter_turns_undo_themselves() -> None:
    given = wide_picture()
    assert torch.equal(functions.horizontal_flip(functions.horizontal_flip(given)), given)
    assert torch.equal(functions.vertical_flip(functions.vertical_flip(given)), given)
    turned = given
    for _ in range(4):
        turned = functions.rot90(turned, 1)
    assert torch.equal(turned, given)
    assert torch.equal(functions.rotate(picture(), 90), functions.rot90(picture(), 1))


def test_random_crops_are_those_of_torchvision_for_the_same_numbers() -> None:
    for height, width, scale, ratio, tries, fallback, top, left, high, wide in json.loads((FOLDER / "boxes.json").read_text())["crops"]:
        low, span = math.log(ratio[0]), math.log(ratio[1]) - math.log(ratio[0])
        drawn = [each for area, shape, *_ in tries for each in ((area - scale[0]) / (scale[1] - scale[0]), (math.log(shape) - low) / span)]
        places = [(top + 0.5) / (height - high + 1), (left + 0.5) / (width - wide + 1)]
        box, fell = random_box((height, width), tuple(scale), tuple(ratio), [*drawn, *[0.5] * (20 - len(drawn)), *places])
        assert (box, fell) == ((top, left, high, wide), fallback)


@pytest.mark.parametrize(("size", "area", "falls"), [((375, 500), 0.4322, None), ((256, 256), 0.4784, None), ((100, 1000), None, 0.779)])
def test_random_crops_have_the_mean_area_that_torchvisions_have(size: tuple[int, int], area: float | None, falls: float | None) -> None:
    rows = torch.rand(20_000, 22, generator=torch.Generator().manual_seed(1)).tolist()
    found = [random_box(size, (0.08, 1.0), (3 / 4, 4 / 3), each) for each in rows]
    if area is not None:
        share = sum(box[2] * box[3] for box, _ in found) / len(found) / (size[0] * size[1])
        assert share == pytest.approx(area, abs=0.005)
    if falls is not None:
        assert sum(fell for _, fell in found) / len(found) == pytest.approx(falls, abs=0.01)


def of_workers(name: str) -> bool:
    """Whether a part transforms single pictures of workers by options of its own."""
    config = options_class("transform", name)
    usual = config.model_fields["runs_on"].default == "worker"
    return usual and issubclass(config, PictureTransformConfig) and name != "library_transform"


@pytest.mark.parametrize("name", [name for name in PARTS if of_workers(name)])
@pytest.mark.parametrize("seed", [3, 2**40])
def test_a_transform_gives_the_same_for_the_same_numbers_and_draws_as_many_for_a_mask(seed: int, name: str) -> None:
    given = {"p": 1.0} if "p" in options_class("transform", name).model_fields and name not in NEAREST else {}
    transform = made(name, **{**given, **SMOOTH.get(name, {}), **({"policy": "rand-m9"} if name == "rand_augment" else {})})
    mask = build("transform", transform.options.model_copy(update={"on": "mask"}))
    torch.manual_seed(seed)
    first, after = transform(wide_picture()), torch.rand(2)
    torch.manual_seed(seed)
    again = transform(wide_picture())
    assert torch.equal(first, again)
    torch.manual_seed(seed)
    moved = mask(torch.zeros(60, 90, dtype=torch.int64))
    assert torch.equal(torch.rand(2), after)
    assert moved.shape == first.shape[1:]
    assert first.dtype == torch.uint8


@pytest.mark.parametrize("name", [name for name in PARTS if getattr(options_class("transform", name), "has_batches", False)])
def test_on_the_device_every_row_is_what_its_own_numbers_make(name: str) -> None:
    chosen = {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}}.get(name, SMOOTH.get(name, {}))
    transform: PictureTransform = made(name, runs_on="device", **chosen)
    batch = torch.stack([picture(3), picture(4), picture(5)])
    drawn = torch.rand(3, transform.numbers, generator=torch.Generator().manual_seed(2))
    if name == "color_jitter":
        drawn[:, 1] = drawn[0, 1]  # one order for all rows
    found = transform.batch(batch.float() / 255, drawn)
    for row, numbers in enumerate(drawn.tolist()):
        alone = transform.picture(batch[row].float() / 255, numbers)
        assert float((found[row] - alone).abs().max()) < (0.3 if "rotat" in name else 0.12)  # borders fade otherwise
        assert float((found[row] - alone).abs().mean()) < 0.02
    torch.manual_seed(4)
    given = transform(batch.unsqueeze(1))
    assert (given.shape, given.dtype) == ((3, 1, 3, 64, 64), torch.float32)
    assert 0 <= float(given.min()) <= float(given.max()) <= 255.01


def test_colors_changed_at_once_are_those_changed_in_turn_but_for_what_is_cut_off() -> None:
    soft = (picture() // 2 + 60).to(torch.uint8)  # nothing comes near to black or white
    for at in range(6):
        names = [("adjust_brightness", 1.1), ("adjust_contrast", 0.8), ("adjust_saturation", 1.3)]
        steps = [names[each] for each in order_of(3, at / 6 + 0.01)]
        found, wanted = in_turn(soft, steps).int(), tensors.adjust_in_turn(soft.float() / 255, steps) * 255
        assert float((found - wanted).abs().max()) <= 0.51
    gray = soft[:1]
    assert int((in_turn(gray, names).int() - tensors.adjust_in_turn(gray.float() / 255, names) * 255).abs().max()) <= 1


def test_orders_of_colors_are_all_alike_likely() -> None:
    assert sorted(tuple(order_of(4, (each + 0.5) / 24)) for each in range(24)) == sorted(
        {tuple(order_of(4, (each + 0.5) / 24)) for each in range(24)}
    )
    assert {tuple(order_of(3, each / 600)) for each in range(600)} == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}


def test_the_default_augmentation_mirrors_large_pictures_alone() -> None:
    names = [[each.type for each in default_augmentation((side, side))] for side in (8, 64, 224)]
    assert names == [
        ["random_affine"],
        ["random_affine", "color_jitter"],
        ["random_resized_crop", "random_horizontal_flip", "color_jitter"],
    ]
    for side in (8, 64, 224):
        chain = [build("transform", each) for each in default_augmentation((side, side))]
        found = picture()
        for each in chain:
            found = each(found)
        assert found.shape == ((3, 64, 64) if side < 200 else (3, 224, 224))


def test_ludwigs_augmentations_have_its_ranges() -> None:
    given = [options(name) for name in ("random_rotate", "random_blur", "random_brightness", "random_contrast")]
    assert [each.model_dump(include={"degree", "kernel_size", "min", "max"}) for each in given] == [
        {"degree": 15},
        {"kernel_size": 3},
        {"min": 0.5, "max": 2.0},
        {"min": 0.5, "max": 2.0},
    ]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("random_horizontal_flip", {"p": 1.5}, "less than or equal to 1"),
        ("random_resized_crop", {"scale": [1, 0.08]}, r"write the lower one first: \[0.08, 1\]"),
        ("random_resized_crop", {"scale": [0.1, 1.5]}, "less than or equal to 1"),
        ("random_rotation", {"degrees": 10, "interpolation": "lanczos"}, "'nearest', 'bilinear' or 'bicubic'"),
        ("gaussian_blur", {"kernel_size": 4}, "take 3 or 5"),
        ("color_jitter", {"hue": [-0.7, 0.1]}, "-0.5 to 0.5"),
        ("random_brightness", {"min": 3.0}, "above max"),
        ("resize", {}, "neither size nor max_size"),
        ("resize", {"size": 256, "max_size": 100}, "not above the size 256"),
        ("pad", {"padding": [1, 2, 3]}, "three numbers"),
        ("random_perspective", {"runs_on": "device"}, "no form for whole batches"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_would(name: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        options(name, **given)


def test_corners_that_meet_leave_a_picture_as_it_is() -> None:
    far = made("random_perspective", distortion_scale=1.0, p=1.0)
    assert torch.equal(far(torch.zeros(3, 1, 1, dtype=torch.uint8)), torch.zeros(3, 1, 1, dtype=torch.uint8))
    on_a_line = [0.0, 0.999, 0.95, *[0.0] * 6]  # the upper left corner comes to lie between two others
    assert torch.equal(far.picture(picture(), on_a_line), picture())
    assert far.mask(torch.arange(64 * 64).view(64, 64), on_a_line).equal(torch.arange(64 * 64).view(64, 64))


def test_a_picture_of_another_shape_is_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"given an array of shape \(64, 64\)"):
        made("random_horizontal_flip")(picture()[0])
    with pytest.raises(DataError, match="fill has 2 numbers and the picture 3 channels"):
        made("random_affine", degrees=10, fill=[1, 2])(picture())
    with pytest.raises(DataError, match="mirrored border of 64 pixels is wider"):
        made("pad", padding=64, padding_mode="reflect")(picture())
    with pytest.raises(ConfigError, match="random_resized_crop has no size"):
        made("random_resized_crop")
    with pytest.raises(DataError, match="a picture has 2 channels"):
        made("random_grayscale", p=1.0)(picture()[:2])
    with pytest.raises(ConfigError, match=r"albumentations\.Rotate cannot be done to masks and boxes alike"):
        transform_together(picture(), [options("library_transform", call="albumentations.Rotate")], 0, labels())


@pytest.mark.parametrize(
    ("chain", "where", "said"),
    [
        ("[{type: random_horizontal_flip, p: 1.5}]", "augment.0.p", "1.5 is not at most 1"),
        ("[{random_resized_crop: {scale: [1, 0.08]}}]", "augment.0.scale", "[0.08, 1]"),
        ("[{random_rotation: {degrees: 10, interpolation: bilinaer}}]", "augment.0.interpolation", "did you mean 'bilinear'?"),
        ("[random_horizontal_flp]", "augment.0", "did you mean 'random_horizontal_flip'?"),
    ],
)
def test_a_mistake_in_a_chain_is_told_once_with_its_place_and_the_nearest_that_would_do(
    chain: str, where: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("image,label\na.png,x\n")
    (tmp_path / "run.yaml").write_text(
        f"data: {{source: table.csv}}\ntargets: [label]\ncolumns: {{image: {{type: image, augment: {chain}}}}}\n"
    )
    with pytest.raises(ManyErrors) as refused:
        read_config("run.yaml")
    (error,) = refused.value.errors
    assert where in str(error)
    assert said in str(error)
    assert str(error).startswith("run.yaml:3:")
