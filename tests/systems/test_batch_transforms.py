"""Transforms of batches: what mixup makes of rows and their losses, how draws are keyed, and what is refused before a run is begun."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import trainwright as tw
from trainwright.config.choice import choose
from trainwright.config.errors import RequestError
from trainwright.data.sources.opening import from_object
from trainwright.data.transforms import MixupOptions
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.data.transforms.joining import SHARE
from trainwright.data.transforms.mixup import Mixup
from trainwright.domains.tables.batch_trial import try_supervised_batches
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.system import StepContext
from trainwright.features.encoding import EncodedTable
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.features.table_rows import table_rows
from trainwright.systems.base import build_system
from trainwright.systems.run_config import read_config
from trainwright.systems.supervised import SupervisedSystem

ROWS = 120
CONTEXT = StepContext(0, 0, 0.0, torch.default_generator)


def batch_of(target: torch.Tensor) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"number.value": torch.randn(len(target), 3, generator=generator), "target.y": target}


def system_for(target: TargetSpec) -> SupervisedSystem:
    """Three numbers, mixed by `mixup`, and one target; wide enough shares that both truths count."""
    group = InputGroup("number", "number", ["a", "b", "c"], None, {"value": (3,)}, extras={"quantiles": [[0.0] * 49] * 3})
    spec = DataSpec([group], [target], 100)
    system = SupervisedSystem({"combiner": {"type": "concat", "depth": 1, "width": 8}})
    build_system(system, spec)
    system.transform_batches([MixupOptions(alpha=4.0)])
    return system


def mixed(system: SupervisedSystem, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = system.batch_transforms.in_training(batch, seed_of(3))  # type: ignore[union-attr]
    assert 0.5 <= float(found.get(SHARE, torch.ones(1))[0]) < 1
    return found


def partners(batch: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> torch.Tensor:
    """Which row each was mixed with, found from the numbers themselves."""
    share = found[SHARE][0]
    other = (found["number.value"] - share * batch["number.value"]) / (1 - share)
    return (other[:, None] - batch["number.value"][None]).abs().sum(2).argmin(1)


def test_inputs_and_numbers_are_mixed_in_the_same_shares_with_one_row_each() -> None:
    system = system_for(TargetSpec("y", "number", 1, scale={"mean": 0.0, "std": 1.0, "transform": "none"}))
    batch = batch_of(torch.arange(8.0))
    found = mixed(system, batch)
    with_whom, share = partners(batch, found), found[SHARE][0]
    assert sorted(with_whom.tolist()) == list(range(8))
    torch.testing.assert_close(found["number.value"], share * batch["number.value"] + (1 - share) * batch["number.value"][with_whom])
    torch.testing.assert_close(found["target.y"], share * batch["target.y"] + (1 - share) * batch["target.y"][with_whom])


def soft_of_classes(batch: dict[str, Any], found: dict[str, Any], classes: int) -> torch.Tensor:
    """The truth as shares of classes."""
    share, one_hot = found[SHARE][:, None], functional.one_hot(batch["target.y"], classes).float()
    return share * one_hot + (1 - share) * one_hot[partners(batch, found)]


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
def test_the_loss_of_mixed_classes_is_cross_entropy_with_soft_targets(weights: list[float] | None) -> None:
    system = system_for(TargetSpec("y", "category", 3, classes=["a", "b", "c"], class_weights=weights))
    batch = batch_of(torch.tensor([0, 1, 2, 2, 1, 0, 2, 2]))
    found = mixed(system, batch)
    loss = system.training_step(found, CONTEXT)
    output = system.decoders[0](system.encode(found))
    weight = None if weights is None else torch.tensor(weights)
    expected = functional.cross_entropy(output, soft_of_classes(batch, found, 3), weight, reduction="sum")
    torch.testing.assert_close(loss.total, expected)
    assert loss.outputs["y.encoded"].tolist() == batch["target.y"].tolist()  # metrics read the class with the larger share


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_the_loss_of_a_mixed_yes_or_no_is_binary_cross_entropy_with_soft_targets(weights: list[float] | None) -> None:
    system = system_for(TargetSpec("y", "binary", 2, classes=["no", "yes"], class_weights=weights))
    batch = batch_of(torch.tensor([0, 1, 1, 0, 1, 1]))
    found = mixed(system, batch)
    loss = system.training_step(found, CONTEXT)
    logit = system.decoders[0](system.encode(found))[:, 0]
    no, yes = weights or [1.0, 1.0]
    soft = soft_of_classes(batch, found, 2)
    expected = -(yes * soft[:, 1] * functional.logsigmoid(logit) + no * soft[:, 0] * functional.logsigmoid(-logit)).sum()
    torch.testing.assert_close(loss.total, expected)


def test_rows_that_are_evaluated_are_not_mixed() -> None:
    system = system_for(TargetSpec("y", "category", 3, classes=["a", "b", "c"])).eval()
    batch = batch_of(torch.tensor([0, 1, 2]))
    assert system.as_evaluated(batch) is batch
    expected = system.decoders[0](system.combiner([system.encoders[0]({"value": batch["number.value"]})])).softmax(1)
    torch.testing.assert_close(system.predict_step(batch)["y.scores"], expected)


def test_what_is_drawn_follows_from_seed_place_epoch_and_batch_number() -> None:
    batch, mixup = batch_of(torch.arange(16.0)), Mixup(MixupOptions(alpha=1.0))

    def drawn(seed: int, epoch: int, number: int, place: str = "data.transform.0", piece: int = 0) -> torch.Tensor:
        StepSeeds(seed, torch.device("cpu")).transforms(epoch, number, piece)(place)
        return mixup(batch)["number.value"]

    first = drawn(0, 1, 7)
    torch.rand(3)
    np.random.rand(3)
    assert torch.equal(drawn(0, 1, 7), first)
    others = [drawn(1, 1, 7), drawn(0, 2, 7), drawn(0, 1, 8), drawn(0, 1, 7, "data.transform.1"), drawn(0, 1, 7, piece=1)]
    assert not any(torch.equal(each, first) for each in others)


FUNCTIONS = """
import torch

def spectrum(x):
    return torch.fft.rfft(x).abs()

def noise(x, generator, scale=0.1):
    return x + scale * torch.randn(x.shape, generator=generator, device=x.device)

def nothing(x):
    pass

def half(x):
    return x[::2]

def without_mean(x):
    return x - x.mean(0, keepdim=True)

def as_words(x):
    return "words"

def whole_numbers(x):
    return (10 * x).long()

def cut(x):
    return x[:, :5]

def fails(x):
    raise ValueError("no such thing")

def jitter(batch, generator):
    return {**batch, "number.value": batch["number.value"] + 0.1 * torch.randn(batch["number.value"].shape, generator=generator)}

def without_target(batch):
    return {"number.value": batch["number.value"]}

class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x + self.calls
"""


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of arrays of 24 numbers, a number and two targets, and a file of functions."""
    folder = tmp_path_factory.mktemp("waves")
    rng, lines = np.random.default_rng(0), ["signal,a,kind,colour,size"]
    for row in range(ROWS):
        kind = row % 2
        np.save(folder / f"{row}.npy", (np.sin(np.arange(24) * (0.4 + 0.3 * kind)) + 0.3 * rng.normal(size=24)).astype(np.float32))
        lines.append(f"{row}.npy,{rng.normal():.4f},{'no' if kind else 'yes'},{'red' if row % 3 else 'blue'},{rng.normal() + kind:.4f}")
    (folder / "waves.csv").write_text("\n".join([*lines, ""]))
    (folder / "my.py").write_text(FUNCTIONS)
    return folder


def config_of(folder: Path, column: list[Any] | None, whole: Any = None, **trainer: Any) -> dict[str, Any]:
    chain = [{**each, "type": f"{folder}/my.py:{each['type']}"} if "type" in each else each for each in column or []]
    return {
        "data": {"source": str(folder / "waves.csv"), **({"transform": whole} if whole else {})},
        "targets": ["kind", "size"],
        "inputs": ["signal", "a"],
        "columns": {"signal": {"type": "file", "transform": chain}},
        "model": {"combiner": {"type": "concat", "depth": 1, "width": 8}},
        "trainer": {"max_epochs": 2, "batch_size": 16, "trackers": ["csv"], **trainer},
        "run": {"device": "cpu"},
        "evaluation": {"baselines": [], "report": False, "importance": False},
    }


SPECTRUM = {"type": "spectrum", "runs_on": "device"}
NOISE = {"type": "noise", "runs_on": "device", "applies_in": "train"}


def weights_of(folder: Path, run: Path, **trainer: Any) -> dict[str, torch.Tensor]:
    made = tw.train(config=config_of(folder, [SPECTRUM, NOISE], ["mixup"], **trainer), run_dir=run)
    return {name: each.clone() for name, each in made.model.system.state_dict().items()}


def test_a_step_in_micro_batches_mixes_the_rows_of_the_whole_step(waves: Path, tmp_path: Path) -> None:
    whole = weights_of(waves, tmp_path / "whole", optimizer={"type": "sgd", "learning_rate": 0.1})
    pieces = weights_of(waves, tmp_path / "pieces", optimizer={"type": "sgd", "learning_rate": 0.1}, micro_batch_size=5)
    assert all(torch.allclose(whole[name], pieces[name], rtol=0, atol=1e-6) for name in whole)


def test_what_always_applies_is_part_of_the_model_and_the_rest_of_training_alone(waves: Path, tmp_path: Path) -> None:
    jitter = {"type": f"{waves}/my.py:jitter", "runs_on": "device", "applies_in": "train"}
    run = tw.train(config=config_of(waves, [SPECTRUM, NOISE], [jitter, "mixup"]), run_dir=tmp_path / "run")
    assert next(each for each in run.model.encoder.spec.inputs if each.name == "signal").parts["value"] == (
        1,
        13,
    )
    loaded = tw.load(tmp_path / "run")
    whole = loaded.predict(str(waves / "waves.csv")).column("size_prediction").to_numpy()
    lines = (waves / "waves.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text(f"{lines[0]}\n{waves}/{lines[4]}\n")
    one = loaded.predict(str(tmp_path / "one.csv")).column("size_prediction").to_numpy()
    np.testing.assert_allclose(one, whole[3:4], rtol=1e-5)
    assert np.ptp(whole) > 0


TRAIN = {"runs_on": "device", "applies_in": "train"}
REFUSED = {
    "nothing": ([{"type": "nothing", "runs_on": "device"}], None, r"columns\.signal\.transform.*nothing gives nothing"),
    "other kind": ([{"type": "as_words", "runs_on": "device"}], None, "as_words gives a str"),
    "fewer rows": ([{"type": "half", **TRAIN}], None, "half gives 2 rows of 4"),
    "by its neighbours": ([{"type": "without_mean", "runs_on": "device"}], None, "other rows are beside it.*applies_in: train"),
    "by chance": ([{"type": "noise", "runs_on": "device"}], None, "always applies draws by chance.*applies_in: train"),
    "its own randomness": ([{"type": "Counting", **TRAIN}], None, "not give the same for the same seed"),
    "whole numbers": ([{"type": "whole_numbers", "runs_on": "device"}], None, "give int64.*cast: float32"),
    "whole numbers in training": ([{"type": "whole_numbers", **TRAIN}], None, r"are int64 of shape \(24,\).*takes float32"),
    "another shape in training": ([{"type": "cut", **TRAIN}], None, r"of shape \(5,\).*takes float32 of shape \(24,\)"),
    "fails": ([{"type": "fails", **TRAIN}], None, "fails failed on a batch.*ValueError: no such thing"),
    "order": ([SPECTRUM, {"type": "noise"}], None, "runs in workers, but stands after.*runs_on: device"),
    "mixup of a column": ([{"mixup": None}], None, r"mixes whole rows.*data: \{transform: mixup\}"),
    "crop on the device": ([{"random_crop": {"size": 3, "runs_on": "device"}}], None, "runs_on"),
    "mixup twice": ([], ["mixup", {"mixup": 0.4}], "mixed twice"),
    "mixup always": ([], {"mixup": {"applies_in": "always"}}, "'always' is not allowed"),
    "mixup without width": ([], {"mixup": 0}, "0 is not above 0"),
    "worker for a table": ([], "torch.abs", "torch.abs runs in workers.*columns.NAME.transform"),
    "always for a table": ([], {"type": "torch.abs", "runs_on": "device"}, "torch.abs always applies.*applies_in: train"),
    "without target": ([], {"type": "without_target", **TRAIN}, r"data\.transform.*gives a batch without '"),
}


def tried(config: dict[str, Any]) -> None:
    """Everything up to the try of the transforms, with the table as it is encoded for training."""
    read = read_config(config)
    names = [*read.system.inputs, *read.system.targets]
    columns = {name: read.system.columns.get(name) or choose("feature", "number") for name in names}
    columns["kind"] = choose("feature", "binary")
    rows = np.arange(ROWS)
    split = SimpleNamespace(train=rows[:-20], validation=rows[-20:-10], test=rows[-10:])
    table = EncodedTable.fit(from_object(config["data"]["source"]), split, columns, read.system.inputs, ["kind", "size"])
    system = SupervisedSystem(read.system.model)
    build_system(system, table.spec)
    system.transform_batches(read.data.transform)
    try_supervised_batches(system, table_rows(table, table.train, training=True))


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_when_it_is_tried(name: str, waves: Path) -> None:
    column, whole, said = REFUSED[name]
    if whole and "without_target" in str(whole):
        whole = {**whole, "type": f"{waves}/my.py:without_target"}
    with pytest.raises(RequestError) as caught:
        tried(config_of(waves, column, whole))
    assert re.search(said, str(caught.value).replace("\n", " ")), str(caught.value)


def test_what_fits_is_tried_without_a_word(waves: Path, caplog: pytest.LogCaptureFixture) -> None:
    tried(config_of(waves, [SPECTRUM, NOISE], "mixup"))
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_it_is_tried_before_anything_is_written(waves: Path, tmp_path: Path) -> None:
    config = config_of(waves, [], "mixup")
    config |= {"inputs": ["a", "colour"], "columns": {"colour": {"type": "category"}}}
    with pytest.raises(RequestError, match=r"(?s)cannot mix inputs of type category: 'colour'.*ignore: \[colour\]"):
        tw.train(config=config, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
