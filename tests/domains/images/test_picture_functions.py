"""Functions of pictures against torchvision, Pillow and timm."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from domains.images.golden_pictures import FOLDER, differs, golden, picture, wide_picture
from trainwright.domains.images.resizing import FILTERS, shorter
from trainwright.domains.images.transforms import PARTS, functions, pillow, tensors
from trainwright.domains.images.transforms.color_options import ColorJitterOptions
from trainwright.domains.images.transforms.fit import Fit
from trainwright.domains.images.transforms.options import FitOptions, ResizeOptions

RESIZED, GEOMETRY, COLORS, TIMM = (golden(room) for room in ("resize", "geometry", "color", "timm"))


def resized(name: str) -> tuple[Tensor, tuple[int, int], str, bool, int]:
    """The picture, size, mode and antialiasing that a golden array was made with, and of which rows it keeps."""
    kind, mode, aliased, size = re.fullmatch(r"(uint8|float|pil)_(.*?)(_aa|_noaa)?_(\d+x\d+|wide_shorter40)", name).groups()  # type: ignore[union-attr]
    if size == "wide_shorter40":
        given, wanted, every = wide_picture(), (40, 60), 2
    else:
        given, wanted, every = picture(2 if size == "23x41" else 3), (int(size[:2]), int(size[3:])), 1 if size == "23x41" else 3
    return (
        (given.double() / 255 if kind == "float" else given),
        wanted,
        mode.replace("_", "-"),
        aliased != "_noaa",
        every if kind != "float" else 2,
    )


@pytest.mark.parametrize("name", sorted(RESIZED))
def test_a_picture_is_resized_as_torchvision_and_pillow_do_it(name: str) -> None:
    given, size, mode, antialias, every = resized(name)
    route = pillow if name.startswith("pil") else tensors
    limit = 1e-6 if name.startswith("float") else 0 if route is pillow or "nearest" in mode else 1
    assert differs(route.resize(given, size, mode, antialias), RESIZED[name], every) <= limit
    if route is pillow:
        assert torch.equal(functions.resize(given, size, mode), pillow.resize(given, size, mode))


@pytest.mark.parametrize("mode", ["lanczos", "box", "hamming"])
def test_filters_that_torch_lacks_are_those_of_pillow_for_floats_too(mode: str) -> None:
    given = picture(4)
    for size in ((23, 41), (96, 80), (1, 1), (64, 5)):
        assert int((tensors.resize(given, size, mode).int() - pillow.resize(given, size, mode).int()).abs().max()) <= 1
        smooth = tensors.resize(given.double() / 255, size, mode) * 255
        assert float((smooth - pillow.resize(given, size, mode)).abs().mean()) < 0.6


@pytest.mark.parametrize("mode", sorted(FILTERS))
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_piece_of_a_resized_picture_is_cut_while_it_is_resized(channels: int, mode: str) -> None:
    given = torch.randint(0, 256, (channels, 150, 190), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for size in ((64, 81), (170, 201), (150, 77), (77, 190), (200, 131)):
        whole = pillow.resize(given, size, mode)
        for top, left, height, width in ((0, 0, *size), (5, 3, 50, 60), (3, 0, size[0] - 7, size[1]), (0, 5, size[0], size[1] - 9)):
            found = functions.resize_and_crop(given, size, (top, left, height, width), mode)
            assert found.is_contiguous() and torch.equal(found, whole[:, top : top + height, left : left + width])


CROPS: dict[str, Any] = {
    "wide_center_crop_56": lambda: tensors.center_crop(wide_picture(), (56, 56)),
    "pad_7_fill_10_20_30": lambda: tensors.pad(picture(), (7, 7, 7, 7), "constant", [10, 20, 30]),
    "crop_top5_left9_h20_w30": lambda: tensors.crop(picture(), 5, 9, 20, 30),
    "crop_top-4_left50_h20_w30": lambda: tensors.crop(picture(), -4, 50, 20, 30),
    "hflip": lambda: tensors.horizontal_flip(picture()),
    "vflip": lambda: tensors.vertical_flip(picture()),
    "pil_resized_crop_5_9_20_30_to_32x32_bicubic": lambda: functions.resized_crop(picture(), (5, 9, 20, 30), (32, 32), "bicubic"),
    "affine_a10_t5_-3_s1p2_sh8_-4_nearest": lambda: tensors.affine(picture(), 10, (5, -3), 1.2, (8, -4)),
    **{
        f"center_crop_{h}x{w}": lambda h=h, w=w: tensors.center_crop(picture(), (h, w)) for h, w in ((40, 40), (33, 51), (80, 80), (81, 50))
    },
    **{
        f"pad_l2_t3_r4_b5_{mode}": lambda mode=mode: tensors.pad(picture(), (2, 3, 4, 5), mode)
        for mode in ("constant", "edge", "reflect", "symmetric")
    },
}


@pytest.mark.parametrize("name", sorted(CROPS))
def test_pixels_that_move_whole_are_exactly_those_of_torchvision(name: str) -> None:
    assert differs(CROPS[name](), GEOMETRY[name]) == 0


def test_five_crops_are_those_of_torchvision_and_ten_those_of_both_sides() -> None:
    found = tensors.five_crop(picture(), (24, 24))
    assert [differs(each, wanted) for each, wanted in zip(found, GEOMETRY["five_crop_24_order_tl_tr_bl_br_center"], strict=True)] == [0] * 5
    ten = tensors.ten_crop(picture(), (24, 24))
    assert torch.equal(ten[5], found[1].flip(-1))
    with pytest.raises(ValueError, match="do not fit into a picture of 64×64"):
        tensors.five_crop(picture(), (65, 24))


@pytest.mark.parametrize("name", [name for name in sorted(GEOMETRY) if re.match(r"(pil_)?rotate_-?[\d.]+_(nearest|bilinear)$", name)])
def test_a_picture_is_rotated_as_torchvision_and_pillow_do_it(name: str) -> None:
    route = pillow if name.startswith("pil") else tensors
    _, degrees, mode = name.removeprefix("pil_").split("_")
    assert differs(route.rotate(picture(), float(degrees), mode), GEOMETRY[name]) <= (1 if route is tensors and mode == "bilinear" else 0)


def test_what_grows_is_bent_or_seen_from_aside_is_as_torchvision_has_it() -> None:
    smooth = picture().double() / 255
    assert differs(tensors.rotate(picture(), 30, "bilinear", True, 128), GEOMETRY["rotate_30_bilinear_expand_fill128"]) <= 1
    affine = tensors.affine(smooth, 10, (5, -3), 1.2, (8, -4), "bilinear")
    assert differs(affine, GEOMETRY["affine_a10_t5_-3_s1p2_sh8_-4_bilinear_float"], 4) < 1e-6
    corners = [[0, 0], [63, 0], [63, 63], [0, 63]], [[3, 5], [60, 2], [55, 62], [6, 58]]
    assert differs(tensors.perspective(smooth, *corners), GEOMETRY["perspective_bilinear_float"], 4) < 1e-6
    field = torch.from_numpy(GEOMETRY["elastic_displacement"])
    assert differs(tensors.elastic(smooth, field), GEOMETRY["elastic_bilinear_float"], 4) < 3e-6
    for mode in ("bilinear", "bicubic"):
        found = tensors.resized_crop(picture(), (5, 9, 20, 30), (32, 32), mode)
        assert differs(found, GEOMETRY[f"resized_crop_5_9_20_30_to_32x32_{mode}_aa"]) <= 1


FACTORS = [
    name for name in sorted(COLORS) if re.match(r"(brightness|contrast|saturation|hue|sharpness|gamma)_-?[\d.]+_(uint8|pil|float)", name)
]


@pytest.mark.parametrize("name", FACTORS)
def test_colors_are_adjusted_as_torchvision_and_pillow_do_it(name: str) -> None:
    what, factor, kind = name.split("_")[:3]
    if kind == "pil":
        assert differs(getattr(pillow, f"adjust_{what}")(picture(), float(factor)), COLORS[name]) == 0
    elif kind == "uint8":
        assert differs(getattr(tensors, f"adjust_{what}")(picture(), float(factor)), COLORS[name]) <= (0 if what == "brightness" else 1)
        same = what in ("brightness", "sharpness", "gamma") or name.replace("uint8", "pil") not in COLORS
        assert not same or differs(getattr(pillow, f"adjust_{what}")(picture(), float(factor)), COLORS[name]) == 0
    else:
        smooth = picture()[:, 16:48, 16:48].double() / 255
        assert differs(getattr(tensors, f"adjust_{what}")(smooth, float(factor)), COLORS[name], 4) < 1e-6


COLOR = torch.tensor([10, 200, 30])[:, None, None]
TONES: dict[str, Any] = {
    **{f"posterize_{bits}": lambda route, bits=bits: route.posterize(picture(), bits) for bits in (1, 2, 4, 7)},
    **{f"solarize_{at}": lambda route, at=at: route.solarize(picture(), at) for at in (0, 100, 128)},
    "equalize": lambda route: route.equalize(picture()),
    "pil_equalize": lambda _: pillow.equalize(picture()),
    "autocontrast": lambda _: tensors.autocontrast(picture()),
    "pil_autocontrast": lambda _: pillow.autocontrast(picture()),
    "invert": lambda _: functions.invert(picture()),
    "grayscale3_uint8": lambda _: tensors.rgb_to_grayscale(picture(), 3),
    "grayscale3_pil": lambda _: functions.rgb_to_grayscale(picture(), 3),
    "permute_channels_2_0_1": lambda _: tensors.permute_channels(picture(), [2, 0, 1]),
    "erase_i10_j20_h15_w12_value0": lambda _: tensors.erase(picture(), 10, 20, torch.zeros(3, 15, 12)),
    "erase_i10_j20_h15_w12_rgb_10_200_30": lambda _: tensors.erase(
        picture(), 10, 20, torch.tensor([10, 200, 30])[:, None, None].expand(3, 15, 12)
    ),
}


@pytest.mark.parametrize("name", sorted(TONES))
def test_levels_are_mapped_exactly_as_torchvision_and_pillow_do_it(name: str) -> None:
    for route in (tensors, pillow):
        assert differs(TONES[name](route), COLORS[name]) == 0


def test_blurring_normalizing_and_jitter_are_those_of_torchvision() -> None:
    smooth = picture()[:, 16:48, 16:48].double() / 255
    assert differs(tensors.gaussian_blur(picture(), [5, 5], [1.0, 1.0]), COLORS["gaussian_blur_k5_s1.0_uint8"]) <= 1
    assert differs(tensors.gaussian_blur(smooth, [7, 3], [1.5, 0.6]), COLORS["gaussian_blur_k7x3_s1.5x0.6_float"], 4) < 1e-6
    normal = tensors.normalize(smooth, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert differs(normal, COLORS["normalize_imagenet_float"], 4) < 3e-6
    steps = [("adjust_brightness", 1.2), ("adjust_contrast", 0.8), ("adjust_saturation", 1.1), ("adjust_hue", 0.03)]
    assert differs(tensors.adjust_in_turn(picture(), steps), COLORS["jitter_b1.2_c0.8_s1.1_h0.03_in_that_order_uint8"]) <= 1
    assert differs(tensors.adjust_in_turn(smooth, steps), COLORS["jitter_same_float"], 4) < 1e-6
    one_by_one = picture()
    for name, factor in steps:
        one_by_one = getattr(pillow, name)(one_by_one, factor)
    assert torch.equal(functions.adjust_in_turn(picture(), steps), one_by_one)


def test_floats_become_bytes_as_torchvision_turns_them() -> None:
    assert np.array_equal(tensors.to_dtype(torch.from_numpy(COLORS["to_dtype_uint8_from"]), torch.uint8).numpy(), COLORS["to_dtype_uint8"])
    assert differs(tensors.to_dtype(picture(), torch.float32), COLORS["to_dtype_float32_scale"]) < 1e-7


FITS = {
    "32_bicubic_0p875": {"size": 32, "interpolation": "bicubic", "crop_pct": 0.875},
    "32_bilinear_0p95": {"size": 32, "interpolation": "bilinear", "crop_pct": 0.95},
    "32_lanczos_1p0": {"size": 32, "interpolation": "lanczos"},
    "40_bicubic_squash_0p9": {"size": 40, "interpolation": "bicubic", "crop_pct": 0.9, "resize": "stretch"},
    "40_bicubic_border_0p9": {"size": 40, "interpolation": "bicubic", "crop_pct": 0.9, "resize": "pad", "fill": [124, 116, 104]},
    "24x48_rect": {"size": [24, 48], "interpolation": "bicubic", "crop_pct": 0.9},
}


@pytest.mark.parametrize("name", sorted(FITS))
def test_a_picture_is_fitted_as_timm_does_in_evaluation(name: str) -> None:
    fit = Fit(FitOptions(**FITS[name]))
    for given, which in ((picture(), "astronaut"), (wide_picture(), "wide")):
        normal = tensors.normalize(fit(given).double() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        wanted = TIMM[f"{name}_{which}"].transpose(1, 2, 0)
        assert differs(normal, wanted, 3) < 0.02


def test_sizes_of_a_short_side_are_those_of_torchvision() -> None:
    from trainwright.domains.images.transforms.fit import Resize

    rows = json.loads((FOLDER / "boxes.json").read_text())["shapes"]
    for height, width, size, limit, *wanted in rows:
        assert Resize(ResizeOptions(size=size, max_size=limit)).size_after((height, width), []) == tuple(wanted)
    assert shorter((480, 641), 256) == (256, 341)


def test_both_routes_take_the_same_arguments_and_every_function_has_a_name() -> None:
    import inspect

    for name in set(pillow.__all__) & set(tensors.__all__):
        assert list(inspect.signature(getattr(pillow, name)).parameters) == list(inspect.signature(getattr(tensors, name)).parameters), name
    with pytest.raises(AttributeError, match="did you mean 'posterize'"):
        functions.posterise  # noqa: B018
    assert ColorJitterOptions().type in PARTS


def test_a_picture_with_opacity_keeps_it_where_colors_change() -> None:
    four = torch.cat([picture(), picture()[:1]])
    for name, factor in (("adjust_contrast", 0.5), ("adjust_hue", 0.2), ("adjust_sharpness", 0.0)):
        found = functions.function(name)(four, factor)
        assert torch.equal(found[3], four[3])
        assert torch.equal(found[:3], functions.function(name)(picture(), factor))
