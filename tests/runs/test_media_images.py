"""Images are saved as they were given: read back with Pillow they have the same pixels, and what cannot be meant is named."""

from __future__ import annotations

import logging
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainwright.config.errors import ConfigError
from trainwright.runs.media import Media
from trainwright.runs.media.colormaps import apply_colormap
from trainwright.runs.media.images import image_grid


class Shelf:
    """A tracker that keeps images."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, np.ndarray, int]] = []

    def image(self, name: str, array: np.ndarray, step: int) -> None:
        self.kept.append((name, array, step))


class Full:
    def image(self, name: str, array: np.ndarray, step: int) -> None:
        raise OSError(28, "No space left on device")


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(tmp_path / "media", [object(), Shelf()])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def levels(height: int = 5, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("data_format", ["HWC", "CHW"])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "array", "gradient"])
def test_an_rgb_image_comes_back_exactly(media: Media, channels: int, data_format: str, kind: str) -> None:
    wanted = levels(channels=channels)
    img: Any = torch.from_numpy(wanted).double() / 255
    img = img.permute(2, 0, 1) if data_format == "CHW" else img
    img = img.numpy() if kind == "array" else img.requires_grad_() if kind == "gradient" else img.to(getattr(torch, kind))
    path = media.save_rgb_image("a/b.png", img, data_format)
    assert path == media.folder / "a" / "b.png"
    assert np.abs(pixels(path).astype(int) - wanted).max() <= (1 if kind == "bfloat16" else 0)


def test_a_stated_range_is_mapped_onto_all_levels(media: Media) -> None:
    img = np.array([[[-1.0, 0.0, 1.0], [-2.0, 3.0, 0.5]]])
    assert pixels(media.save_rgb_image("x", img, data_range=(-1, 1))).tolist() == [[[0, 128, 255], [0, 255, 191]]]
    assert pixels(media.save_rgb_image("y", levels(), data_range=(0, 255))).tolist() == levels().tolist()
    one = media.save_rgb_image("z", np.full((2, 2, 1), 0.2))
    assert one.name == "z.png" and (pixels(one) == 51).all() and pixels(one).shape == (2, 2, 3)


@pytest.mark.parametrize("name", ["x.jpg", "x.jpeg", "x.webp", "x.bmp"])
def test_the_name_chooses_the_format(media: Media, name: str) -> None:
    smooth = np.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    found = pixels(media.save_rgb_image(name, smooth)).astype(int)
    assert np.abs(found - np.rint(smooth * 255)).max() <= (12 if "jp" in name else 0)
    with pytest.raises(ConfigError, match=r"'x\.tiff' is no name of an image\n  fix: end it with \.png, \.jpg"):
        media.save_rgb_image("x.tiff", smooth)
    assert media.save_rgb_image("it1.5", smooth).name == "it1.5.png"


def test_uv_coordinates_become_a_checkerboard_or_colours(media: Media) -> None:
    u, v = np.meshgrid((np.arange(128) + 0.5) / 128, (np.arange(128) + 0.5) / 128)
    uv = np.stack([u, v], axis=2)
    found = pixels(media.save_uv_image("uv.png", torch.from_numpy(uv)))
    even = (np.arange(128)[:, None] // 2 + np.arange(128)[None] // 2) % 2 == 0
    assert (found[even] == (255, 0, 255)).all() and (found[~even] == 255).all()
    coloured = pixels(media.save_uv_image("c.png", uv.transpose(2, 0, 1), "CHW", cmap="color"))
    assert (coloured[..., 0] == np.rint(u * 255)).all() and (coloured[..., 1] == np.rint(v * 255)).all() and (coloured[..., 2] == 0).all()
    with pytest.raises(ConfigError, match="there is no UV map 'checkers'\n  fix: did you mean 'checkerboard'"):
        media.save_uv_image("x", uv, cmap="checkers")
    with pytest.raises(ConfigError, match=r"a UV image wants \(H, W, 2\), and got \(128, 128, 3\)"):
        media.save_uv_image("x", np.zeros((128, 128, 3)))


def test_single_numbers_take_the_colours_of_a_map(media: Media) -> None:
    ramp = torch.arange(256.0).view(16, 16)
    found = pixels(media.save_grayscale_image("d.png", ramp * 3 - 9)).reshape(256, 3)
    assert found[0].tolist() == [0, 0, 128] and found[255].tolist() == [128, 0, 0] and found[128].tolist() == [130, 255, 126]
    gray = pixels(media.save_grayscale_image("g.png", ramp, (0, 255), None))
    assert (gray.reshape(256, 3) == np.arange(256)[:, None]).all()
    assert (pixels(media.save_grayscale_image("f.png", ramp[None] * 0 + 4, cmap="gray")) == 0).all()
    assert (pixels(media.save_grayscale_image("m.png", ramp[..., None] > 9, cmap="gray"))[0, 10] == 255).all()
    with pytest.raises(ConfigError, match="there is no colour map 'jett'\n  fix: did you mean 'jet'"):
        media.save_grayscale_image("x", ramp, cmap="jett")


@pytest.mark.parametrize(
    ("cmap", "digest", "colours"),
    [  # made once with cv2 5.0.0: applyColorMap of the bytes 0 to 255, as red, green, blue; spectral with matplotlib 3.11
        ("jet", "661fa696672fecb0", {0: (0, 0, 128), 32: (0, 0, 255), 95: (0, 252, 255), 96: (2, 255, 254), 255: (128, 0, 0)}),
        ("viridis", "18545f7c72a02f02", {0: (68, 1, 84), 128: (33, 145, 140), 255: (253, 231, 37)}),
        ("magma", "f95197e8391d18e2", {0: (0, 0, 4), 128: (183, 55, 121), 255: (252, 253, 191)}),
        ("spectral", "490beb5e2515013e", {0: (158, 1, 66), 255: (94, 79, 162)}),
    ],
)
def test_colour_maps_are_those_of_opencv_to_the_last_bit(cmap: str, digest: str, colours: dict[int, tuple[int, int, int]]) -> None:
    steps = (np.arange(256) / 255).astype(np.float32)
    found = apply_colormap(steps, cmap)
    assert sha256(found.tobytes()).hexdigest()[:16] == digest
    assert {place: tuple(found[place].tolist()) for place in colours} == colours
    assert (apply_colormap(steps, f"{cmap}_r") == found[::-1]).all()
    between = apply_colormap(np.array([0.5, 0.999]), cmap)
    assert (between == found[[128, 255] if cmap == "spectral" else [127, 254]]).all()


def test_grids_have_one_size_per_image_and_empty_places(media: Media) -> None:
    small, large = np.full((2, 3, 3), 0.2), np.full((4, 5, 3), 0.6)
    rows: list[Any] = [
        [{"type": "rgb", "img": small, "kwargs": {}}, {"type": "rgb", "img": large}],
        [{"type": "empty"}, {"type": "grayscale", "img": np.eye(4, 5), "kwargs": {"cmap": "gray"}}],
    ]
    found = pixels(media.save_image_grid("grid.png", rows))
    assert found.shape == (8, 10, 3)
    assert (found[:4, :5] == 51).all() and (found[:4, 5:] == 153).all() and (found[4:, :5] == 0).all()
    assert (found[4:, 5:, 0] == np.eye(4, 5) * 255).all()
    assert image_grid(rows, "min").shape == (4, 6, 3)
    assert image_grid(rows, 6).shape == (12, 12, 3) and image_grid(rows[0], (2, 9)).shape == (2, 18, 3)
    clear = np.full((2, 2, 4), 0.5)
    assert (image_grid([{"type": "rgb", "img": clear}]) == 64).all()


def test_captions_are_drawn_where_their_images_are() -> None:
    gray = {"type": "rgb", "img": np.full((60, 90, 3), 0.5)}
    plain = image_grid([[gray, gray], [gray, gray]])
    rows = image_grid([[gray, gray], [gray, gray]], texts=["step 100", "step 200"])
    changed = (rows != plain).any(axis=2)
    assert changed[:30, :90].any() and changed[60:90, :90].any() and not changed[:, 90:].any() and not changed[40:60].any()
    assert rows.max() > 200 and rows.min() < 20
    each = (image_grid([[gray, gray], [gray, gray]], texts=[["a", ""], ["", "b"]]) != plain).any(axis=2)
    assert each[:60, :90].any() and not each[:60, 90:].any() and each[60:, 90:].any() and not each[60:, :90].any()
    with pytest.raises(ConfigError, match="1 captions for 2 rows"):
        image_grid([[gray], [gray]], texts="step")


def test_mistakes_in_a_grid_are_named_with_their_place() -> None:
    gray = {"type": "rgb", "img": np.full((6, 9, 3), 0.5)}
    for rows, said in (
        ([[gray, {"type": "rbg"}]], "row 0, column 1 of the grid: there is no image of type 'rbg'\n  fix: did you mean 'rgb'"),
        ([[gray], [{"type": "rgb", "img": np.zeros(3)}]], r"row 1, column 0 of the grid: an RGB image wants .* got \(3,\)"),
        ([[{**gray, "kwargs": {"cmap": "jet"}}]], "an image of type 'rgb' takes no 'cmap'"),
        ([[{"type": "empty"}]], "a grid of empty images has no size"),
        ([], "a grid of images is empty"),
    ):
        with pytest.raises(ConfigError, match=said):
            image_grid(rows)
    with pytest.raises(ConfigError, match="'big' is no size of a grid's images"):
        image_grid([[gray]], "big")


def test_a_ready_image_is_saved_as_it_is(media: Media) -> None:
    for name, img in (("a", levels()), ("b", levels(channels=4)), ("c", levels()[..., 0]), ("d", levels().astype(np.uint16)[..., 0] * 257)):
        assert np.array_equal(pixels(media.save_image(f"{name}.png", torch.from_numpy(img))), img)
    with pytest.raises(ConfigError, match=r"an image wants uint8 \(or uint16 of one channel\), and got float64\n  fix: save_rgb_image"):
        media.save_image("x", levels() / 255)
    with pytest.raises(ConfigError, match="JPEG has no transparency"):
        media.save_image("x.jpg", levels(channels=4))


def test_a_cube_map_is_a_cross(media: Media) -> None:
    faces = torch.stack([torch.full((2, 2, 3), each / 10) for each in range(1, 7)])
    found = pixels(media.save_cubemap("sky.png", faces))[::2, ::2, 0] / 25.5
    assert np.rint(found).tolist() == [[0, 3, 0, 0], [2, 5, 1, 6], [0, 4, 0, 0]]
    assert pixels(media.save_cubemap("two.png", torch.cat([faces, faces], dim=3))).shape == (6, 16, 3)
    with pytest.raises(ConfigError, match=r"a cube map wants \(6, S, S, 3\), and got \(5, 2, 2, 3\)"):
        media.save_cubemap("x", faces[:5])


@pytest.mark.parametrize(
    ("img", "said"),
    [
        (np.zeros((3, 8, 9)), r"wants \(H, W, 3\) or \(H, W, 4\) or \(H, W, 1\), and got \(3, 8, 9\)\n  fix: say data_format='CHW'"),
        (np.zeros((2, 8, 9, 3)), r"got \(2, 8, 9, 3\)\n  fix: save one image of the batch: img\[0\]"),
        (np.zeros((8, 9)), "fix: one channel is saved by save_grayscale_image"),
        (np.full((2, 2, 3), np.nan), "an RGB image has 12 NaN among 12 values"),
        (np.array([[[np.inf, np.nan, 0]]]), "an RGB image has 1 NaN and 1 infinite values among 3 values"),
        (np.zeros((2, 2, 3), complex), r"an RGB image is complex\n  fix: save its abs\(\)"),
        (levels(), r"an RGB image is uint8 up to \d+, which is not within the range 0 to 1\n  fix: say data_range=\(0, 255\)"),
        ("photo.png", "an RGB image is no array of numbers but str"),
        ([[1, 2], [3]], "an RGB image is no array"),
    ],
)
def test_images_that_cannot_be_meant_are_named(media: Media, img: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        media.save_rgb_image("x.png", img)
    assert not media.folder.exists()


def test_ranges_that_are_none_are_named_and_values_outside_are_told(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    for wrong in ((1, 0), (0, float("nan")), 3):
        with pytest.raises(ConfigError, match="is no range of data"):
            media.save_rgb_image("x", np.zeros((2, 2, 3)), data_range=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'HCW' is no order of an image's dimensions"):
        media.save_rgb_image("x", np.zeros((2, 2, 3)), "HCW")
    with caplog.at_level(logging.WARNING, "trainwright.media"):
        media.save_rgb_image("x", np.full((2, 2, 3), 200.0))
    assert "100 % of the values lie outside data_range 0 to 1 (they go from 200 to 200)" in caplog.text


def test_values_outside_the_range_are_told_once_for_each_name_and_cut_off(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    img = np.full((2, 5, 3), 0.5)
    img[0, 0] = 1.0005
    with caplog.at_level(logging.WARNING, "trainwright.media"):
        media.save_rgb_image("round.png", img)
        assert caplog.text == ""
        img[0, 0, 0] = 2.0
        for step in range(3):
            path = media.save_rgb_image(f"steps/{step}.png", img)
        media.save_grayscale_image("depth", img[..., 0], data_range=(0, 1))
        media.save_image_grid("grid", [{"type": "rgb", "img": img}])
        media.save_img_sequence("film.gif", [img, img])
    share = "of the values lie outside data_range 0 to 1 (they go from 0.5 to 2) and are cut off at its ends"
    assert [each.getMessage() for each in caplog.records] == [
        f"an RGB image 'steps/0.png': 3.33 % {share}",
        f"a grayscale image 'depth': 10 % {share}",
        f"an RGB image 'grid': 3.33 % {share}",
        f"an RGB image 'film.gif': 3.33 % {share}",
    ]
    assert np.asarray(Image.open(path))[0, 0, 0] == 255


def test_trackers_get_images_with_name_and_step_and_cannot_stop_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    media = Media(tmp_path, [object(), Full(), shelf])
    media.step = 7
    media.save_image("views/a.png", levels())
    media.save_grayscale_image("b", np.eye(3), name="depth", step=9)
    media.save_image("deep.png", levels()[..., 0].astype(np.uint16) * 256)
    assert [(name, array.shape, array.dtype.name, step) for name, array, step in shelf.kept] == [
        ("views/a", (5, 7, 3), "uint8", 7),
        ("depth", (3, 3, 3), "uint8", 9),
        ("deep", (5, 7, 3), "uint8", 7),
    ]
    assert np.array_equal(shelf.kept[0][1], levels())
    assert "Full did not take the image views/a: No space left on device" in caplog.text


def test_a_missing_library_is_named_with_its_extra(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"(?s)saving images needs pillow.*fix: pip install 'trainwright\[media\]'"):
        media.save_image("x", levels())
