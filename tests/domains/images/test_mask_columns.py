"""Masks as a target: they follow their pictures through every transform, and what does not go together is refused before the first step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.commands import trainwright_command

from trainwright.config.errors import DataError
from trainwright.domains.images.masks.files import write_mask
from trainwright.domains.images.synth.options import ShapesOptions
from trainwright.domains.images.synth.shapes import PALETTE, draw_shapes, write_shapes

QUICK = (
    "trainer.max_epochs=1",
    "evaluation.baselines=[]",
    "evaluation.report=false",
    "columns.image.encoder={type: small_cnn, widths: [4, 8]}",
)


def write_rows(folder: Path, pictures: np.ndarray, masks: np.ndarray) -> Path:
    """A table of pictures and masks, which lie beside it."""
    lines = ["image,mask"]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        Image.fromarray(picture).save(folder / f"images/{number}.png")
        write_mask(folder / f"masks/{number}.png", mask, PALETTE)
        lines.append(f"images/{number}.png,masks/{number}.png")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return folder / "rows.csv"


def configured(path: Path, *settings: str) -> Any:
    from trainwright.config.compose import compose
    from trainwright.config.located import validate
    from trainwright.systems.run_config import Config

    given = [f"data.source={path}", "system.targets=[mask]", "columns.image.type=image", "columns.mask.type=mask", *settings]
    return validate(Config, compose(Config, None, given, environment={}))


def prepared(path: Path, *settings: str) -> Any:
    from trainwright.domains.tables.prepare import prepare

    return prepare(configured(path, *settings))


def batch_of(data: Any, training: bool, rows: int = 16) -> dict[str, Any]:
    from trainwright.features.table_rows import table_rows

    found = table_rows(data.table, data.table.train, training)
    found.begin_epoch(0, 0)
    return found.take(torch.arange(min(rows, len(found))))


@pytest.mark.parametrize(
    "augment",
    [
        "[random_horizontal_flip, random_vertical_flip]",
        "[{type: random_rotation, degrees: 40, interpolation: nearest}]",
        "[{type: random_affine, degrees: 20, scale: [0.7, 1.2], interpolation: nearest}]",
        "[{type: random_resized_crop, size: [24, 24], interpolation: nearest-exact}]",
    ],
)
def test_a_picture_whose_colour_is_its_class_and_its_mask_are_the_same_after_one_drawn_geometry(tmp_path: Path, augment: str) -> None:
    masks = draw_shapes(24, 24)[1]
    pictures = np.repeat(masks[..., None] * 40 + 20, 3, axis=-1).astype(np.uint8)
    data = prepared(write_rows(tmp_path, pictures, masks), f"columns.image.augment={augment}", "columns.image.interpolation=nearest-exact")
    batch = batch_of(data, training=True)
    classes = batch["target.mask"]
    group = next(name for name in batch if name.endswith(".value"))
    shown = batch[group][:, 0, 0].long()
    assert bool((classes >= 0).any()) and classes.shape == shown.shape
    wrong = float(((classes >= 0) & (classes * 40 + 20 != shown)).float().mean())
    assert wrong <= (0.005 if "resized" in augment else 0)  # of two pixels that are equally near either may be taken
    assert not torch.equal(classes, batch_of(data, training=False)["target.mask"])


def test_masks_get_the_size_of_their_pictures_by_the_nearest_pixel(tmp_path: Path) -> None:
    pictures, masks = draw_shapes(12, 40)
    data = prepared(
        write_rows(tmp_path, pictures, masks), "columns.image.size=20", "columns.image.augment=none", "columns.image.resize=stretch"
    )
    found = batch_of(data, training=False, rows=4)["target.mask"]
    assert found.shape == (4, 20, 20) and data.spec.targets[0].positions == (20, 20)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(masks[data.split.train[:4]])[:, None].float(), (20, 20), mode="nearest-exact")
    torch.testing.assert_close(found, wanted[:, 0].long())


def test_classes_are_named_and_weighed_and_defaults_are_those_of_masks(tmp_path: Path) -> None:
    pictures, masks = draw_shapes(24, 16)
    path = write_rows(tmp_path, pictures, masks)
    data = prepared(path, "columns.mask.classes=[ground, disc, square, triangle]", "columns.mask.class_weights={disc: 3}")
    spec = data.spec.targets[0]
    assert spec.classes == ["ground", "disc", "square", "triangle"] and spec.class_weights == [1.0, 3.0, 1.0, 1.0]
    assert spec.loss.type == "dice" and spec.decoder.type == "unet" and [each.type for each in spec.metrics][:2] == ["iou", "dice"]
    balanced = prepared(path, "columns.mask.class_weights=auto").spec.targets[0].class_weights
    assert balanced[0] == min(balanced)


def test_masks_of_another_size_are_found_among_all_rows(tmp_path: Path) -> None:
    from trainwright.domains.tables.columns_of_files import check_table

    pictures, masks = draw_shapes(12, 16)
    path = write_rows(tmp_path, pictures, masks)
    write_mask(tmp_path / "masks/4.png", masks[4][:12], PALETTE)
    (tmp_path / "masks/7.png").write_bytes(b"")
    found = check_table(configured(path))
    assert [(each.row, each.why) for each in found.unpaired] == [(4, "it is 12×16, its picture 16×16")]
    assert [each.row for each in found.broken] == [7]
    assert found.lines()[-1].endswith("1 cannot be read; 1 pair of files does not go together")
    found.broken = []
    with pytest.raises(DataError, match="1 of 12 rows names files that do not go together"):
        found.raise_broken()


def run_of(path: Path, *settings: str) -> tuple[int, str]:
    words = ("train", str(path), "--target", "mask", "columns.image.type=image", "columns.mask.type=mask", *QUICK, *settings)
    found = trainwright_command(*words, f"run.dir={path.parent / 'run'}", folder=path.parent)
    return found.returncode, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("spoil", "settings", "said"),
    [
        ("smaller", (), ["3 masks of 'mask' have another size than their pictures", "masks/2.png is 12×16, its picture 16×16"]),
        ("strange", ("columns.mask.classes=3",), ["values outside its 3 classes", "seen: 0 ×"]),
        ("colours", (), ["is coded in colours", "seen: (0, 0, 0) ×", "columns.mask.palette={class_0: [0, 0, 0]"]),
        ("black", (), ["one class alone", "seen: 0 ×"]),
        ("", ("columns.mask.metrics=[roc_auc]",), ["metric 'roc_auc' is not defined for the mask target", "dice"]),
        ("", ("columns.mask.class_weights={cat: 2}",), ["there is no class 'cat'", "the classes are 0, 1, 2, 3"]),
        ("", ("columns.mask.decoder=linear",), ["decoder 'linear' gives one answer a row"]),
        ("", ("columns.mask.palette={a: 0, b: 0}",), ["palette gives a and b the same value"]),
        ("", ("columns.mask.draws_as=pictures",), ["draws_as names 'pictures'", "image"]),
        ("", ("columns.image.encoder=dense",), ["reads maps", "small_cnn"]),
        ("", ("evaluation.views=[flop]",), ["there is no view 'flop'", "flip"]),
    ],
)
def test_what_cannot_be_learnt_is_refused_before_anything_is_written(
    tmp_path: Path, spoil: str, settings: tuple[str, ...], said: list[str]
) -> None:
    pictures, masks = draw_shapes(30, 16)
    path = write_rows(tmp_path, pictures, masks * (spoil != "black"))
    for number in range(30):
        place = tmp_path / f"masks/{number}.png"
        if spoil == "smaller" and number in (2, 3, 9):
            write_mask(place, masks[number, :12], PALETTE)
        if spoil == "colours":
            Image.fromarray(np.array(PALETTE, np.uint8)[masks[number]]).save(place)
    code, printed = run_of(path, *settings)
    assert code == 2, printed
    assert all(each in printed for each in said) and "Traceback" not in printed, printed
    assert not (tmp_path / "run").exists()


def test_a_batch_in_which_every_pixel_is_left_out_has_the_loss_0_and_no_nan(tmp_path: Path) -> None:
    pictures, masks = draw_shapes(40, 16)
    path = write_rows(tmp_path, pictures, masks)
    for number in range(0, 40, 2):
        write_mask(tmp_path / f"masks/{number}.png", np.full((16, 16), 255, np.uint8), [*PALETTE, *[(9, 9, 9)] * 252])
    code, printed = run_of(path, "trainer.batch_size=1", "trainer.max_epochs=1")
    assert code == 0 and "nan" not in printed.lower(), printed
    results = json.loads((tmp_path / "run/results.json").read_text())
    classes = results["classes"]["test"]["mask"]
    assert np.isfinite(results["metrics"]["test"]["mask"]["iou"]) and classes["rows"] % 256 == 0 and set(classes["of"]) == set("0123")


def test_drawn_shapes_never_change(tmp_path: Path) -> None:
    pictures, masks = draw_shapes(3, seed=5)
    assert pictures.shape == (3, 48, 48, 3) and masks.max() == 3
    np.testing.assert_array_equal(draw_shapes(2, seed=5)[0], pictures[:2])
    import hashlib

    assert hashlib.sha256(pictures.tobytes() + masks.tobytes()).hexdigest()[:16] == "1ff1d842d6af5c68"
    write_shapes(tmp_path, 5, ShapesOptions(pictures=3))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "masks/0002.png")), masks[2])
