"""Where answers about pictures rest: maps over pictures, whole identities, and which layer is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import trainwright as tw
from trainwright.api.predictors.kinds import find
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.explain import GradCamOptions
from trainwright.explain.grad_cam import GradCam
from trainwright.explain.study import Asked, make_study
from trainwright.runs.media.colormaps import apply_colormap
from trainwright.runs.media.overlays import lay_over

QUICK: dict[str, Any] = {
    "trainer": {"max_epochs": 2, "progress": "none", "trackers": []},
    "evaluation": {"baselines": [], "report": False, "importance": False},
}
ENCODERS: dict[str, Any] = {
    "small_cnn": {"type": "small_cnn", "widths": [8, 16]},
    "image_resnet": {"type": "image_resnet", "depth": [1, 1], "widths": [8, 16]},
    "vit": {"type": "vit", "patch": 4, "width": 24, "depth": 2, "heads": 2},
}


def draw(folder: Path) -> None:
    """Gray noise with a bright square at the left or the right: what it is of is known."""
    random = np.random.default_rng(0)
    for label in ("left", "right"):
        (folder / label).mkdir(parents=True)
        for number in range(16):
            pixels = random.integers(60, 90, (24, 24, 3)).astype(np.uint8)
            row, column = random.integers(2, 14), random.integers(1, 4) + (12 if label == "right" else 0)
            pixels[row : row + 8, column : column + 8] = 220
            Image.fromarray(pixels).save(folder / label / f"{number}.png")


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    draw(folder / "pictures")
    return folder


@pytest.fixture(scope="module", params=list(ENCODERS))
def run(request: pytest.FixtureRequest, squares: Path) -> tuple[str, Path]:
    """A run with each kind of network."""
    place = squares / request.param
    columns = {"image": {"encoder": ENCODERS[request.param], "augment": "none", "size": 24}}
    tw.train(str(squares / "pictures"), columns=columns, model={"combiner": "concat"}, run_dir=place, **QUICK)
    return request.param, place


def picture(squares: Path) -> Path:
    return squares / "pictures" / "left" / "3.png"


def test_the_map_lies_where_the_square_is(run: tuple[str, Path], squares: Path) -> None:
    name, place = run
    method = "attention_rollout" if name == "vit" else "grad_cam"
    found = tw.load(place).explain(picture(squares), method)
    assert found.columns == ["image"] and found.maps["image"][0].shape == (24, 24)
    assert found.inputs["image"][0].shape == (3, 24, 24) and found.inputs["image"][0].max() == 220


def test_the_layer_that_is_looked_at_fits_the_network(run: tuple[str, Path], squares: Path) -> None:
    name, place = run
    found = tw.load(place).explain(picture(squares), "grad_cam", relu=False)
    layer = found.settings["layer"]
    assert layer.startswith("encoders.0.")
    assert ("norm" in layer) == (name == "vit"), layer
    assert np.abs(found.maps["image"][0]).max() > 0  # of a class token the last block's own output has a gradient of exactly 0


def test_integrated_gradients_of_a_picture_are_complete(run: tuple[str, Path], squares: Path) -> None:
    found = tw.load(run[1]).explain(picture(squares), "integrated_gradients", of="logit", steps=200)
    rows = found.rows
    assert rows is not None and rows.at_baseline is not None
    difference = rows.answer[0] - rows.at_baseline[0]
    assert found.maps["image"][0].sum() == pytest.approx(difference, abs=0.02 * abs(difference) + 1e-4)
    assert rows.attributions.sum() == pytest.approx(difference, abs=0.02 * abs(difference) + 1e-4)


def test_a_class_activation_map_and_the_bias_sum_up_to_the_logit(run: tuple[str, Path], squares: Path) -> None:
    """Where a linear layer follows the mean over places, Grad-CAM is CAM divided by the places: its sum is the logit without the bias."""
    name, place = run
    subject: Any = find(str(place), "").open([]).explainable(squares / "pictures", "test", "", False)
    method = GradCam(GradCamOptions(type="grad_cam", relu=False))
    study = make_study(subject, Asked(method.options, rows=6, output="right"))
    seen, column = method._seen(study, subject.module)
    tensors = subject.take(study.indices)
    maps, logits = method.maps(study, subject.module, seen, tensors, study.chosen(tensors))
    assert column is not None and column.name == "image"
    if name == "vit":
        return  # a class token is no mean over places
    bias = next(each for key, each in subject.module.named_parameters() if key.startswith("decoders.") and key.endswith("bias"))
    own = bias.detach().double().flatten()[-1]  # a binary target has one logit, that of its second class
    np.testing.assert_allclose(maps.double().flatten(1).sum(1) + own, logits, atol=1e-5)


@pytest.fixture(scope="module")
def pairs(squares: Path) -> tuple[Path, Path]:
    """A table of two columns of pictures, of which the second has a picture in every other row, and a run of it."""
    lines = ["left,right,y"]
    for number in range(16):
        for label in ("left", "right"):
            second = f"{label}/{15 - number}.png" if number % 3 else ""
            lines.append(f"{label}/{number}.png,{second},{label}")
    table = squares / "pictures" / "pairs.csv"
    table.write_text("\n".join(lines) + "\n")
    column = {"type": "image", "encoder": ENCODERS["small_cnn"], "augment": "none", "size": 24}
    columns = {"left": column, "right": column}
    tw.train(table, target="y", columns=columns, model={"combiner": "concat"}, run_dir=squares / "pairs", **QUICK)
    return table, squares / "pairs"


@pytest.mark.parametrize("baseline", ["typical", "mean", "zero"])
def test_the_way_to_a_picture_that_may_be_missing_goes_through_the_network(baseline: str, pairs: tuple[Path, Path]) -> None:
    found = tw.load(pairs[1]).explain(pairs[0], "integrated_gradients", of="logit", rows=5, baseline=baseline)
    rows = found.rows
    assert rows is not None and rows.gap is not None and rows.at_baseline is not None
    there = [bool(np.ptp(each) > 0) for each in found.inputs["right"]]  # a row without a picture has one colour
    assert any(there) and not all(there)
    assert [bool(np.abs(each).max() > 0) for each in found.maps["right"]] == there
    assert np.abs(rows.gap).max() < 0.05 * np.abs(rows.answer - rows.at_baseline).max() + 1e-4


def test_of_several_pictures_it_is_said_which_is_looked_at(pairs: tuple[Path, Path]) -> None:
    table, place = pairs
    found = tw.load(place).explain(table, "grad_cam", rows=2)
    assert found.columns == ["left"] and "--column right" in found.notes[-1]
    assert tw.load(place).explain(table, "grad_cam", rows=2, columns=["right"]).notes == []


def test_rollout_is_a_share_of_each_place(run: tuple[str, Path], squares: Path) -> None:
    name, place = run
    model = tw.load(place)
    if name != "vit":
        with pytest.raises(RequestError, match="does not attend"):
            model.explain(picture(squares), "attention_rollout")
        return
    found = model.explain(picture(squares), "attention_rollout")
    shares = found.maps["image"][0]
    assert shares.min() >= 0 and 0 < shares.sum() <= 1 and found.settings["token"] == "first"


def test_the_map_of_one_picture_is_written_over_it(run: tuple[str, Path], squares: Path, tmp_path: Path) -> None:
    name, place = run
    method = "attention_rollout" if name == "vit" else "grad_cam"
    assert main(["explain", str(place), str(picture(squares)), "--method", method, "--target", "left", "-o", str(tmp_path / "s.png")]) == 0
    with Image.open(tmp_path / "s.png") as drawn:
        assert drawn.size == (240, 240) and drawn.mode == "RGB"


def test_a_folder_gets_a_page_with_every_map(squares: Path, run: tuple[str, Path], tmp_path: Path) -> None:
    tw.load(run[1]).explain(squares / "pictures", "occlusion", rows=3, folder=tmp_path / "seen")
    assert len(list((tmp_path / "seen" / "maps").glob("*.png"))) == 3
    assert "lie over the picture" in (tmp_path / "seen" / "explanation.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "gradcamm"], "did you mean 'gradcam'"),
        (["--method", "grad_cam", "--target", "lefft"], "did you mean 'left'"),
        (["--method", "grad_cam", "--layer", "encoders.0.nothing"], "no layer"),
        (["--method", "attention_rollout"], "does not attend"),
    ],
    ids=["method", "class", "layer", "rollout"],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_written(
    squares: Path, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(squares / "small_cnn"), str(picture(squares)), *words, "-o", str(tmp_path / "s.png")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "s.png").exists()


def test_several_pictures_do_not_go_into_one(squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", str(squares / "small_cnn"), str(squares / "pictures"), "--method", "grad_cam", "-o", str(tmp_path / "s.png")]
    assert main(words) == 2
    assert "maps do not go into one picture" in capsys.readouterr().err and not (tmp_path / "s.png").exists()


def test_colours_over_a_picture_are_half_of_opencvs_jet() -> None:
    gray = np.full((3, 224, 224), 100.0)
    sizes = np.zeros((224, 224))
    sizes[:, 112:] = 5
    drawn = lay_over(gray, sizes)
    none, most = apply_colormap(np.array([0.0, 1.0]), "jet").astype(float)
    assert drawn.shape == (224, 224, 3)
    np.testing.assert_allclose(drawn[5, 5], 0.5 * none + 50, atol=1)
    np.testing.assert_allclose(drawn[5, 220], 0.5 * most + 50, atol=1)


def test_what_always_applies_to_batches_keeps_the_gradient() -> None:
    from trainwright.data.transforms import NormalizeOptions
    from trainwright.data.transforms.batches import BatchChain

    chain = BatchChain([NormalizeOptions(mean=[1.0, 2.0, 3.0], std=[2.0, 2.0, 2.0], dim=0, runs_on="device")], "here")
    given = torch.ones(2, 3, 4, 4, requires_grad=True)
    chain(given, None).sum().backward()
    assert given.grad is not None and (given.grad == 0.5).all()
    assert not chain(given.detach(), None).requires_grad
