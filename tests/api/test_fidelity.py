"""Two folders of pictures compared as sets: the numbers of the metrics, and files that cannot be measured named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainwright.api.fidelity import measure_fidelity
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics.frechet import FID
from trainwright.metrics.kernels import KID


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Ninety made and eighty real pictures of 8 × 8, gray, some below others."""
    draw = np.random.default_rng(0)
    for name, count, bright in (("made", 90, 150), ("real", 80, 256)):
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(count):
            place = tmp_path / name / ("more" if number % 3 else "") / f"{number:03d}.png"
            Image.fromarray(draw.integers(0, bright, (8, 8), dtype=np.uint8)).save(place)
    (tmp_path / "mine.py").write_text("def rows(pictures):\n    return pictures.mean((1, 3))\n")
    return tmp_path / "made", tmp_path / "real"


def pixels(folder: Path) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.array(Image.open(each))).float() / 255 for each in sorted(folder.rglob("*.png"))])[:, None]


def test_the_numbers_are_those_of_the_metrics(folders: tuple[Path, Path]) -> None:
    made, real = folders
    found = measure_fidelity(made, real, f"{made.parent}/mine.py:rows", ["fid", "kid"], channels=1)
    for metric in (FID(features=lambda each: each.mean((1, 3))), KID(features=lambda each: each.mean((1, 3)))):
        metric.add_made(pixels(made))
        metric.add_real(pixels(real))
        expected = metric.compute()
        assert {name: found["metrics"][name] for name in expected} == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert found["metrics"]["fid.n"] == 90 and found["metrics"]["fid.n_real"] == 80
    assert found["features"].endswith("mine.py:rows, 8 numbers of pictures 1×8×8")


def test_the_command_prints_numbers_floor_and_features(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    made, real = map(str, folders)
    assert main(["fidelity", made, real, "--features", "pixels", "--gray"]) == 0
    said = capsys.readouterr().out
    assert all(each in said for each in ("fid", "kid.floor", "prdc.recall", "features: pixels (raw values), 64 numbers of pictures 1×8×8"))
    assert main(["fidelity", made, real, "--features", "pixels", "--measures", "mmd", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["metrics"]) == {"mmd", "mmd.floor", "mmd.n", "mmd.n_real"}
    assert main(["fidelity", made, real]) == 2
    assert "no usual network" in capsys.readouterr().err


def test_what_cannot_be_measured_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    made, real = folders
    with pytest.raises(ConfigError, match="'fdi' does not compare two sets") as caught:
        measure_fidelity(made, real, "pixels", ["fdi"])
    assert "fid" in caught.value.fix
    with pytest.raises(ConfigError, match="has an option 'kk'"):
        measure_fidelity(made, real, "pixels", ["prdc"], kk=3)
    with pytest.raises(DataError, match="is no folder"):
        measure_fidelity(tmp_path / "none", real, "pixels")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        measure_fidelity(tmp_path / "empty", real, "pixels")
    (made / "zz.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="a picture cannot be read") as broken:
        measure_fidelity(made, real, "pixels")
    assert broken.value.where.endswith("zz.png")
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(made / "zz.png")
    with pytest.raises(DataError, match="different sizes") as other:
        measure_fidelity(made, real, "pixels")
    assert other.value.where.endswith("zz.png") and "(3, 9, 8)" in other.value.why


def test_features_are_learnt_from_the_reference(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for side, names in (("made", ("all",)), ("real", ("dark", "light"))):
        for name in names:
            (tmp_path / side / name).mkdir(parents=True)
            low = 160 if name == "light" else 0
            for number in range(30):
                picture = draw.integers(low, low + 90, (6, 6), np.uint8)
                Image.fromarray(picture).save(tmp_path / side / name / f"{number}.png")
    folders = tmp_path / "made", tmp_path / "real"
    found = measure_fidelity(*folders, {"type": "pca", "components": 3}, ("fid",), channels=1)
    assert found["features"] == "pca (of values of 60 training rows), 3 numbers of pictures 1×6×6" and found["metrics"]["fid"] > 0
    found = measure_fidelity(*folders, {"type": "classifier", "steps": 200}, ("fid", "inception_score"), channels=1)
    assert found["metrics"]["inception_score"] < 1.2 < 1.8 < found["metrics"]["inception_score.real"]  # one of two kinds is made
    with pytest.raises(DataError, match="no classes"):
        measure_fidelity(folders[1], folders[0], "classifier", ("fid",), channels=1)
