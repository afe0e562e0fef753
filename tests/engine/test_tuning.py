"""The batch size that is measured: searched well, tried on real steps, and without a trace in what is trained."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_runs import config, rows, same, system, table, weights
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.data.dataset_rows import DatasetRows
from trainwright.engine.batch_options import LearningRateScaling, TuningOptions
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import TUNING, Trial, settle_auto, without_auto
from trainwright.engine.tuning.batch_size import Search, between, tune
from trainwright.engine.tuning.kept import change_nothing
from trainwright.engine.tuning.memory import HostMeter
from trainwright.engine.tuning.trials import Bench, trial_session
from trainwright.files.memory import available_bytes
from trainwright.systems.plain import PlainSystem

ROOT = Path(__file__).parents[2]


def trainer(**options: Any) -> Trainer:
    """With options set as they stand, unchecked; with time enough that the sizes end a search on a busy machine too."""
    patient = {"tuning": TuningOptions(max_time=Duration(600, "s"), tolerance=0.02)}
    return Trainer(config().model_copy(update=patient | options), seed=3, device="cpu", console=False)


class Limited(PlainSystem):
    """Runs out of memory above so many rows at once; more rows take less time, so that the largest batch is by far the fastest."""

    def __init__(self, most: int, seconds: float = 0.02) -> None:
        super().__init__(system().model, ["input"], "cross_entropy", None)
        self.most, self.seconds = most, seconds
        self.seen: list[int] = []

    def training_step(self, batch: Any, context: Any) -> Any:
        self.seen.append(len(batch["input"]))
        if len(batch["input"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
        time.sleep(self.seconds * 32 / len(batch["input"]))
        return super().training_step(batch, context)


def machine(most: int, overhead: float = 1.0, per_row: float = 0.0) -> Any:
    """A device on which `most` rows fit, and a step takes overhead + per_row · rows seconds."""
    return lambda size: Trial(size, size, "fits" if size <= most else "out of memory", overhead + per_row * size)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_largest_size_that_fits_is_found_when_larger_is_faster(most: int, largest: int) -> None:
    found = tune(machine(most), "batch_size", largest=largest, tolerance=0.0)
    exact = min(most, largest)
    assert exact - found.chosen < (8 if exact > 32 and most < largest else 1)
    assert found.largest == found.chosen
    assert found.limited_by == ("rows" if largest <= most else "memory")


@given(st.integers(16, 4000))
def test_sizes_within_the_gap_are_round(most: int) -> None:
    found = tune(machine(most), "batch_size", largest=10**6)
    assert all(each.batch_size % 8 == 0 or each.batch_size <= 32 for each in found.trials)
    assert len(found.trials) <= 2 * (most.bit_length() + 4)


def test_a_smaller_batch_is_taken_when_a_larger_one_is_hardly_faster() -> None:
    # samples/s: size / (1 + size) tends to 1; 16 / 17 is the first within 6 % of 4096 / 4097
    found = tune(machine(10**6, 1.0, 1.0), "batch_size", largest=4096, tolerance=0.06)
    assert found.chosen == 16
    assert found.limited_by == "speed"
    assert max(each.batch_size for each in found.trials) < 4096


def test_the_size_falls_below_the_first_one_where_that_does_not_fit() -> None:
    assert tune(machine(3), "batch_size", largest=1000).chosen == 3
    with pytest.raises(TrainwrightError, match="memory runs out with 1 rows"):
        tune(machine(0), "batch_size", largest=1000)
    with pytest.raises(TrainwrightError, match="memory runs out with 2 rows"):
        tune(machine(1), "batch_size", largest=1000, smallest=2)


def test_no_further_size_is_tried_when_the_time_is_over() -> None:
    found = Search(machine(10**6), largest=10**6, max_time=0.0)
    assert found.run() == 8
    assert (found.limited_by, len(found.trials)) == ("time", 1)


def test_the_gap_is_halved_until_nothing_round_is_left() -> None:
    assert [between(8, 16), between(8, 9), between(32, 64), between(56, 64), between(31, 34), between(656, 665)] == [12, 0, 48, 0, 32, 664]


def test_ranks_agree_on_the_smallest() -> None:
    found = tune(machine(256), "batch_size", largest=256, agree=lambda mine: min(mine, 64))
    assert found.chosen == 64


def test_the_batch_that_fits_is_found_on_real_steps_down_to_the_grain() -> None:
    limited = Limited(most=43)
    found = settle_auto(trainer(batch_size="auto", max_batch_size=200), limited, rows(300)).batch
    assert found is not None
    assert (found.largest, found.limited_by) == (40, "memory"), found.table()
    assert found.chosen in (32, 40)  # by time, which other processes may take
    assert [each.batch_size for each in found.trials] == [8, 16, 32, 40, 48, 64]
    assert [each.verdict for each in found.trials][3:] == ["fits", "out of memory", "out of memory"]


def test_the_micro_batch_is_tuned_with_the_batch_left_alone() -> None:
    limited = Limited(most=11, seconds=0.01)
    found = settle_auto(trainer(batch_size=32, micro_batch_size="auto"), limited, rows(300))
    assert found.batch is not None
    assert found.batch.largest == 11
    assert found.chosen == {"micro_batch_size": found.batch.chosen}
    assert {each.batch_size for each in found.batch.trials} == {32}
    assert found.batch.option == "micro_batch_size"


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"batch_size": "auto", "micro_batch_size": 4, "accumulation": 3}, {"batch_size": 12}),
        ({"batch_size": 12, "micro_batch_size": "auto", "accumulation": 3}, {"micro_batch_size": 4}),
        ({"micro_batch_size": "auto", "accumulation": 3}, {"micro_batch_size": 11}),
        ({"micro_batch_size": "auto", "accumulation": 3, "max_batch_size": 30}, {"micro_batch_size": 10}),
    ],
)
def test_what_follows_from_the_other_sizes_is_not_tried(asked: dict[str, Any], chosen: dict[str, int]) -> None:
    untried = Limited(most=18)
    found = settle_auto(trainer(**{"batch_size": None} | asked), untried, rows(300))
    assert (found.chosen, found.batch, untried.seen) == (chosen, None, [])


@pytest.mark.parametrize("micro", [None, "auto"])
def test_with_the_accumulation_given_pieces_are_tried_and_the_batch_is_so_many_of_them(micro: Any) -> None:
    found = settle_auto(trainer(batch_size="auto", micro_batch_size=micro, accumulation=2, max_batch_size=60), Limited(most=18), rows(300))
    assert found.batch is not None
    assert {each.batch_size for each in found.batch.trials} == {16, 32, 34, 36, 38, 46, 60}
    assert all(each.batch_size == 2 * each.micro_batch_size for each in found.batch.trials)
    assert found.batch.largest == 36
    batch = found.chosen["batch_size"]
    assert found.chosen == {"batch_size": batch} | ({"micro_batch_size": batch // 2} if micro else {})


def test_with_the_micro_batch_given_batches_of_such_pieces_are_tried() -> None:
    found = settle_auto(trainer(batch_size="auto", micro_batch_size=4, max_batch_size=32), Limited(most=4, seconds=0.0005), rows(300))
    assert found.batch is not None
    assert {each.micro_batch_size for each in found.batch.trials} == {4}
    assert {each.verdict for each in found.batch.trials} == {"fits"}


def test_an_epoch_keeps_five_steps_unless_a_larger_batch_is_asked_for() -> None:
    for limit, largest in ((None, 40), (500, 200)):
        found = settle_auto(trainer(batch_size="auto", max_batch_size=limit), Limited(most=999), rows(200)).batch
        assert found is not None
        assert (found.largest, found.limited_by) == (largest, "rows"), found.table()


def test_a_batch_norm_is_never_tried_with_one_row() -> None:
    found = settle_auto(trainer(batch_size="auto", max_batch_size=16), system(norm=True), rows(60)).batch
    assert found is not None and min(each.batch_size for each in found.trials) >= 2


def test_other_errors_are_the_systems_own() -> None:
    class Broken(Limited):
        def training_step(self, batch: Any, context: Any) -> Any:
            raise ValueError("the model is broken")

    broken = Broken(most=8)
    before = weights(broken)
    with pytest.raises(ValueError, match="the model is broken"):
        settle_auto(trainer(batch_size="auto"), broken, rows(60))
    assert same(before, weights(broken))


class Stateful(PlainSystem):
    """Everything a step may change: running statistics, a buffer that is not saved, a counter, a generator, numpy and Python."""

    def __init__(self) -> None:
        super().__init__(system(norm=True).model, ["input"], "cross_entropy", None)
        self.register_buffer("unsaved", torch.zeros(2), persistent=False)
        self.calls, self.generator = 0, torch.Generator().manual_seed(5)

    def training_step(self, batch: Any, context: Any) -> Any:
        self.calls += 1
        self.unsaved += torch.rand(2, generator=self.generator) + random.random() + float(np.random.rand())
        return super().training_step(batch, context)


def found_state(stateful: Stateful) -> list[Any]:
    return [
        {name: tensor.tolist() for name, tensor in weights(stateful).items()},
        stateful.unsaved.tolist(),
        stateful.calls,
        stateful.generator.get_state().tolist(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
        [module.training for module in stateful.modules()],
        [each.requires_grad for each in stateful.parameters()],
        [each.grad for each in stateful.parameters()],
    ]


def test_trials_leave_weights_buffers_modes_and_generators_as_they_were() -> None:
    stateful = Stateful()
    stateful.model[1].train(False)
    stateful.model[0].weight.requires_grad_(False)
    before = found_state(stateful)
    chosen = settle_auto(trainer(batch_size="auto", max_batch_size=16, optimizer=automatic(1.0).optimizer), stateful, rows(60)).chosen
    assert set(chosen) == {"batch_size", "optimizer.learning_rate"}
    assert found_state(stateful) == before


def test_what_is_kept_comes_back_after_an_error_too() -> None:
    stateful = Stateful()
    before = found_state(stateful)
    with pytest.raises(KeyboardInterrupt), change_nothing(stateful, torch.device("cpu")):
        nn.init.ones_(stateful.model[0].weight)
        stateful.calls = 7
        torch.rand(3)
        raise KeyboardInterrupt
    assert found_state(stateful) == before


def automatic(rate: Any = "auto") -> Any:
    """The section with `auto` for the batch size and, unless it is given, the learning rate."""
    section = config(max_epochs=2)
    optimizer = section.optimizer.model_copy(update={"learning_rate": "auto" if rate == 1.0 else rate})
    tuning = TuningOptions(max_time=Duration(3, "s"), range_steps=30)
    return section.model_copy(update={"batch_size": "auto", "max_batch_size": 16, "optimizer": optimizer, "tuning": tuning})


def test_a_tuned_run_is_the_run_that_was_given_the_same_numbers(tmp_path: Path) -> None:
    tuned_system = system(norm=True)
    first = Trainer(automatic(), seed=3, device="cpu", console=False)
    first.config = without_auto(first, tuned_system, rows(43), run=tmp_path / "tuned")
    numbers = json.loads((tmp_path / "tuned" / TUNING).read_text())["chosen"]
    assert first.config.batch_size == numbers["batch_size"] and first.config.optimizer.learning_rate == numbers["optimizer.learning_rate"]
    first.fit(tuned_system, rows(43), rows(20, seed=1), run=tmp_path / "tuned")

    given_system = system(norm=True)
    optimizer = {"type": "adamw", "learning_rate": numbers["optimizer.learning_rate"]}
    section = config(max_epochs=2, batch_size=numbers["batch_size"], optimizer=optimizer)
    Trainer(section, seed=3, device="cpu", console=False).fit(given_system, rows(43), rows(20, seed=1), run=tmp_path / "given")
    assert same(weights(tuned_system), weights(given_system))
    assert table(tmp_path / "tuned") == table(tmp_path / "given")


def test_a_continued_run_is_not_tuned_again(tmp_path: Path) -> None:
    first = Trainer(automatic(), seed=3, device="cpu", console=False)
    section = without_auto(first, system(), rows(43), run=tmp_path)
    untried = Limited(most=99)
    again = without_auto(Trainer(automatic(), seed=3, device="cpu", console=False), untried, rows(43), run=tmp_path, resume=True)
    assert untried.seen == []
    assert (again.batch_size, again.optimizer.learning_rate) == (section.batch_size, section.optimizer.learning_rate)


def test_without_auto_nothing_is_tried(tmp_path: Path) -> None:
    untried, plain = Limited(most=99), Trainer(config(), device="cpu", console=False)
    assert without_auto(plain, untried, rows(43), run=tmp_path) is plain.config
    assert untried.seen == [] and not list(tmp_path.iterdir())


def test_a_found_rate_is_not_scaled_again() -> None:
    scaling = LearningRateScaling(rule="linear", reference=64)
    with pytest.raises(ConfigError, match="cannot be scaled"):
        settle_auto(trainer(optimizer=automatic(1.0).optimizer, learning_rate_scaling=scaling), system(), rows(43))


def test_trials_see_the_longest_rows_there_are() -> None:
    class Sequences(torch.utils.data.Dataset):  # type: ignore[type-arg]
        lengths = [1 + 7 * index % 41 for index in range(60)]

        def __len__(self) -> int:
            return 60

        def __getitem__(self, index: int) -> Any:
            return torch.ones(self.lengths[index], 5), index % 2

        def sizes(self) -> list[int]:
            return self.lengths

    def padded(samples: list[Any]) -> Any:
        inputs = nn.utils.rnn.pad_sequence([each for each, _ in samples], batch_first=True)
        return inputs.sum(1), torch.tensor([target for _, target in samples]), torch.tensor([len(each) for each, _ in samples])

    class Seeing(Limited):
        def training_step(self, batch: Any, context: Any) -> Any:
            self.seen.append(sorted(batch["lengths"].tolist()))
            return PlainSystem.training_step(self, batch, context)

    seeing = Seeing(most=99)
    settle_auto(trainer(batch_size="auto", max_batch_size=16), seeing, DatasetRows(Sequences(), ["input", "target", "lengths"], padded))
    for lengths in seeing.seen:
        assert lengths == sorted(Sequences.lengths)[-len(lengths) :]


def test_trials_are_recorded_and_can_be_read(tmp_path: Path) -> None:
    without_auto(trainer(batch_size="auto", max_batch_size=60), Limited(most=43), rows(200), run=tmp_path)
    kept = json.loads((tmp_path / TUNING).read_text())
    trials = kept["batch_size"]["trials"]
    assert kept["chosen"] == {"batch_size": kept["batch_size"]["chosen"]}
    assert [each["batch_size"] for each in trials if each["verdict"] == "fits"] == [8, 16, 32, 40]
    for each in trials:
        if each["verdict"] == "fits":
            assert each["seconds"] >= 0.02 * 32 / each["batch_size"] * 0.99
            assert each["samples_per_second"] == pytest.approx(each["batch_size"] / each["seconds"])
    found = settle_auto(trainer(batch_size="auto", max_batch_size=60), Limited(most=43), rows(200))
    assert found.batch is not None
    lines = found.batch.table().splitlines()
    assert len(lines) == 1 + len(found.batch.trials)
    assert [line.split()[0] for line in lines if line.endswith("chosen")] == [str(found.batch.chosen)]
    assert [line.split()[0] for line in lines if line.endswith("out of memory")] == ["48", "60"]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not tell the peak of a process")
def test_the_hosts_meter_sees_what_was_allocated_and_freed() -> None:
    meter = HostMeter()
    meter.begin()
    before = meter.peak()
    torch.ones(16 << 20).sum()
    after = meter.peak()
    assert before is not None and after is not None
    assert 56 << 20 < after - before < 96 << 20
    assert available_bytes() is not None


def test_a_size_that_would_not_fit_the_hosts_memory_is_not_tried() -> None:
    limited = Limited(most=10**6, seconds=0.001)
    with trial_session(trainer(batch_size=8), limited, rows(4000)) as session:
        bench = Bench(session)
        assert bench(8, 8).fits
        bench._measured, bench.meter.before = [(8, 100 << 20)], 20 << 20
        bench.meter.limit = 500 << 20
        assert bench.predict_bytes(16) == 180 << 20
        seen = len(limited.seen)
        assert bench(64, 64).verdict == "not tried"
        assert len(limited.seen) == seen
        bench.meter.limit = 1 << 50
        assert bench(32, 32).fits


def test_pieces_of_the_tuned_size_give_the_gradient_of_the_whole() -> None:
    found = settle_auto(trainer(batch_size=60, micro_batch_size="auto"), Limited(17, 0.005), rows(60))
    size = int(found.chosen["micro_batch_size"])
    assert size <= 17
    x, y = (rows(60).take(torch.arange(60))[name] for name in ("input", "target"))
    model = system(dropout=0.0).model.double()
    whole = nn.functional.cross_entropy(model(x.double()), y)
    gradients = torch.autograd.grad(whole, list(model.parameters()))
    pieces = [
        nn.functional.cross_entropy(model(a.double()), b, reduction="sum") / 60 for a, b in zip(x.split(size), y.split(size), strict=True)
    ]
    summed = torch.autograd.grad(sum(pieces), list(model.parameters()))  # type: ignore[arg-type]
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(gradients, summed, strict=True))


STARVED = """
import resource, sys, time
sys.path[:0] = [{src!r}, {here!r}]
import torch
torch.set_num_threads(1)
from torch import nn
from trainwright.data.rows import TensorRows
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import settle_auto
from trainwright.systems.plain import PlainSystem
from test_tuning import trainer
from engine_runs import system

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)
    def forward(self, x):
        self.scratch = torch.empty(len(x), 1 << 20, dtype=torch.uint8)  # 1 MiB a row, never touched: no time, but address space
        time.sleep(0.005)
        return self.layer(x)

made = PlainSystem(Wide(), ["input"], "cross_entropy", None)
x = torch.randn(4000, 5)
rows = TensorRows({{"input": x, "target": (x[:, 0] > 0).long()}})
settle_auto(trainer(batch_size="auto", max_batch_size=8), made, rows)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20), used + (600 << 20)))
found = settle_auto(trainer(batch_size="auto", max_batch_size=4000), made, rows).batch
print(found.table())
assert found.limited_by == "memory", found.limited_by
assert any(each.verdict == "out of memory" for each in found.trials)
assert 64 <= found.largest < 600, found.largest
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux's")
def test_an_allocation_that_truly_fails_ends_the_doubling() -> None:
    code = STARVED.format(src=str(ROOT / "src"), here=str(ROOT / "tests" / "engine"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "out of memory" in done.stdout
