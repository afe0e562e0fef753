"""Numbers measured in pictures as columns, and HOG with a support vector machine beside networks, on files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trainwright as tw
from trainwright.baselines.run import BaselineTarget, run_baselines
from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build, options_class
from trainwright.domains.images.classical import moments
from trainwright.domains.images.classical.options import HogSVMOptions
from trainwright.domains.images.feature import ImageFeature
from trainwright.domains.images.options import ImageOptions
from trainwright.domains.tables.show import result_lines


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`across` and `down`: a bar in noise, 30 of each; one file is broken."""
    folder, random = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    for label in ("across", "down"):
        (folder / label).mkdir()
        for number in range(30):
            pixels = random.integers(0, 60, (40, 40), dtype=np.uint8)
            at = int(random.integers(8, 28))
            pixels[at : at + 6, 4:36] = 220
            Image.fromarray(pixels if label == "across" else pixels.T.copy()).save(folder / label / f"{number}.png")
    (folder / "down" / "broken.png").write_bytes(b"")
    return folder


def open_folder(folder: Path, **options: Any) -> Any:
    given = {"type": "image_folder", "path": str(folder), **options}
    return build("source", options_class("source", "image_folder").model_validate(given), memory_limit=1 << 30)


def test_measures_are_columns_beside_the_pictures(bars: Path) -> None:
    source = open_folder(bars, measures=["moments", "contours", "hog"])
    table = source.read(np.arange(len(source)), source.schema.names)
    row = table["file"].to_pylist().index("across/3.png")
    wanted = moments(np.asarray(Image.open(bars / "across" / "3.png")))
    assert table["moments_eccentricity"][row].as_py() == pytest.approx(wanted.eccentricity)
    assert table["contours_count"][row].as_py() >= 1 and len(table["hog"][row].as_py()) == 1764
    assert source.declared_columns["hog"] == {"type": "vector"} and source.declared_columns["moments_x"] == {"type": "number"}
    broken = table["file"].to_pylist().index("down/broken.png")
    assert table["moments_x"][broken].as_py() is None and table["hog"][broken].as_py() is None
    assert any("1 picture is not measured: it cannot be read" in each for each in source.notes)
    again = open_folder(bars, measures=["moments", "contours", "hog"])  # kept on disk
    assert again.table.equals(source.table)


def test_a_measure_that_is_none_and_a_name_that_is_taken_are_refused(bars: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="moments"):
        options_class("source", "image_folder").model_validate({"type": "image_folder", "path": str(bars), "measures": ["moment"]})
    with pytest.raises(DataError, match="'edges_share'"):
        open_folder(bars, measures=["edges"], pattern=r"(?P<edges_share>.+)")


def features(folder: Path) -> tuple[Any, ImageFeature]:
    source = open_folder(folder)
    feature = ImageFeature(ImageOptions(type="image", unreadable="repair"), "image")
    feature.read_from(source)
    return source, feature


def learn(folder: Path, kind: str = "binary", **options: Any) -> Any:
    """What `hog_svm` scores on half of the rows."""
    source, feature = features(folder)
    labels = source.read(np.arange(len(source)), ["label"])["label"].to_pylist()
    order = np.random.default_rng(1).permutation(len(source))
    rows = {"train": order[:40], "test": order[40:]}
    truth = np.array([each == "down" for each in labels])
    values = truth.astype(np.int64) if kind == "binary" else np.where(truth, 2.5, -1.0)
    target = BaselineTarget(
        "label", kind, 2 if kind == "binary" else 1, {name: values[each] for name, each in rows.items()}, ["across", "down"]
    )
    asked = HogSVMOptions(type="hog_svm", **options)
    return run_baselines([asked], source.read, {}, [target], rows, files={"image": feature})["hog_svm"]


def test_hog_and_a_support_vector_machine_tell_bars_apart(bars: Path) -> None:
    found = learn(bars)
    assert found.metrics["test"]["label"]["accuracy"] >= 0.9
    scores = found.outcomes["test"]["label"].scores
    assert scores.shape == (21, 2) and np.allclose(scores.sum(axis=1), 1)
    assert found.metrics["test"]["label"]["log_loss"] < 0.4  # a temperature found on rows held back
    assert "given nothing in place of 1 picture that cannot be read" in found.note


def test_it_predicts_numbers(bars: Path) -> None:
    found = learn(bars, "number")
    assert found.metrics["test"]["label"]["r2"] > 0.7


def test_more_pictures_than_it_may_read_are_drawn_and_told(bars: Path) -> None:
    found = learn(bars, max_rows=20, max_scored=10)
    assert "trained on 20 of 40 rows" in found.note and "measured on 10 of 21 rows" in found.note
    assert len(found.rows["test"]) == 10 == len(found.outcomes["test"]["label"])


def test_without_scikit_image_it_says_that_it_was_skipped(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    found = learn(bars)
    wanted = "not run for 'label' because pictures are measured by scikit-image, which is not installed (pip install 'trainwright[images]')"
    assert not found.metrics and found.note == wanted
    empty: dict[str, Any] = {name: {} for name in ("verdict", "metrics", "intervals", "resampling", "classes")}
    lines = result_lines(empty | {"baselines": {"hog_svm": found.as_json()}}, ["label"])
    assert " ".join(line.strip() for line in lines if line).endswith(f"note: hog_svm was {wanted}")  # below the table
    with pytest.raises(ConfigError, match="scikit-image"):
        open_folder(bars, measures=["hog"])


def test_it_is_measured_beside_every_network_that_reads_pictures(bars: Path, tmp_path: Path) -> None:
    columns = {"image": {"encoder": {"type": "small_cnn", "widths": [8]}, "unreadable": "skip"}}
    trainer = {"max_epochs": 1, "progress": "none", "trackers": []}
    result = tw.train(str(bars), columns=columns, trainer=trainer, run_dir=tmp_path / "run")
    assert result.results["baselines"].keys() == {"constant", "hog_svm"}
    assert result.results["baselines"]["hog_svm"]["test"]["label"]["accuracy"] >= 0.7
    page = (tmp_path / "run" / "report.html").read_text()
    for said in ("As the model sees them", "Most wrong", "Grad-CAM", "integrated gradients", "Copies", "hog_svm"):
        assert said in page, said
