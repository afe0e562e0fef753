"""What reports say of pictures: from facts of a run as the core gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainwright.config.registry import build, options_class
from trainwright.domains.facts import Rests, RunFacts
from trainwright.domains.images.feature import ImageFeature
from trainwright.domains.images.options import ImageOptions
from trainwright.domains.images.viewing.duplicates import says_who, tell_duplicates
from trainwright.domains.images.viewing.masks import painted, share_wrong
from trainwright.domains.images.viewing.mistakes import briefly, mark_of, show_mistakes
from trainwright.domains.images.viewing.report import describe_pictures
from trainwright.metrics.outcome import Outcome
from trainwright.report.blocks import check, read
from trainwright.report.blocks.base import Sheet


@pytest.fixture
def facts(tmp_path: Path) -> RunFacts:
    """Twelve pictures of two classes and four people; row 11 is row 0 again, with the other label."""
    smooth = [np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8) for seed in range(11)]
    (tmp_path / "pictures").mkdir()
    for number, each in enumerate([*smooth, smooth[0]]):
        size = (60, 40) if number == 5 else (48, 48)
        Image.fromarray(each).resize(size, Image.Resampling.BICUBIC).save(tmp_path / "pictures" / f"{number:02}.png")
    labels = [number % 2 for number in range(12)]
    table = ["file_name,label,person", *(f"{number:02}.png,{'ab'[label]},{number % 4}" for number, label in enumerate(labels))]
    (tmp_path / "pictures" / "metadata.csv").write_text("\n".join(table))
    given = {"type": "image_folder", "path": str(tmp_path / "pictures")}
    source = build("source", options_class("source", "image_folder").model_validate(given), memory_limit=1 << 30)
    feature = ImageFeature(ImageOptions(type="image", size=32), "image")
    feature.read_from(source)
    rows = np.arange(12)
    feature.fit([source.read(rows, ["image"])["image"].combine_chunks()])
    scores = np.full((6, 2), 0.5) + np.array([[0.4, -0.4]])
    outcome = Outcome("category", np.array(labels[6:]), scores, ["a", "b"])
    splits = {"train": rows[:6], "test": rows[6:]}
    run = tmp_path / "run"
    run.mkdir()
    return RunFacts(
        run, {"image": "image", "label": "category"}, "test", rows[6:], {"label": outcome}, source.read, {"image": feature},
        splits=splits, known=source.schema.names,
    )  # fmt: skip


def drawn(facts: RunFacts, blocks: list[dict[str, Any]]) -> str:
    """The blocks as a page shows them."""
    return "".join(read(each).render(Sheet(facts.folder)) for each in check(blocks, "here"))


def test_sizes_and_walls_are_shown(facts: RunFacts) -> None:
    blocks = describe_pictures(facts)
    titles = [each.get("title") for each in blocks]
    assert titles == ["How they were read", "How large they are", "How wide they are", "As the model sees them", "As it is trained on them"]
    assert blocks[0]["rows"][2] == ["the files have", "48×48 to 60×40 pixels, the middle one 48×48"]
    plain, varied = blocks[3]["tiles"], blocks[4]["tiles"]
    assert len(plain) == 6 and len({each["file"] for each in varied}) == len(varied) >= 8
    assert drawn(facts, blocks).count("data:image/jpeg") == len(plain) + len(varied)


def test_a_copy_across_splits_with_another_label_is_shown_and_people_are_counted(facts: RunFacts) -> None:
    counts, copy, people = tell_duplicates(facts)
    assert dict(counts["rows"])["in several splits"].startswith("1:") and dict(counts["rows"])["with several labels"].startswith("1:")
    assert copy["title"] == "The same: 00.png" and copy["caption"] == "2 pictures, in several splits, with several labels"
    assert people["rows"] == [["person", "test", 6, 6]] and "data.split=grouped data.split.column=person" in people["note"]["text"]
    drawn(facts, [counts, copy, people])


def test_the_most_wrong_come_first_with_truth_and_answer(facts: RunFacts) -> None:
    blocks = show_mistakes(facts)
    wall = blocks[0]
    assert wall["title"] == "Most wrong" and [each["mark"] for each in wall["tiles"]] == ["wrong"] * 3 + ["right"] * 3
    assert "taken for" in drawn(facts, blocks)


def test_one_number_is_said_of_an_answer(facts: RunFacts) -> None:
    """What Grad-CAM explains is a logit, and the caption has the probability of the same class."""
    rests = Rests(np.ones((32, 32)), np.zeros((3, 32, 32)), 0, "a", 7.25)
    blocks = show_mistakes(replace(facts, rests=lambda *asked: rests))
    assert blocks[1]["note"] == "Red is what speaks most for 'a'." and "7.2" not in drawn(facts, blocks)


def test_answers_are_said_briefly() -> None:
    outcome = Outcome("category", np.array([0, 1]), np.array([[0.1, 0.9], [0.2, 0.8]]), ["cat", "dog"])
    assert briefly(outcome, 0)[1] == " → dog 0.90" and briefly(outcome, 1)[1] == " 0.80"
    labels = Outcome("set", np.array([[1, 0, 1]]), np.array([[0.9, 0.8, 0.1]]), ["sun", "sea", "sand"])
    assert briefly(labels, 0) == ["missed sand; wrong sea"] and mark_of(labels, 0) == "wrong"
    number = Outcome("number", np.array([2.0]), np.array([2.5]))
    assert briefly(number, 0)[1] == " → 2.5" and mark_of(number, 0) == ""


def test_pixels_that_do_not_count_are_gray_and_never_wrong() -> None:
    truth, answer = np.array([[0, 1], [-100, 1]]), np.array([[0, 0], [1, 1]])
    assert share_wrong(truth, answer) == pytest.approx(1 / 3) and np.isnan(share_wrong(truth * 0 - 100, answer))
    found = painted(np.full((3, 2, 2), 100.0), truth, np.array([[0, 0, 0], [200, 0, 0]], np.uint8))
    assert found[0, 1].tolist() == [160, 40, 40] and found[1, 0].tolist() == [117, 117, 117]


@pytest.mark.parametrize(
    ("name", "who"), [("student", True), ("patient_id", True), ("persons", True), ("user_count", False), ("digit", False)]
)
def test_columns_that_say_of_whom_a_picture_is(name: str, who: bool) -> None:
    assert says_who(name) is who
