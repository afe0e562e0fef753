"""What is wrong with data and options of a diffusion model is said before the first step, with what to do; or has a policy that is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import trainwright_command
from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.prepared import PreparedDiffusion
from trainwright.features.lazy import describe_files
from trainwright.systems.run_config import read_config

RANDOM = np.random.default_rng(1)
POINTS = RANDOM.normal(size=(40, 2)).round(3).tolist()
MLP = {"type": "mlp", "width": 8, "depth": 1, "condition_width": 8}


def write_table(folder: Path, header: str, rows: list[list[Any]]) -> str:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]))
    return str(path)


def points(value: Callable[[int], Any] | None = None, rows: int = 40) -> Callable[[Path], str]:
    """`x` and `y`, and `c` as a function of the row."""
    more = RANDOM.normal(size=(rows, 2)).round(3).tolist()
    header = "x,y" if value is None else "x,y,c"
    return lambda folder: write_table(folder, header, [[*row, *([] if value is None else [value(at)])] for at, row in enumerate(more)])


def put(value: Any, column: int = 0) -> Callable[[Path], str]:
    """The points with one value in row 4."""
    return lambda folder: write_table(
        folder, "x,y", [[value if (at, place) == (3, column) else each for place, each in enumerate(row)] for at, row in enumerate(POINTS)]
    )


def constant(*columns: int) -> Callable[[Path], str]:
    """The points with 5 everywhere in some columns."""
    return lambda folder: write_table(
        folder, "x,y", [[5 if place in columns else each for place, each in enumerate(row)] for row in POINTS]
    )


def arrays(bad: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[Path], str]:
    """A table of names of arrays."""

    def write(folder: Path) -> str:
        for row in range(16):
            np.save(folder / f"{row}.npy", bad(np.sin(np.arange(24) / 4 + row).astype(np.float32), row))
        return write_table(folder, "signal", [[f"{row}.npy"] for row in range(16)])

    return write


def pictures(columns: str = "a", size: int = 12, count: int = 12) -> Callable[[Path], str]:
    """A table of names of pictures, in so many columns."""

    def write(folder: Path) -> str:
        for row in range(count):
            Image.fromarray(RANDOM.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{row}.png")
        return write_table(folder, ",".join(columns), [[f"{(row + at) % count}.png" for at in range(len(columns))] for row in range(count)])

    return write


def prepared(source: str, system: dict[str, Any]) -> PreparedDiffusion:
    return PreparedDiffusion(read_config({"system": {"type": "diffusion", **system}, "data": {"source": source}}))


FILE = {"columns": {"signal": {"type": "file"}}}
XY = {"of": ["x", "y"], "condition": "c"}
REFUSED: dict[str, tuple[Callable[[Path], str], dict[str, Any], str]] = {
    "infinity in a vector": (put("inf"), {}, r"column 'x' has infinite values: row 4 \(line 5\)"),
    "NaN in an array": (arrays(lambda each, row: each * np.nan if row < 5 else each), FILE, r"NaN or infinite values: row \d \(line \d\)"),
    "all alike": (arrays(lambda each, row: each * 0 + 2), FILE, "'signal' does not vary"),
    "lengths": (arrays(lambda each, row: each[: 10 + row]), FILE, "rows of several lengths.*center_crop"),
    "names of arrays without a type": (arrays(lambda each, row: each), {}, r"no column can be made.*signal \(ignore: an id.*type=file"),
    "constant columns": (constant(0, 1), {}, r"no column can be made.*x \(ignore: constant: 5\)"),
    "a constant column asked for": (constant(0), {"of": "x"}, r"'x' cannot be made.*constant: 5\n  fix: name another it was"),
    "a constant column said to be a number": (
        constant(0),
        {"of": "x", "columns": {"x": {"type": "number"}}},
        r"'x' does not vary\n  why: all its values are alike in \d+ rows",
    ),
    "two columns of pictures": (pictures("ab"), {}, r"2 columns could be made: a, b.*system.of=a.*system.condition=\[b\]"),
    "two columns of pictures asked for": (pictures("ab"), {"of": ["a", "b"]}, "one array is made at a time"),
    "nothing to make": (lambda folder: write_table(folder, "a,b", [["uv"[at % 2], "w"] for at in range(20)]), {}, "no column can be made"),
    "made of words": (points(lambda row: "ab"[row % 2]), {"of": "c"}, r"'c' cannot be made: it is of type binary.*system.condition=\[c\]"),
    "no such column": (points(lambda row: row), {"of": "yy"}, "`of` names 'yy'.*did you mean 'y'"),
    "no such condition": (points(lambda row: row), {"of": "x", "condition": "cc"}, "`condition` names 'cc'.*did you mean 'c'"),
    "made and told": (points(lambda row: row / 4), {"of": ["x", "c"], "condition": "c"}, "'c' is both made and told"),
    "text told": (points(lambda row: f"a sentence of many words number {row}"), XY, "'c' is a column of type text, which cannot be told"),
    "an id told": (points(lambda row: f"p{row}"), XY, "'c' cannot be told.*an id.*columns.c.type=category"),
    "a constant told": (points(lambda row: "a"), XY, "'c' cannot be told.*constant.*leave it out of system.condition$"),
    "ends in the wrong order": (points(), {"sigma_min": 3, "sigma_max": 2}, "sigma_min is 3 and sigma_max 2"),
    "ends that meet": (points(), {"sigma_min": 3000}, r"from sigma_max 160 down to sigma_min 3000.*follows from sigma_data, which is 1"),
    "no noise at the end": (points(), {"sigma_min": 0}, "0 is not above 0"),
    "no deviation": (points(), {"sigma_data": -1}, "-1 is not above 0"),
    "guided by nothing": (points(), {"guidance": 2}, "cannot be guided.*it has no condition"),
    "guided without dropout": (
        points(lambda row: "ab"[row % 2]),
        {**XY, "guidance": 2, "condition_dropout": 0},
        "cannot be guided.*condition_dropout 0",
    ),
    "a distilled sampler": (points(), {"sampler": "lcm"}, "'lcm' is for distilled models.*dpmpp_2m"),
    "a scale that is not undone": (points(), {"columns": {"x": {"scale": "quantile"}}}, "scaled by quantile, which is not undone"),
    "pictures outside of -1 to 1": (
        pictures(),
        {"columns": {"a": {"type": "image", "normalize": "imagenet"}}},
        r"go from -2\.\d+ to 2\.\d+, and are made from -1 to 1.*leave normalize",
    ),
    "a picture told as it is, beside one that is turned": (
        pictures("ab"),
        {"of": "a", "condition": "b", "columns": {"a": {"type": "image", "augment": ["random_horizontal_flip"]}}},
        "'a' is augmented, and 'b', which is told place by place, is not.*draws_as: a",
    ),
    "too few": (pictures(count=3), {}, "too few rows to train on.*at least 10 are needed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_what_to_do(case: str, tmp_path: Path) -> None:
    write, system, said = REFUSED[case]
    source = write(tmp_path)
    with pytest.raises(RequestError) as caught:
        prepared(source, {"model": "auto", **system}).system.eval()
    error = caught.value
    assert error.exit_code == 2
    assert re.search(said, f"{error} {error.why} {error.fix}", re.DOTALL), str(error)


TOLD: dict[str, tuple[Callable[[Path], str], dict[str, Any], str]] = {
    "missing values": (put(""), {}, "note: 1 rows were left out: no usable value in column 'x'"),
    "NaN in a vector": (put("nan"), {}, "note: 1 rows were left out: no usable value in column 'x'"),
    "missing classes": (points(lambda row: ["a", "b", ""][row % 3]), XY, "note: 13 rows were left out: no value in column 'c'"),
    "missing conditions": (
        points(lambda row: "" if row % 5 == 0 else row / 2),
        XY,
        "note: 8 rows were left out: no usable value in column 'c'",
    ),
    "a constant column": (constant(0), {}, "left out: x (constant: 5)"),
    "another deviation": (points(), {"sigma_data": 40}, "sigma_data is 40, and what is made has a deviation of 1, from -"),
    "smaller than they are made": (pictures(), {"columns": {"a": {"type": "image", "size": 16}}}, "pictures of 12×12, given as 16×16"),
    "the range that was found": (points(), {}, "deviation 1 (sigma_data 1)"),
}


@pytest.mark.parametrize("case", TOLD)
def test_it_has_a_policy_that_is_told(case: str, tmp_path: Path) -> None:
    write, system, said = TOLD[case]
    lines = prepared(write(tmp_path), {"model": "auto", **system}).lines()
    assert any(said in line for line in lines), "\n".join(lines)


CONDITIONS: dict[str, tuple[Callable[[int], Any], int, int]] = {
    "number": (lambda row: row * 0.5, 0, 2),
    "bool": (lambda row: ["true", "false"][row % 2], 2, 0),
    "category": (lambda row: "abc"[row % 3], 3, 0),
    "few whole numbers": (lambda row: row % 4, 4, 0),
    "date": (lambda row: f"2024-01-{row % 28 + 1:02}", 0, 9),
    "vector": (lambda row: f'"{row} {row + 1} 3"', 0, 4),
}
"""Kind of column → its values, and the classes and numbers that are told: the last says whether they are."""


@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_condition_of_every_type_is_told(kind: str, tmp_path: Path) -> None:
    value, classes, numbers = CONDITIONS[kind]
    layout = prepared(points(value)(tmp_path), {**XY, "model": MLP}).data.layout
    shape = layout.backbone_shape()
    assert (shape.classes, shape.mapping > 0) == (classes, numbers > 0)
    assert numbers in (0, 9) or shape.mapping == numbers


def test_a_picture_is_told_place_by_place(tmp_path: Path) -> None:
    made = prepared(pictures("ab")(tmp_path), {"of": "a", "condition": "b"})
    assert made.data.layout.backbone_shape().concat == 3 and made.config.system.columns["b"].augment == "none"


def test_thousands_of_classes_are_told(tmp_path: Path) -> None:
    made = prepared(points(lambda row: f"p{row % 1500}", 12000)(tmp_path), {**XY, "model": MLP})
    assert len(made.data.layout.classes) == 1500
    assert any("c (1500 classes)" in line for line in made.lines())


def write_album(folder: Path) -> str:
    """Pictures, one of them cut off, and one with several frames."""
    album = folder / "album"
    album.mkdir()
    frames = [Image.fromarray(RANDOM.integers(0, 256, (20, 20, 3), np.uint8)) for _ in range(14)]
    for number, each in enumerate(frames):
        each.save(album / f"{number:02}.png")
    frames[0].save(album / "moving.gif", save_all=True, append_images=frames[1:3])
    (album / "cut.png").write_bytes((album / "03.png").read_bytes()[:200])
    return str(album)


def test_what_is_odd_about_pictures_is_told_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that has to be enlarged before training, and of what kinds the rest are once all were decoded."""
    album = Path(write_album(tmp_path))
    (album / "cut.png").unlink()
    Image.fromarray(RANDOM.integers(0, 256, (20, 20, 4), np.uint8)).save(album / "clear.png")
    Image.fromarray(RANDOM.integers(0, 65536, (20, 20), np.uint16)).save(album / "deep.png")
    Image.fromarray(RANDOM.integers(0, 256, (3, 4, 3), np.uint8)).save(album / "tiny.png")
    system = {"type": "diffusion", "columns": {"image": {"type": "image", "size": 16}}}
    data = {"source": str(album), "split": {"type": "random", "validation": 0, "test": 0}}
    made = PreparedDiffusion(read_config({"system": system, "data": data}))
    assert any("1 picture smaller than 16×16, enlarged: tiny.png (4×3)" in line for line in made.lines())
    with caplog.at_level("INFO", "trainwright"):
        found = describe_files(made.data.table.encoder.features, said=made.data.notes)["image"]
    assert (found["decoded"], found["smaller"], found["alpha"], found["animated"], found["deep_gray"]) == (18, 1, 1, 1, 1)
    assert "1 with transparency" in caplog.text and "1 gray of 16 bits" in caplog.text and "1 animated" in caplog.text
    assert "enlarged" not in caplog.text, "it was told before"


def test_a_class_of_one_row_is_told_of_in_training(tmp_path: Path) -> None:
    made = prepared(points(lambda row: "b" if row == 7 else "a")(tmp_path), XY)
    assert made.data.layout.classes == ["a", "b"] and 7 in made.data.table.train.tolist() and len(made.splits["validation"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is empty"):
        prepared(str(tmp_path), {})


def test_a_broken_picture_is_left_out_where_that_is_asked_for_and_of_a_moving_one_the_first_frame_is_taken(tmp_path: Path) -> None:
    made = prepared(write_album(tmp_path), {"columns": {"image": {"unreadable": "skip"}}})
    assert any("files that cannot be read, left out" in line and "cut.png" in line for line in made.lines())
    assert sum(map(len, made.splits.values())) == 15, "14 pictures, and the moving one"


def test_a_broken_picture_among_others_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    write_album(tmp_path)
    done = trainwright_command("train", "album", "system=diffusion", "trainer.max_steps=1", "run.dir=run", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "run").exists()
    assert "cut.png" in done.stderr and "columns.image.unreadable=skip" in done.stderr
