"""Classical vision: closed forms, and what bad input gets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.images.classical import contours, edges, hog, hough_circles, hough_lines, measure, moments


def rectangle() -> np.ndarray:
    """Ones at x 20…59, y 10…29."""
    found = np.zeros((60, 100))
    found[10:30, 20:60] = 1
    return found


def test_the_moments_of_a_rectangle_are_those_of_its_closed_form() -> None:
    found = moments(rectangle())
    assert found.raw[0, 0] == 800 and found.centroid == (39.5, 19.5)
    assert found.central[2, 0] == pytest.approx(106_600) and found.central[0, 2] == pytest.approx(26_600)
    assert found.hu[0] == pytest.approx((40**2 - 1 + 20**2 - 1) / 12 / 800)
    assert found.eccentricity == pytest.approx(0.866296, abs=1e-6) and found.orientation == 0


def test_hus_moments_are_the_same_of_a_shifted_turned_and_larger_form() -> None:
    form = np.zeros((80, 80))
    form[10:30, 10:20] = form[20:30, 10:40] = 1
    larger = np.rot90(np.pad(form.repeat(2, 0).repeat(2, 1), ((7, 0), (0, 13))))
    small, large = moments(form).hu, moments(larger).hu
    assert large == pytest.approx(small, rel=0.02)


def test_a_black_picture_has_no_centroid_and_no_form() -> None:
    found = moments(np.zeros((8, 8)))
    assert math.isnan(found.centroid[0]) and math.isnan(found.eccentricity) and np.isnan(found.hu).all()


def test_the_contour_of_a_rectangle_runs_through_its_outermost_pixels() -> None:
    (found,) = contours(rectangle().astype(bool))
    assert (found.area, found.perimeter, found.hole, found.parent) == (741, 116, False, None)


def test_a_ring_has_a_hole_within_its_outer_contour_and_what_lies_there_is_a_child_of_the_hole() -> None:
    ring = np.zeros((80, 100), bool)
    ring[10:50, 20:80] = True
    ring[20:40, 30:70] = False
    ring[25:30, 40:45] = True
    ring[60:64, 3:9] = True
    outer, hole, inner, other = contours(ring)
    assert (outer.area, hole.area) == (2301, 859)
    assert [(each.hole, each.parent, each.depth) for each in (outer, hole, inner, other)] == [
        (False, None, 0),
        (True, 0, 1),
        (False, 1, 2),
        (False, None, 0),
    ]


def test_regions_that_touch_the_frame_or_a_corner_are_closed_contours() -> None:
    touching = np.zeros((6, 6), bool)
    touching[:2, :2] = touching[2:4, 2:4] = True
    (found,) = contours(touching)  # touching at a corner is one region
    assert {tuple(each) for each in found.points.tolist()} >= {(0, 0), (3, 3)}
    assert [each.area for each in contours(np.ones((5, 7), bool))] == [24]
    assert [each.area for each in contours(np.eye(1, dtype=bool))] == [0]


@pytest.mark.parametrize("seed", range(5))
def test_every_region_and_every_hole_of_noise_has_its_contour(seed: int) -> None:
    from skimage.measure import euler_number, label

    noise = np.random.default_rng(seed).random((40, 50)) > 0.5
    found = contours(noise)
    outer = [each for each in found if not each.hole]
    assert len(outer) == label(noise, connectivity=2).max()
    assert len(outer) - (len(found) - len(outer)) == euler_number(noise, connectivity=2)
    assert all(each.hole == (each.depth % 2 == 1) for each in found)
    assert all(each.parent is None or found[each.parent].depth == each.depth - 1 for each in found)


def test_a_horizontal_line_lies_at_its_height() -> None:
    line = np.zeros((100, 100), bool)
    line[50] = True
    best = hough_lines(line)[0]
    assert best.rho == 50 and best.theta == pytest.approx(math.pi / 2) and best.votes == 100


def test_a_line_that_falls_is_found_with_its_distance_from_the_corner() -> None:
    best = hough_lines(np.eye(101, dtype=bool))[0]
    assert best.rho == pytest.approx(0, abs=1) and best.theta == pytest.approx(3 * math.pi / 4, abs=0.02)


def test_a_circle_is_found_at_its_place() -> None:
    from skimage.draw import circle_perimeter

    drawn = np.zeros((100, 120), bool)
    drawn[circle_perimeter(40, 60, 20)] = True
    best = hough_circles(drawn)[0]
    assert (best.x, best.y, best.radius) == (60, 40, 20) and best.votes > 0.9


def test_nothing_is_found_where_nothing_is() -> None:
    plain = np.full((40, 40), 7, np.uint8)
    assert not edges(plain).any() and hough_lines(plain) == [] and hough_circles(plain) == [] and contours(plain) == []


def test_hog_has_1764_numbers_of_any_picture_and_those_of_scikit_image() -> None:
    from PIL import Image
    from skimage.feature import hog as reference

    picture = (np.random.default_rng(0).random((50, 80, 3)) * 255).astype(np.uint8)
    gray = np.asarray(Image.fromarray(picture).convert("L").resize((64, 64), Image.Resampling.BILINEAR)) / 255
    wanted = reference(gray, 9, (8, 8), (2, 2), "L2-Hys")
    assert hog(picture).shape == (1764,)
    assert hog(picture) == pytest.approx(wanted, abs=1e-6)
    assert (hog(torch.from_numpy(picture).permute(2, 0, 1)) == hog(picture)).all()


def test_numbers_of_a_picture_do_not_change_with_its_size() -> None:
    small = (rectangle() * 255).astype(np.uint8)
    large = small.repeat(2, 0).repeat(2, 1)
    few, many = measure(small), measure(large)
    assert few.keys() == many.keys() and len(few) == 39
    for name in ("moments_x", "moments_eccentricity", "contours_count", "contours_area", "lines_theta"):
        assert many[name] == pytest.approx(few[name], rel=0.05), name


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure(np.zeros((4, 4)), ["moment"]), "moments"),
        (lambda: hog(np.zeros((10, 10)), size=None), "block"),
        (lambda: contours(np.zeros((4, 4)), threshold=128), "threshold"),
        (lambda: edges(np.zeros((4, 4)), low=0.3, high=0.1), "low"),
        (lambda: hough_lines(np.zeros((4, 4)), threshold=2), "share"),
        (lambda: hough_circles(np.ones((9, 9), bool), radii=[0]), "radius"),
    ],
    ids=["measure", "hog", "contours", "edges", "lines", "circles"],
)
def test_numbers_that_cannot_be_are_refused(call: object, said: str) -> None:
    with pytest.raises(ConfigError) as found:
        call()  # type: ignore[operator]
    assert said in f"{found.value.what} {found.value.fix}"


@pytest.mark.parametrize("shape", [(3,), (2, 5, 7), (1, 2, 3, 4), (0, 4)], ids=str)
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        moments(np.zeros(shape))


def test_pictures_with_gaps_are_refused() -> None:
    with pytest.raises(DataError, match="no numbers"):
        moments(np.array([[0.0, math.nan]]))
