"""Rows joined by mixup and cutmix: recordings, spectra, several labels, lengths, and what has no middle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.transforms import CutmixOptions, FunctionOptions, JoiningOptions, MixupOptions
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.data.transforms.batches import BatchChain
from trainwright.data.transforms.cutmix import Cutmix
from trainwright.data.transforms.joining import PARTNER, SHARE
from trainwright.data.transforms.mixup import Mixup
from trainwright.engine.system import StepContext
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.base import build_system
from trainwright.systems.batch_transforms import SupervisedTransforms
from trainwright.systems.supervised import SupervisedSystem

CONTEXT = StepContext(0, 0, 0.0, torch.default_generator)
ROWS = 16
LABELS = TargetSpec("y", "set", 3, classes=["a", "b", "c"])


def numbers(width: int = 3) -> InputGroup:
    return InputGroup(
        "number", "number", [f"n{place}" for place in range(width)], None, {"value": (width,)}, extras={"quantiles": [[0.0] * 49] * width}
    )


def recordings(*shape: int, lengths: bool = False) -> InputGroup:
    return InputGroup("wave", "signal", ["wave"], None, {"value": (1, *shape), **({"length": (1,)} if lengths else {})}, time_last=True)


def drawn(*shape: int) -> Tensor:
    return torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(1))


def labels() -> Tensor:
    return (torch.arange(ROWS)[:, None] >> torch.arange(3) & 1).float()


def joined(groups: list[InputGroup], batch: dict[str, Tensor], options: JoiningOptions, key: int = 3) -> dict[str, Tensor]:
    transforms = SupervisedTransforms(DataSpec(groups, [LABELS], 100), [options])
    return transforms.in_training({**batch, "target.y": labels()}, seed_of(key))


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
@pytest.mark.parametrize("shares", ["step", "row"])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_the_loss_of_joined_label_sets_is_that_of_soft_labels(name: str, shares: Any, weights: list[float] | None) -> None:
    target = TargetSpec("y", "set", 3, classes=["a", "b", "c"], class_weights=weights)
    groups = [numbers(), InputGroup("array", "file", ["array"], None, {"value": (1, 40)})]
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    build_system(system, DataSpec(groups, [target], 100))
    kind = {"mixup": MixupOptions, "cutmix": CutmixOptions}[name]
    system.transform_batches([kind(alpha=2.0, shares=shares)])
    batch = {"number.value": drawn(3), "array.value": drawn(1, 40), "target.y": labels()}
    found = system.batch_transforms.in_training(batch, seed_of(5))  # type: ignore[union-attr]
    share = found[SHARE][:, None]
    assert (len(share.unique()) > 1) == (shares == "row") and bool(((share >= 0.5) & (share < 1)).all())
    soft = share * labels() + (1 - share) * found[f"{PARTNER}target.y"]
    assert bool(((soft > 0) & (soft < 1)).any())
    loss = system.training_step(found, CONTEXT)
    output = system.decoders[0](system.encode(found))
    weight = None if weights is None else torch.tensor(weights)
    expected = functional.binary_cross_entropy_with_logits(output, soft, pos_weight=weight, reduction="none").mean(1).sum()
    torch.testing.assert_close(loss.total, expected)


def test_rows_with_equal_labels_keep_them() -> None:
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    build_system(system, DataSpec([numbers()], [LABELS], 100))
    system.transform_batches([MixupOptions(alpha=4.0, shares="row")])
    same = torch.tensor([1.0, 0.0, 1.0]).repeat(ROWS, 1)
    found = system.batch_transforms.in_training({"number.value": drawn(3), "target.y": same}, seed_of(3))  # type: ignore[union-attr]
    plain = {name: each for name, each in found.items() if name in ("number.value", "target.y")}
    assert not torch.equal(found["number.value"], drawn(3))
    torch.testing.assert_close(system.training_step(found, CONTEXT).total, system.training_step(plain, CONTEXT).total)


@pytest.mark.parametrize("shape", [(12, 250), (1, 40, 100)])
def test_recordings_and_spectra_are_mixed_in_the_shares_of_their_rows(shape: tuple[int, ...]) -> None:
    given = drawn(1, *shape)
    found = joined([recordings(*shape)], {"wave.value": given}, MixupOptions(alpha=4.0, shares="row", probability=0.5))
    share = found[SHARE]
    assert 2 <= int((share == 1).sum()) <= 14
    for row in range(ROWS):
        rest = found["wave.value"][row] - share[row] * given[row]
        partner = (rest - (1 - share[row]) * given).flatten(1).abs().sum(1).argmin()
        torch.testing.assert_close(rest, (1 - share[row]) * given[partner], rtol=0, atol=1e-5)
        if share[row] < 1:
            assert torch.equal(found[f"{PARTNER}target.y"][row], labels()[partner])


@pytest.mark.parametrize("along", ["time", "box"])
def test_a_piece_is_cut_and_the_share_is_what_is_left(along: Any) -> None:
    given = drawn(1, 2, 40, 100)
    found = joined(
        [recordings(2, 40, 100), numbers()], {"wave.value": given, "number.value": drawn(3)}, CutmixOptions(along=along, shares="row")
    )
    begins = []
    for row in range(ROWS):
        own = (found["wave.value"][row] == given[row]).all(dim=1)[0]  # what both channels have: (40, 100)
        other = ~own
        torch.testing.assert_close(own.float().mean(), found[SHARE][row])
        bands, frames = other.any(dim=1), other.any(dim=0)
        assert int(other.sum()) == int(bands.sum()) * int(frames.sum()), "one box"
        assert (along == "box") or bool(bands.all()) or not bool(bands.any())
        alike = [each for each in range(ROWS) if torch.equal(found[f"{PARTNER}target.y"][row], labels()[each])]
        partner = next(each for each in alike if bool((found["wave.value"][row] == given[each]).all(dim=1)[0][other].all()))
        numbers_there = found[SHARE][row] * drawn(3)[row] + (1 - found[SHARE][row]) * drawn(3)[partner]
        torch.testing.assert_close(found["number.value"][row], numbers_there)
        begins += [int(frames.nonzero()[0])] if bool(frames.any()) else []
    assert len(set(begins)) > 5


def test_recordings_of_different_lengths_are_as_long_as_the_longer_one_and_cut_where_both_are() -> None:
    length = torch.arange(20, 20 + 5 * ROWS, 5)[:, None]
    given = drawn(1, 2, 100) * (torch.arange(100) < length)[:, None, None]
    batch = {"wave.value": given, "wave.length": length}
    mixed = joined([recordings(2, 100, lengths=True)], batch, MixupOptions(alpha=4.0))
    ends = (mixed["wave.value"][:, 0] != 0).any(dim=1).flip(-1).int().argmax(dim=-1)
    assert torch.equal(100 - ends, mixed["wave.length"][:, 0]) and bool((mixed["wave.length"] >= length).all())
    cut = joined([recordings(2, 100, lengths=True)], batch, CutmixOptions(shares="row"))
    assert torch.equal(cut["wave.length"], length)
    there = torch.arange(100) < length
    changed = (cut["wave.value"] != given)[:, 0].any(dim=1)
    assert not bool((changed & ~there).any()) and bool(changed.any())
    torch.testing.assert_close(1 - changed.sum(1) / length[:, 0], cut[SHARE])
    assert bool((cut["wave.value"][:, 0, 0] != 0)[there].all()), "no silence is put into a recording"


def test_what_has_no_middle_is_refused_or_kept() -> None:
    words = InputGroup("category", "category", ["sex"], None, {"index": (1,)}, sizes=[3])
    batch = {"wave.value": drawn(1, 2, 50), "category.index": torch.arange(ROWS)[:, None] % 3}
    groups = [recordings(2, 50), words]
    transforms = SupervisedTransforms(DataSpec(groups, [LABELS], 100), [CutmixOptions()])
    with pytest.raises(ConfigError, match="cutmix cannot mix inputs of type category: 'sex'") as caught:
        transforms.ensure_mixable(batch)
    assert "cutmix: {others: keep}" in str(caught.value.fix)
    found = joined(groups, batch, CutmixOptions(others="keep"))
    assert torch.equal(found["category.index"], batch["category.index"]) and not torch.equal(found["wave.value"], batch["wave.value"])
    with pytest.raises(DataError, match="cutmix has nothing to cut"):
        joined([numbers()], {"number.value": drawn(3)}, CutmixOptions())
    positions = TargetSpec("y", "category", 3, classes=["a", "b", "c"], positions=(50,))
    with pytest.raises(ConfigError, match="cutmix cannot cut this target"):
        SupervisedTransforms(DataSpec(groups[:1], [positions], 100), [CutmixOptions()]).ensure_mixable(batch)


def test_waveforms_are_mixed_before_their_spectra_are_made() -> None:
    chain = [FunctionOptions(call=name, runs_on="device") for name in ("torch.fft.rfft", "torch.abs")]
    group = InputGroup("wave", "signal", ["wave"], None, {"value": (1, 2, 26)}, extras={"transform": [chain]}, time_last=True)
    batch = {"wave.value": drawn(1, 2, 50), "target.y": labels()}
    results = {}
    for early in (True, False):
        transforms = SupervisedTransforms(DataSpec([group], [LABELS], 100), [MixupOptions(alpha=4.0, before_columns=early)])
        results[early] = transforms.in_training(dict(batch), seed_of(3))
    share, wave = results[True][SHARE][0], batch["wave.value"][:, 0]
    spectra = torch.fft.rfft(wave).abs()
    others = results[False]["wave.value"][:, 0] - share * spectra
    order = [int((each - (1 - share) * spectra).flatten(1).abs().sum(1).argmin()) for each in others]
    expected = torch.fft.rfft(share * wave + (1 - share) * wave[order]).abs()
    torch.testing.assert_close(results[True]["wave.value"][:, 0], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(results[True]["wave.value"], results[False]["wave.value"], atol=1e-2)


def test_what_comes_first_is_written_first_and_draws_otherwise_than_what_follows() -> None:
    chain = BatchChain([MixupOptions()], "data.transform", first=1)
    assert chain.steps[0][0] == "data.transform.1"
    assert type(chain)(*chain.__reduce__()[1]).steps[0][0] == "data.transform.1"


def test_pieces_and_classes_of_data_of_ones_own_are_joined() -> None:
    wave, target = drawn(50), torch.arange(ROWS) % 4
    seed_of(1)("x")
    cut = Cutmix(CutmixOptions(classes=4))({"input": wave, "target": target})
    assert cut["target"].shape == (ROWS, 4)
    torch.testing.assert_close(cut["target"].sum(1), torch.ones(ROWS))
    kept = (cut["input"] == wave).float().mean(1)
    larger = cut["target"].gather(1, target[:, None])[:, 0]
    assert bool((larger >= kept - 1e-6).all()) and float(kept.min()) < 1
    soft = Mixup(MixupOptions(alpha=4.0, shares="row"))((wave, labels()))
    assert soft[1].shape == (ROWS, 3) and bool(((soft[1] > 0) & (soft[1] < 1)).any())
    with pytest.raises(DataError, match=r"number of a class"):
        Cutmix(CutmixOptions())({"input": wave, "target": target})
