"""Mixup and cutmix in turn: timm's and torchvision's golden numbers, batches of any size, masks, labels, several targets, an end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.transforms import MixOptions
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.data.transforms.joining import PARTNER, SHARE, Drawn
from trainwright.data.transforms.mix import Mix
from trainwright.data.transforms.pieces import box_in
from trainwright.data.transforms.place import BatchPlace
from trainwright.engine.system import StepContext
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.losses.options import BCEWithLogitsOptions, CrossEntropyOptions
from trainwright.losses.rows import ColumnLoss
from trainwright.systems.base import build_system
from trainwright.systems.batch_transforms import SupervisedTransforms
from trainwright.systems.row_losses import make_loss
from trainwright.systems.supervised import SupervisedSystem

GOLDEN = Path(__file__).parents[1] / "domains/images/golden"
ARRAYS = {name: torch.from_numpy(each) for name, each in np.load(GOLDEN / "mixing.npz").items()}
CASES: dict[str, Any] = json.loads((GOLDEN / "mixing.json").read_text())
DRAWS = "randint draws in order (cutmix: cy, cx per box; minmax: cut_h, cut_w, y low, x low)"
PICTURE = InputGroup("photo", "image", ["photo"], None, {"value": (1, 3, 12, 10)})
KIND = TargetSpec("y", "category", 5, classes=list("abcde"))
CONTEXT = StepContext(0, 0, 0.0, torch.default_generator)


def drawn_as(case: dict[str, Any]) -> Drawn:
    """What timm drew in a case, as it is drawn here: partners from the end, a row's own share, and the middles of boxes."""
    rows, side = 6, 32
    partners = torch.arange(rows).flip(0)
    shares, cuts = np.ravel(case["lam"]).tolist(), np.ravel(case["use_cutmix"]).tolist()
    if case["mode"] == "pair":
        shares, cuts = [*shares, *shares[::-1]], [*cuts, *cuts[::-1]]
    shares, cuts = (each * (rows if len(each) == 1 else 1) for each in (shares, cuts))
    places, draws = torch.zeros(4, rows, dtype=torch.float64), iter(case[DRAWS])
    for row in range(rows if case["mode"] == "elem" else 3 if case["mode"] == "pair" else 1):
        if not cuts[row] or shares[row] == 1:
            continue
        numbers = [next(draws) for _ in range(4 if case["minmax"] else 2)]
        low, high = (int(side * each) for each in case["minmax"] or (0, 1))
        spans = [side, side] if not case["minmax"] else [high - low, high - low, side - numbers[0] + 1, side - numbers[1] + 1]
        firsts = [low, low, 0, 0] if case["minmax"] else [0, 0]
        found = torch.tensor([(number - first + 0.5) / span for number, first, span in zip(numbers, firsts, spans, strict=True)])
        for each in {"batch": range(rows), "pair": (row, rows - 1 - row), "elem": (row,)}[case["mode"]]:
            places[: len(found), each] = found.double()
    return Drawn(partners, torch.tensor(shares, dtype=torch.float64), torch.tensor(cuts), places)


@pytest.mark.parametrize("case", [each for each in CASES["cases"] if not each["tag"].startswith("tv")], ids=lambda each: each["tag"])
def test_pictures_and_targets_are_those_of_timm(case: dict[str, Any]) -> None:
    minmax = None if case["minmax"] is None else [float(each) for each in case["minmax"]]
    mix = Mix(MixOptions(mixup=1.0, cutmix=1.0, minmax=minmax, correct=case["correct_lam"], smoothing=case["smoothing"], classes=5))
    blocks = {"input": ARRAYS["x"], "target": mix.shares_of(functional.one_hot(ARRAYS["y"], 5).float())}
    found, _ = mix.join(blocks, drawn_as(case))
    torch.testing.assert_close(found["input"][:, :, 1::4], ARRAYS[f"{case['tag']}_x"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found["target"], ARRAYS[f"{case['tag']}_y"], rtol=1e-6, atol=1e-6)


def test_mixup_and_the_box_of_torchvision_are_the_same_operations() -> None:
    mix, roll = Mix(MixOptions(mixup=1.0)), torch.arange(6).roll(1)
    shares = torch.full((6,), 0.7, dtype=torch.float64)
    none, nowhere = torch.zeros(6, dtype=torch.bool), torch.zeros(4, 6)
    blocks = {"input": ARRAYS["x"], "target": functional.one_hot(ARRAYS["y"], 5).float()}
    found, _ = mix.join(blocks, Drawn(roll, shares, none, nowhere))
    torch.testing.assert_close(found["input"][:, :, 1::4], ARRAYS["tv_mixup_0p7_x"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found["target"], ARRAYS["tv_mixup_0p7_y"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("row", CASES["rows"][::4], ids=str)
def test_boxes_are_those_of_timm(row: list[float]) -> None:
    height, width, share, middle, across, *box, corrected = row
    places = torch.tensor([[(middle + 0.5) / height], [(across + 0.5) / width], [0.0], [0.0]], dtype=torch.float64)
    (top, bottom), (left, right) = box_in([int(height), int(width)], torch.tensor([share], dtype=torch.float64), places, None)
    assert [int(each) for each in (top, bottom, left, right)] == box
    assert 1 - int((bottom - top) * (right - left)) / (height * width) == pytest.approx(corrected)


def test_a_cut_off_box_leaves_more_than_was_drawn() -> None:
    """Of α 1 the mean is 1 - (1/2 - 1/5 + 1/48)."""
    generator = torch.Generator().manual_seed(0)
    share, places = (torch.rand(*shape, 200_000, dtype=torch.float64, generator=generator) for shape in ((), (4,)))
    (top, bottom), (left, right) = box_in([224, 224], share, places, None)
    left_over = 1 - (bottom - top) * (right - left) / 224**2
    assert float(left_over.mean()) == pytest.approx(0.679167, abs=0.004)  # sides are whole pixels, rounded down


def pictures(rows: int, *shape: int) -> Tensor:
    return torch.rand(rows, *(shape or (1, 3, 12, 10)), generator=torch.Generator().manual_seed(1))


def mixed(rows: int, options: MixOptions, key: int = 3, **more: Any) -> dict[str, Tensor]:
    batch = {"photo.value": pictures(rows), "target.y": torch.arange(rows) % 5, **more}
    transforms = SupervisedTransforms(DataSpec([PICTURE], [KIND], 100), [options])
    return transforms.in_training(batch, seed_of(key))


@pytest.mark.parametrize("per", ["batch", "pair", "sample"])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_a_batch_of_any_size_is_mixed(rows: int, per: Any) -> None:
    given, moved = pictures(rows), 0
    for key in range(6):
        found = mixed(rows, MixOptions(mixup=0.8, cutmix=1.0, per=per), key)
        assert found["photo.value"].shape == given.shape
        assert bool((found[SHARE] >= 0.5).all()) and bool((found[SHARE] <= 1).all())
        moved += int((found["photo.value"] != given).flatten(1).any(dim=1).sum())
        assert per != "batch" or len(found[SHARE].unique()) == 1
        if rows == 1:
            torch.testing.assert_close(found["photo.value"], given)
    assert (moved > 0) == (rows > 1)
    assert rows < 8 or per != "sample" or len(found[SHARE].unique()) > 4
    assert rows < 8 or per != "pair" or len(found[SHARE].unique()) <= 4


def test_rows_of_a_pair_are_each_others() -> None:
    given = pictures(8)
    found = mixed(8, MixOptions(mixup=5.0, per="pair"), 5)
    both = (found["photo.value"] - given).flatten(1)
    partner = [next(j for j in range(8) if j != i and torch.allclose(both[i], -both[j], atol=1e-5)) for i in range(8)]
    assert [partner[each] for each in partner] == list(range(8))


def test_a_picture_holds_its_share_and_its_classes_follow_it() -> None:
    """Pictures of one colour, the number of their row: what is replaced can be counted."""
    rows = 5
    flat = torch.arange(rows).float()[:, None, None, None, None].expand(rows, 1, 3, 12, 10).clone()
    seen = set()
    for key in range(16):
        options = MixOptions(mixup=1.0, cutmix=1.0, per="sample", p=0.8)
        found = mixed(rows, options, key, **{"photo.value": flat, "target.y": torch.arange(rows) % 5})
        truth, other, share = found["target.y"], found[f"{PARTNER}target.y"], found[SHARE]
        for row in range(rows):
            values, counts = found["photo.value"][row, 0, 0].unique(return_counts=True)
            alone = len(values) == 1 and float(values) == row
            cut = not alone and bool((values == values.round()).all()) and row in values.tolist()
            seen.add("alone" if alone else "cut" if cut else "mixed")
            if cut:
                kept = counts[values == row].item() / 120
                assert max(kept, 1 - kept) == pytest.approx(float(share[row]), abs=1e-6)
                assert {int(truth[row]), int(other[row])} == {int(each) % 5 for each in values}
            elif len(values) == 1 and not alone:
                own, others = (share[row], 1 - share[row]) if truth[row] == row % 5 else (1 - share[row], share[row])
                partner = (float(values) - float(own) * row) / max(float(others), 1e-6)
                assert partner == pytest.approx(round(partner), abs=0.02)
    assert seen == {"alone", "cut", "mixed"}


def test_masks_are_cut_with_their_picture_and_mixed_in_shares() -> None:
    mask = TargetSpec("y", "category", 3, classes=list("abc"), positions=(24, 20))
    rows = 6
    truth = torch.arange(rows)[:, None, None].expand(rows, 24, 20).clone() % 3
    flat = (torch.arange(rows) % 3).float()[:, None, None, None, None].expand(rows, 1, 1, 12, 10).clone()
    group = InputGroup("photo", "image", ["photo"], None, {"value": (1, 1, 12, 10)})
    transforms = SupervisedTransforms(DataSpec([group], [mask], 100), [MixOptions(cutmix=1.0, per="sample")])
    batch = {"photo.value": flat, "target.y": truth}
    transforms.ensure_mixable(batch)
    found = transforms.in_training(batch, seed_of(1))
    assert torch.equal(found["target.y"], found[f"{PARTNER}target.y"])
    small = found["target.y"][:, 1::2, 1::2].float()
    assert float((small != found["photo.value"][:, 0, 0]).float().mean()) < 0.08  # edges at another resolution
    assert bool((found["target.y"] != truth).any())
    loss = make_loss(CrossEntropyOptions(), mask)
    output = torch.randn(rows, 3, 24, 20)
    both = loss.mixed(output, found["target.y"], found[f"{PARTNER}target.y"], found[SHARE])
    torch.testing.assert_close(both, loss(output, found["target.y"]))
    soft = SupervisedTransforms(DataSpec([group], [mask], 100), [MixOptions(mixup=1.0)]).in_training(batch, seed_of(1))
    assert not torch.equal(soft["target.y"], soft[f"{PARTNER}target.y"])


def test_labels_numbers_and_a_table_beside_pictures_are_mixed_in_the_same_shares() -> None:
    rows = 9
    targets = [KIND, TargetSpec("tags", "set", 3, classes=list("abc")), TargetSpec("price", "number", 1)]
    table = InputGroup("number", "number", ["n"], None, {"value": (1,)}, extras={"quantiles": [[0.0] * 49]})
    spec = DataSpec([PICTURE, table], targets, 100)
    order = torch.arange(rows).float()
    batch = {
        "photo.value": pictures(rows),
        "number.value": order[:, None].clone(),
        "target.y": torch.arange(rows) % 5,
        "target.tags": (torch.arange(rows)[:, None] >> torch.arange(3) & 1).float(),
        "target.price": order[:, None].clone(),
    }
    found = SupervisedTransforms(spec, [MixOptions(mixup=1.0, cutmix=1.0, per="sample")]).in_training(batch, seed_of(2))
    torch.testing.assert_close(found["number.value"], found["target.price"])
    assert bool((found["number.value"][:, 0] != order).any())
    assert found[f"{PARTNER}target.tags"].shape == (rows, 3)


def test_mixing_ends_where_it_is_asked_to() -> None:
    options = MixOptions.model_validate({"mixup": 0.8, "until": "2 epochs"})
    transforms = SupervisedTransforms(DataSpec([PICTURE], [KIND], 100), [options])
    batch = {"photo.value": pictures(4), "target.y": torch.arange(4)}
    for epochs, on in ((1.9, True), (2.0, False), (5.0, False), (0.5, True)):
        transforms.tell_place(BatchPlace(10, epochs, 0.5))
        assert (SHARE in transforms.in_training(batch, seed_of(1))) == on
    transforms = SupervisedTransforms(DataSpec([PICTURE], [KIND], 100), [MixOptions.model_validate({"mixup": 0.8, "until": "0.5 run"})])
    with pytest.raises(ConfigError, match="length is not known"):
        transforms.tell_place(BatchPlace(10, 1.0, None))


def test_the_probability_and_the_switch_are_kept() -> None:
    counts = {"none": 0, "cut": 0, "mixed": 0}
    mix = Mix(MixOptions(mixup=1.0, cutmix=1.0, p=0.6, switch=0.25))
    for key in range(600):
        seed_of(key)("x")
        drawn = mix.draw(4, torch.device("cpu"))
        assert drawn is not None and drawn.cut is not None
        counts["none" if drawn.share[0] == 1 else "cut" if drawn.cut[0] else "mixed"] += 1
    assert counts["none"] / 600 == pytest.approx(0.4, abs=0.06)
    assert counts["cut"] / 600 == pytest.approx(0.15, abs=0.05)


def test_mistakes_are_refused_with_what_to_write() -> None:
    for given, what in (
        ({}, "neither mixup nor cutmix"),
        ({"minmax": [0.8, 0.2]}, "minmax"),
        ({"mixup": 1.0, "smoothing": 0.1}, "smoothing"),
    ):
        with pytest.raises(ValidationError, match=what):
            MixOptions.model_validate(given)
    table = InputGroup("number", "number", ["n"], None, {"value": (1,)}, extras={"quantiles": [[0.0] * 49]})
    transforms = SupervisedTransforms(DataSpec([table], [KIND], 100), [MixOptions(cutmix=1.0)])
    with pytest.raises(DataError, match="nothing to cut"):
        transforms.in_training({"number.value": torch.rand(4, 1), "target.y": torch.arange(4)}, seed_of(1))
    mask = TargetSpec("y", "category", 3, classes=list("abc"), positions=(8,))
    transforms = SupervisedTransforms(DataSpec([PICTURE], [mask], 100), [MixOptions(cutmix=1.0)])
    with pytest.raises(ConfigError, match="cannot cut this target"):
        transforms.ensure_mixable({"photo.value": pictures(4)})


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_the_loss_of_mixed_rows_is_timms_of_soft_targets(per: Any) -> None:
    """Smoothed, mixed and then compared with the threshold, summed over classes: `--bce-loss --bce-target-thresh 0.2 --bce-sum`."""
    rows, smoothing = 8, 0.1
    found = mixed(rows, MixOptions(mixup=1.0, cutmix=1.0, per=per), 4)
    output, share = torch.randn(rows, 5), found[SHARE][:, None]
    soft = [functional.one_hot(found[name], 5) * (1 - smoothing) + smoothing / 5 for name in ("target.y", f"{PARTNER}target.y")]
    target = share * soft[0] + (1 - share) * soft[1]
    given = (output, found["target.y"], found[f"{PARTNER}target.y"], found[SHARE])
    options = BCEWithLogitsOptions(label_smoothing=smoothing, threshold=0.2, reduction="batchmean")
    wanted = functional.binary_cross_entropy_with_logits(output, (target > 0.2).float(), reduction="none").sum(1)
    torch.testing.assert_close(make_loss(options, KIND).mixed(*given), wanted)
    wanted = functional.cross_entropy(output, target, reduction="none")
    torch.testing.assert_close(make_loss(CrossEntropyOptions(label_smoothing=smoothing), KIND).mixed(*given), wanted)


def test_a_threshold_beside_weights_of_two_classes_is_refused() -> None:
    target = TargetSpec("y", "binary", 1, classes=["no", "yes"], class_weights=[1.0, 2.0])
    with pytest.raises(ConfigError, match="threshold"):
        make_loss(BCEWithLogitsOptions(threshold=0.2), target)
    assert isinstance(make_loss(BCEWithLogitsOptions(), target), ColumnLoss)


def test_a_system_trains_on_mixed_rows() -> None:
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    group = InputGroup("array", "file", ["array"], None, {"value": (1, 40)})
    build_system(system, DataSpec([group], [KIND], 100))
    system.transform_batches([MixOptions(mixup=0.8, cutmix=1.0)])
    batch = {"array.value": pictures(5, 1, 40), "target.y": torch.arange(5)}
    found = system.batch_transforms.in_training(batch, seed_of(5))  # type: ignore[union-attr]
    loss = system.training_step(found, CONTEXT)
    assert loss.count == 5 and loss.total.requires_grad
