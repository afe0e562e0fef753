"""Columns of pictures: files that are there or not, that can be read or not, and what is counted of those that can."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from commands import trainwright_command
from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.domains.images.feature import ImageFeature
from trainwright.domains.images.options import ImageOptions
from trainwright.domains.images.reading import scanning
from trainwright.domains.images.reading.kinds import Kind
from trainwright.domains.images.reading.options import Decoding
from trainwright.features.base import Counts
from trainwright.features.row_progress import RowProgress


def draw(path: Path, mode: str = "RGB", size: tuple[int, int] = (20, 18), seed: int = 0, **options: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path.name


def column(values: list[str | None], folder: Path, fit: bool = True, **options: Any) -> tuple[ImageFeature, pa.Array, np.ndarray]:
    """A column of paths, fitted on all of them."""
    table = folder / "table.csv"
    table.touch()
    feature = ImageFeature(ImageOptions(**options), "photo")
    array, rows = pa.array(values, pa.string()), np.arange(len(values))
    source = TableSource(pa.table({"photo": array}), "table.csv", files=[table])
    feature.held = source  # type: ignore[attr-defined] # the column itself holds no source
    feature.read_from(source)
    if fit:
        feature.observe(array, rows)
        feature.finish()
    return feature, array, rows


def decode_all(feature: ImageFeature, references: Any) -> list[Any]:
    decoder = feature.decoder(training=False)
    return [decoder.sample(each, row) for row, each in enumerate(references.places.to_pylist())]


def test_a_path_that_names_no_file_is_told_with_its_row_and_the_nearest_that_does(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "cat_1.JPG")
    written = ["a/cat_1.JPG", "a/cat_1.jpg", r"a\cat_1.JPG", "/home/ann/a/cat_1.JPG", "https://example.org/a.jpg", "nothing/like/it.png"]
    with pytest.raises(DataError) as caught:
        column(written, tmp_path)
    said = str(caught.value)
    feature, values, rows = column(written, tmp_path, fit=False)
    with pytest.raises(DataError, match="names 5 files that are not there"):  # of rows that are not trained on
        feature.refer(values, rows)
    near = os.path.join(tmp_path, "a", "cat_1.JPG")
    assert "names 5 files that are not there: row 2 'a/cat_1.jpg" in said
    assert said.count(f"the nearest path that is: {near}") == 3
    with pytest.raises(DataError, match="names 5 files that are not there"):
        feature.refer(values.slice(1, 2), rows[1:3])  # all that the table names are counted, whichever rows are read first
    assert "row 5 'https://example.org/a.jpg' (it is a URL" in said
    assert "row 6 'nothing/like/it.png' (it is not there)" in said
    assert "columns.photo.root=FOLDER" in said and "columns.photo.unreadable=skip" in said


def test_paths_may_begin_at_another_folder(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "a.png")
    feature, values, rows = column(["a.png"], tmp_path, root=str(tmp_path / "elsewhere"))
    assert decode_all(feature, feature.refer(values, rows))[0].shape == (3, 18, 20)


def test_files_that_are_not_there_count_as_missing_under_repair(tmp_path: Path) -> None:
    feature, values, rows = column([draw(tmp_path / "a.png"), "b.png", None], tmp_path, unreadable="repair", missing="indicator")
    counts = Counts()
    references = feature.refer(values, rows, counts)
    assert (references.places.to_pylist(), references.lengths.tolist()) == (["a.png", None, None], [1, 0, 0])
    assert (counts.missing, counts.invalid) == (1, 1)
    parts = feature.decoder(False).join(decode_all(feature, references), [0, 1, 2])
    assert parts["missing"].flatten().tolist() == [0.0, 1.0, 1.0]
    assert "row 2" in feature.remarks()[0] and "it is not there" in feature.remarks()[0]


def test_half_a_picture_stops_is_left_out_or_is_repaired(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        draw(tmp_path / name, size=(64, 64))
    whole = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.jpg").write_bytes(b"")
    written: list[str | None] = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]

    feature, values, rows = column(written[:2], tmp_path, unreadable="error", fit=False)
    with pytest.raises(DataError, match=r"row 2: .*b\.jpg"):
        feature.observe(values, rows)
        feature.finish()

    feature, values, rows = column(written, tmp_path, unreadable="skip")
    dropped = feature.dropped(values, rows)
    assert dropped is not None and dropped.tolist() == [False, True, True, True]
    assert feature.faults[2] == ("c.jpg", "it is empty (0 bytes)")
    assert feature.record()["unreadable"] == 3
    assert [each["row"] for each in feature.record()["first_unreadable"]] == [1, 2, 3]

    feature, values, rows = column(written, tmp_path, unreadable="repair")
    assert feature.dropped(values, rows) is None
    samples = decode_all(feature, feature.refer(values, rows))
    assert samples[2] is None
    assert (samples[1][:, -1] == 128).all()
    said = " ".join(feature.last_remarks())
    assert "row 3 'c.jpg' (it is empty (0 bytes))" in said and "row 4 'd.jpg' (it is not there)" in said
    found = feature.record()
    assert [(each["row"], each["file"]) for each in found.pop("first_unreadable")] == [(2, "c.jpg"), (3, "d.jpg")]
    assert found == {"decoded": 2, "repaired": 1, "unreadable": 2}


def test_rows_are_decoded_once_to_see_which_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    plain = scanning.look_at

    def counted(places: Any, options: Decoding) -> Any:
        looked.extend(row for row, _ in places)
        return plain(places, options)

    monkeypatch.setattr(scanning, "look_at", counted)
    feature, values, rows = column([draw(tmp_path / "a.png"), draw(tmp_path / "b.png")], tmp_path, unreadable="skip", fit=False)
    for _ in range(3):  # the table is gone through to fit the column, to encode it, and to measure
        assert feature.dropped(values, rows) is None
        feature.read_from(feature.held)  # type: ignore[attr-defined]
    assert looked == [0, 1]


def test_what_pictures_were_like_is_counted_by_row(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    names = [
        draw(tmp_path / "plain.png"),
        draw(tmp_path / "turned.jpg", exif=exif),
        draw(tmp_path / "gray.png", "L"),
        draw(tmp_path / "inks.jpg", "CMYK"),
        draw(tmp_path / "named.jpg", format="PNG"),
    ]
    feature, values, rows = column(list(names), tmp_path)
    references = feature.refer(values, rows)
    for _ in range(2):
        decode_all(feature, references)
    assert feature.record() == {"decoded": 5, "upright": 1, "cmyk": 1, "to_colour": 1, "suffix": 1}
    assert feature.counts.rows(Kind.CMYK) == [3]
    assert feature.counts.sizes().tolist() == [[18, 20], [20, 18], [18, 20], [18, 20], [18, 20]]
    assert feature.last_remarks() == [
        "column 'photo': 5 pictures decoded: 1 turned upright, as EXIF says; 1 CMYK, converted to RGB without a profile; "
        "1 gray, repeated in three channels; 1 of another format than the name says, read by what they hold"
    ]


@pytest.mark.parametrize(
    ("modes", "options", "channels"),
    [
        (["L", "L"], {}, 1),
        (["L", "RGB"], {}, 3),
        (["gray", "gray"], {}, 1),
        (["RGBA", "L"], {"alpha": "keep"}, 4),
        (["L", "L"], {"channels": 3}, 3),
    ],
)
def test_channels_are_those_of_a_sample(tmp_path: Path, modes: list[str], options: dict[str, Any], channels: int) -> None:
    names: list[str | None] = []
    for number, mode in enumerate(modes):
        name = draw(tmp_path / f"{number}.png", "L" if mode == "gray" else mode)
        if mode == "gray":  # gray that is stored in three channels
            Image.open(tmp_path / name).convert("RGB").save(tmp_path / f"{number}.jpg")
            name = f"{number}.jpg"
        names.append(name)
    assert column(names, tmp_path, **options)[0].depth == channels


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size_where_it_is_made_small(tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", size=(640, 480))
    feature, values, rows = column(["a.jpg"], tmp_path, size=60, augment="none")
    assert feature.reader.read(str(tmp_path / "a.jpg")).shape == (3, 120, 160)  # a quarter: at least twice what is wanted
    decode_all(feature, feature.refer(values, rows))
    assert feature.counts.sizes().tolist() == [[480, 640]]
    whole = column(["a.jpg"], tmp_path, size=60, augment=["random_resized_crop"])[0]
    assert whole.reader.read(str(tmp_path / "a.jpg")).shape == (3, 480, 640)


def test_many_pictures_are_looked_at_by_several_processes(tmp_path: Path) -> None:
    name = draw(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"GIF89a")
    places = [(row, str(tmp_path / ("bad.png" if row in (3, 299) else name))) for row in range(300)]
    told: list[tuple[int, int]] = []
    found = scanning.scan(places, Decoding(), lambda looked, broken: told.append((looked, broken)), len(places))
    assert sorted(found.faults) == [3, 299]
    assert np.concatenate(found.rows).tolist() == list(range(300))
    assert told[-1] == (300, 2)


class Terminal:
    def __init__(self, live: bool) -> None:
        self.live, self.text = live, ""

    def isatty(self) -> bool:
        return self.live

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


@pytest.mark.parametrize("live", [True, False])
def test_progress_is_one_line_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch, live: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream, clock = Terminal(live), [100.0]
    monkeypatch.setattr("trainwright.features.row_progress.time.monotonic", lambda: clock[0])
    with RowProgress(1000, "column 'photo'", stream) as told:  # type: ignore[arg-type]
        for looked in (100, 200, 300):
            clock[0] += 11
            told(looked, 1)
            told(looked, 1)
    line = "column 'photo': 200 of 1,000 rows, 9 a second, about 1 min 28 s left; 1 cannot be read"
    assert (f"\r\x1b[K{line}" in stream.text) == live and (f"{line}\n" in stream.text) == (not live)
    assert stream.text.endswith("\r\x1b[K") == live
    assert stream.text.count("rows,") == 3


def test_validate_names_each_row_that_cannot_be_read(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "pictures" / ("left", "right")[number % 2] / f"{number:02}.png", seed=number)
    good = trainwright_command("validate", "pictures", "--rows", folder=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "12 rows, all that 'image' (image) names was decoded; 0 cannot be read" in good.stdout
    (tmp_path / "pictures" / "left" / "00.png").write_bytes(b"")
    (tmp_path / "pictures" / "right" / "03.png").write_text("<html></html>")
    done = trainwright_command("validate", "pictures", "--rows", folder=tmp_path)
    assert done.returncode == 2
    assert "left/00.png: it is empty (0 bytes)" in done.stdout
    assert "right/03.png: it is a web page (HTML)" in done.stdout
    assert "2 of 12 rows name files that cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(trainwright_command("validate", "pictures", "--rows", "--json", folder=tmp_path).stdout)
    assert [each["value"] for each in told["broken"]] == ["left/00.png", "right/03.png"]


def test_validate_counts_the_rest_of_many_for_one_reason_and_says_how_to_mend_paths(tmp_path: Path) -> None:
    names = [draw(tmp_path / "0.png"), *(f"{number}.jpeg" for number in range(23))]
    (tmp_path / "t.csv").write_text("\n".join(["photo", *names]))
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    done = trainwright_command("validate", "t.csv", "--rows", folder=tmp_path)
    assert done.stdout.count("it is not there") == 21 and "3 more rows of 'photo': it is not there (--json lists all)" in done.stdout
    assert "23 of 24 rows name files" in done.stderr and "fix: correct the paths (columns.photo.root=FOLDER" in done.stderr
    (tmp_path / "t.csv").write_text("photo\n0.png\ndead.png\n")
    done = trainwright_command("validate", "t.csv", "--rows", folder=tmp_path)
    assert "dead.png: it is a link to" in done.stdout and "1 of 2 rows names a file that cannot be read" in done.stderr


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes" / "sub").mkdir(parents=True)
    (tmp_path / "notes" / "readme.txt").write_text("a")
    done = trainwright_command("validate", "notes", folder=tmp_path)
    assert done.returncode == 2 and "of what is read as a folder nothing is in it" in done.stderr and "pictures (.jpg, .png" in done.stderr


def test_validate_reads_rows_of_tables_of_arrays_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-9])
    (tmp_path / "t.csv").write_text("x,file\n1,a.npy\n2,b.npy\n3,c.npy\n4,\n")
    done = trainwright_command("validate", "t.csv", "--rows", "columns.file.type=file", folder=tmp_path)
    assert done.returncode == 2
    assert "row 2 (line 3): b.npy: it is cut off" in done.stdout and "row 3 (line 4): c.npy: it is not there" in done.stdout
    plain = trainwright_command("validate", "t.csv", "--rows", "columns.file.type=ignore", folder=tmp_path)
    assert plain.returncode == 0 and "4 rows, no column names files" in plain.stdout


def test_what_was_found_is_in_the_results_and_the_log(tmp_path: Path) -> None:
    for number in range(40):
        draw(tmp_path / "pictures" / ("left", "right")[number % 2] / f"{number:02}.png", "LA" if number == 4 else "RGB", seed=number)
    (tmp_path / "pictures" / "left" / "10.png").write_bytes(b"")
    words = [
        "columns.image.unreadable=skip",
        "trainer.max_epochs=1",
        "trainer.loader.workers=2",
        "run.dir=run",
        "model.encoders.image=small_cnn",
    ]
    done = trainwright_command("train", "pictures", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run" / "results.json").read_text())["files"]["image"]
    assert (found["decoded"], found["to_colour"], found["unreadable"]) == (39, 1, 1)
    assert found["first_unreadable"][0]["file"] == "left/10.png"
    assert "it is empty (0 bytes)" in done.stderr
    assert "39 pictures decoded: 1 gray, repeated in three channels" in done.stderr


def test_levels_of_16_bits_reach_the_batch_where_they_are_asked_for(tmp_path: Path) -> None:
    ramp = (20_000 + np.arange(1024)).astype(np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    draw(tmp_path / "plain.png", "L", (32, 32))
    plain = np.unique(np.asarray(Image.open(tmp_path / "plain.png"))).tolist()
    for levels, count in ((8, 5), (16, 1024)):
        feature, values, rows = column(
            ["deep.png", "plain.png", None], tmp_path, levels=levels, augment="none", unreadable="repair", size=32
        )
        decoder = feature.decoder(training=True)
        references = feature.refer(values, rows).places.to_pylist()
        batch = decoder.join([decoder.sample(each, row) for row, each in enumerate(references)], [0, 1, 2])["value"]
        assert batch.dtype == (torch.uint8 if levels == 8 else torch.float32) and batch.shape == (3, 1, 1, 32, 32)
        assert len(batch[0].unique()) == count and batch[1].unique().tolist() == plain
        given = (batch[:2].double() - feature.means[0]) / feature.deviations[0]
        assert (float(given.mean()), float(given.std(unbiased=False))) == pytest.approx((0, 1), abs=1e-4)
        assert float(batch[0].double().mean()) == pytest.approx(ramp.mean() / 257, abs=0.5 if levels == 8 else 1e-4)


def test_augmentations_of_fine_levels_are_those_of_bytes(tmp_path: Path) -> None:
    Image.fromarray((np.random.default_rng(0).integers(0, 256, (32, 32)) * 257).astype(np.uint16)).save(tmp_path / "deep.png")
    chain = [{"random_affine": {"degrees": 20, "fill": 128}}, {"color_jitter": {"brightness": 0.3, "contrast": 0.3}}]
    found = []
    for levels in (8, 16):
        feature, values, rows = column(["deep.png"], tmp_path, levels=levels, augment=chain, size=24)
        torch.manual_seed(0)
        found.append(feature.decoder(training=True).sample(feature.refer(values, rows).places[0].as_py(), 0).float())
    assert found[1].max() > 100 and float((found[0] - found[1]).abs().max()) <= 3
