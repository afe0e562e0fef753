"""Raw arrays of one row with a column, or a window of one, made usual."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.deploy.server.explaining import choose_columns, choose_number, draw_picture, draw_traces, hidden_places
from trainwright.deploy.server.occluding import SIDE, SPANS, hide_spans, hide_squares, make_usual, of_column


def row(**values: object) -> dict[str, np.ndarray]:
    return {name: np.array([each]) for name, each in values.items()}


def test_each_column_in_turn_has_its_typical_value_and_the_first_row_is_as_given() -> None:
    found = make_usual(row(age=38.0, job=3), row(age=40.0, job=1), ["age", "job"])
    assert found["age"].tolist() == [38.0, 40.0, 38.0]
    assert found["job"].tolist() == [3, 3, 1]


def test_a_longer_sequence_is_swapped_with_its_length() -> None:
    given_row = {"note": np.array([[7, 8]]), "note.length": np.array([2]), "age": np.array([1.0])}
    typical = {"note": np.array([[4, 5, 6]]), "note.length": np.array([3]), "age": np.array([0.0])}
    found = make_usual(given_row, typical, ["note", "age"])
    assert found["note"].tolist() == [[7, 8, 0], [4, 5, 6], [7, 8, 0]]
    assert found["note.length"].tolist() == [2, 3, 2]


def test_a_shorter_sequence_leaves_nothing_of_the_given_one_behind() -> None:
    given_row = {"note": np.array([["a", "b", "c"]], object), "note.length": np.array([3])}
    found = make_usual(given_row, {"note": np.array([["x"]], object), "note.length": np.array([1])}, ["note"])
    assert found["note"].tolist() == [["a", "b", "c"], ["x", "", ""]]


def test_texts_of_a_column_are_swapped_whole() -> None:
    given_row = {"job": np.array(["a smith"], object), "job.length": np.array([1])}
    found = make_usual(given_row, {"job": np.array(["clerk"], object), "job.length": np.array([1])}, ["job"])
    assert found["job"].tolist() == ["a smith", "clerk"]


def test_a_column_with_a_dot_in_its_name_is_not_a_part_of_another() -> None:
    raw = row(**{"size": 1, "size.length": 2, "size.width": 3})
    assert of_column(raw, "size") == ["size", "size.length"]
    assert of_column(raw, "size.width") == ["size.width"]


def test_each_square_of_a_picture_is_hidden_once_in_its_mean_colour() -> None:
    picture = np.arange(3 * 16 * 24, dtype=np.uint8).reshape(3, 16, 24)
    hidden = hide_squares(picture, (1, 2))
    assert hidden.shape == (SIDE * SIDE, 3, 16, 24) and hidden.dtype == np.uint8
    mean = np.rint(picture.mean(axis=(1, 2))).astype(np.uint8)
    assert (hidden[0][:, :2, :3] == mean[:, None, None]).all()
    assert (hidden[0][:, 2:] == picture[:, 2:]).all()
    assert (hidden[-1][:, 14:, 21:] == mean[:, None, None]).all()


@given(size=st.integers(1, 300), length=st.integers(1, 300))
def test_spans_of_a_recording_cover_what_was_told_and_no_more(size: int, length: int) -> None:
    length = min(length, size)
    recording = np.arange(size, dtype=np.float32)[None] ** 2
    hidden = hide_spans(recording, 1, length)
    changed = np.abs(hidden - recording)[:, 0] > 0
    mean = recording[0, :length].mean(dtype=np.float64)
    assert len(hidden) == min(SPANS, length)
    assert not changed[:, length:].any()
    untouched = ~changed[:, :length].any(axis=0)
    assert np.allclose(recording[0, :length][untouched], mean, rtol=1e-6)  # a sample that is the mean itself
    assert (changed.sum(axis=0) <= 1).all()


def test_places_of_a_picture_and_of_a_recording_are_found_by_their_axes() -> None:
    raw = {"image": np.zeros((1, 3, 4, 5), np.uint8), "sound": np.ones((1, 2, 40), np.float32), "sound.length": np.array([8])}
    image = hidden_places({"name": "image", "file": True, "axes": ["channel", "height", "width"]}, raw)
    sound = hidden_places({"name": "sound", "file": True, "axes": ["channel", "sound.time"]}, raw)
    assert image is not None and image.shape == (4, 5) and image.raw["sound"].shape == (20, 2, 40)
    assert sound is not None and sound.shape == (1, 8) and sound.raw["sound.length"].tolist() == [8] * 8
    assert len(sound.seen["traces"]) == 2 and len(sound.seen["traces"][0]) == 8
    assert hidden_places({"name": "age", "axes": []}, {"age": np.zeros(1)}) is None


def test_what_is_drawn_of_a_picture_is_its_bytes_row_by_row() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    drawn = draw_picture(picture, ["channel", "height", "width"])
    assert (drawn["height"], drawn["width"], drawn["channels"]) == (2, 2, 3)
    assert np.frombuffer(base64.b64decode(drawn["pixels"]), np.uint8).tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


def test_a_spike_of_a_long_recording_is_drawn() -> None:
    recording = np.zeros((1, 100_000), np.float32)
    recording[0, 54_321] = 7.0
    assert max(draw_traces(recording, 1, 100_000)[0]) == 7.0


def test_the_likeliest_class_is_explained_or_else_the_number() -> None:
    probability = {"job.probability": np.array([[0.2, 0.5, 0.3]]), "job.prediction": np.array([1])}
    found = choose_number({"name": "job", "classes": ["a", "b", "c"]}, probability)
    assert (found.name, found.of(probability).tolist()) == ("b", [0.5])
    assert choose_number({"name": "price", "classes": None}, {"price.prediction": np.array([3.5])}).name is None


def test_a_target_of_texts_is_not_explained() -> None:
    with pytest.raises(Exception, match="no number that could be explained"):
        choose_number({"name": "note", "classes": None}, {"note.prediction": np.array(["a"], object)})


def test_columns_without_a_typical_value_that_refuse_nothing_are_named_not_compared() -> None:
    inputs = [
        {"name": "age", "typical": 3.0},
        {"name": "day", "typical": None, "required": True, "nullable": False},
        {"name": "note", "typical": None, "required": True, "nullable": True},
        {"name": "image", "file": True},
    ]
    compared, notes = choose_columns(inputs)
    assert list(compared) == ["age", "note"]
    assert notes == ["Not compared: day."]
