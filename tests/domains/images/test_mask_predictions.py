"""A run of masks: predicted as PNGs of the size of the pictures, measured through several views, and said where that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.commands import trainwright_command

from trainwright.config.errors import ConfigError
from trainwright.domains.images.masks.answers import name_files, unfit
from trainwright.domains.images.resizing import plan_fit
from trainwright.domains.images.synth.options import ShapesOptions
from trainwright.domains.images.synth.shapes import PALETTE, write_shapes
from trainwright.domains.images.views import NAMES, make_views
from trainwright.features.spec import InputGroup
from trainwright.systems.views import as_members, join_at_positions

SMALL = "columns.image.encoder={type: small_cnn, widths: [4, 8]}"


def command(folder: Path, *words: str) -> tuple[int, str]:
    found = trainwright_command(*words, folder=folder)
    return found.returncode, found.stdout + found.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shapes of 16², a run on them, and pictures that are new to it."""
    folder = tmp_path_factory.mktemp("masks")
    write_shapes(folder / "shapes", 1, ShapesOptions(pictures=60, size=16))
    settings = ("trainer.max_epochs=2", "evaluation.baselines=[]", "run.dir=run", "columns.image.augment=none", SMALL)
    code, said = command(folder, "train", "shapes", *settings)
    assert code == 0, said
    (folder / "new").mkdir()
    for number, size in enumerate([(16, 16), (20, 31), (32, 16)]):
        picture = Image.open(folder / f"shapes/images/000{number}.png").resize(size[::-1])
        picture.save(folder / f"new/photo{number}.png")
    return folder


def test_a_folder_of_pictures_and_masks_is_trained_on_without_a_word_and_its_classes_have_names(run: Path) -> None:
    found = json.loads((run / "run/results.json").read_text())
    classes = found["classes"]["test"]["mask"]
    assert set(found["metrics"]["test"]["mask"]) >= {"iou", "dice", "accuracy", "balanced_accuracy"}
    assert list(classes["of"]) == ["background", "disc", "square", "triangle"]
    assert classes["rows"] == 9 * 256 and set(classes["of"]["disc"]) >= {"rows", "predicted", "iou", "dice"}


def test_predicted_masks_are_files_as_large_as_their_pictures_beside_the_table(run: Path) -> None:
    code, said = command(run, "predict", "run", "new", "-o", "out/")
    assert code == 0, said
    lines = (run / "out/predictions.csv").read_text()
    for number, size in enumerate([(16, 16), (20, 31), (32, 16)]):
        assert f"mask/photo{number}.png" in lines
        with Image.open(run / f"out/mask/photo{number}.png") as mask:
            assert mask.mode == "P" and mask.size == size[::-1]
            assert mask.getpalette()[: 3 * len(PALETTE)] == [level for colour in PALETTE for level in colour]
    code, said = command(run, "predict", "run", "new", "-o", "out/")
    assert code == 2 and "this place is taken" in said


def test_answers_are_averaged_over_views_that_are_told_and_kept(run: Path) -> None:
    asked = [(), ("evaluation.views=[flip,five_crop]",)]
    plain, found = (json.loads(trainwright_command("evaluate", "run", "shapes", "--json", *each, folder=run).stdout) for each in asked)
    assert found["views"] == ["flip", "five_crop"] and "views" not in plain
    assert found["metrics"]["mask"]["iou"] != plain["metrics"]["mask"]["iou"]
    code, said = command(run, "predict", "run", "new", "evaluation.views=[rot90]", "-o", "turned.parquet")
    assert code == 0, said


@pytest.mark.parametrize("name", NAMES)
def test_scores_that_follow_a_picture_are_where_they_were_after_every_view(name: str) -> None:
    """A network that gives each pixel its own brightness: what is undone well is nearly the picture itself."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    picture = torch.stack([y, x * x, 0.3 * x + 0.5 * y])
    group = InputGroup("photo", "image", ["photo"], None, {"value": (1, 3, 32, 32)})
    views = make_views([group], [name])
    total, weights = torch.zeros_like(picture), torch.zeros(32, 32)
    for view in views:
        seen = view.change({"photo.value": picture[None, None], "other": torch.ones(1)})
        shown = seen["photo.value"][:, 0]
        scores = torch.nn.functional.interpolate(shown, (32, 32), mode="bilinear", antialias=True)
        back, weight = view.back(scores)
        total, weights = total + back[0] * weight, weights + weight
        assert seen["other"].shape == (1,)
    assert bool((weights > 0).all()) and len({each.name for each in views}) == len(views)
    assert float((total / weights - picture).abs().max()) < 0.05
    assert len(views) == {"flip": 2, "flip_vertical": 2, "rot90": 4, "five_crop": 5, "ten_crop": 10, "scales": 3}[name]


def test_the_mean_over_views_is_that_of_their_probabilities() -> None:
    from trainwright.systems.readout import join_members

    outputs = [torch.randn(3, 4), torch.randn(3, 4)]
    joined = join_members("category", as_members(outputs)).softmax(1)
    torch.testing.assert_close(joined, (outputs[0].softmax(1) + outputs[1].softmax(1)) / 2)
    group = InputGroup("photo", "image", ["photo"], None, {"value": (1, 3, 4, 4)})
    views = make_views([group], ["flip"])
    maps = [torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)]
    wanted = (maps[0].softmax(1) + maps[1].softmax(1).flip(-1)) / 2
    torch.testing.assert_close(join_at_positions(views, maps).softmax(1), wanted)


@pytest.mark.parametrize(
    ("parts", "names", "said"),
    [((1, 3, 8, 8), ["flipped"], "there is no view 'flipped'"), ((1, 3, 8, 12), ["rot90"], "that are not square cannot be turned")],
)
def test_views_that_cannot_be_are_refused(parts: tuple[int, ...], names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_views([InputGroup("photo", "image", ["photo"], None, {"value": parts})], names)


def test_a_table_without_pictures_has_no_views(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    code, said = command(tmp_path, "train", "t.csv", "--target", "y", "evaluation.views=[flip]", "run.dir=run")
    assert code == 2 and "these rows cannot be viewed in several ways" in said and "number" in said and not (tmp_path / "run").exists()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_a_mask_is_as_large_as_its_picture_again(resize: str) -> None:
    from trainwright.domains.images.transforms.fit import Fit
    from trainwright.domains.images.transforms.options import FitOptions

    mask = torch.zeros(40, 60, dtype=torch.int16)
    mask[10:30, 20:40] = 1
    fitted = Fit(FitOptions(size=[20, 20], resize=resize, on="mask"))(mask)
    found: Any = unfit(fitted.numpy().astype(np.uint8), (40, 60), plan_fit((40, 60), (20, 20), resize))
    seen = found != 255
    assert found.shape == (40, 60) and float((found == mask.numpy())[seen].mean()) > 0.93
    assert seen.mean() == (pytest.approx(2 / 3, abs=0.03) if resize == "crop" else 1)


def test_masks_of_pictures_of_one_name_have_names_of_their_own() -> None:
    assert name_files(["a/x.jpg", "b/x.png", None, "c.png"]) == ["x_0.png", "x_1.png", None, "c.png"]
