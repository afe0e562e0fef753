"""What one of two processes meets is acted on by both after the same step, and only rank 0 writes. Two real processes over gloo."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.config.errors import Interrupted, TrainwrightError
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.recovery import NotFinite
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

pytestmark = pytest.mark.slow

ROWS, BATCH, EPOCHS = 40, 8, 6
STEPS = ROWS // BATCH * EPOCHS


def rows(n: int, seed: int) -> TensorRows:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return TensorRows({"input": x, "target": (x[:, 0] > 0).long()})


def network() -> PlainSystem:
    torch.manual_seed(7)
    return PlainSystem(
        nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)), ["input"], "cross_entropy", ["accuracy"]
    )


class Watch(Callback):
    """Calls `meet(session)` after every step, and remembers how each step was made."""

    every_rank = True

    def __init__(self, meet: Callable[[Any], None] | None = None, stop_from: int | None = None) -> None:
        self.meet, self.stop_from = meet, stop_from
        self.sizes: list[int] = []
        self.losses: list[tuple[float, int]] = []
        self.draws: list[float] = []

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.draws.append(float(torch.rand(())))

    def on_before_backward(self, session: Any, system: Any, loss: Any) -> None:
        self.losses.append((float(loss.total.detach()), int(loss.count)))

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.sizes.append(session.plan.micro_batch_size)
        if self.meet is not None:
            self.meet(session)

    def should_early_stop(self, session: Any, system: Any) -> bool:
        return self.stop_from is not None and session.step >= self.stop_from


def run(world: World, folder: Path, watch: Watch | None = None, **options: Any) -> dict[str, Any]:
    """What a process can say of a run."""
    given = {"batch_size": BATCH, "max_epochs": EPOCHS, "log_every": "3 steps", "trackers": ["csv"], "early_stopping": None}
    resume, data_seed = options.pop("resume", False), options.pop("data_seed", 0)
    watch = watch or Watch()
    trainer = Trainer(TrainerConfig.model_validate(given | options), seed=3, device="cpu", callbacks=[watch], console=False, world=world)
    system = network()
    said, result = "", None
    try:
        result = trainer.fit(system, rows(ROWS, data_seed), rows(20, 1), run=folder, resume=resume)
    except (Interrupted, NotFinite) as error:
        said = f"{error.what} {error.why}".strip()
    found = {"said": said, "sizes": watch.sizes, "losses": watch.losses, "draws": watch.draws}
    found["weights"] = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    if result is not None:
        found |= {"steps": result.steps, "because": result.stopped_because, "history": result.history, "best": result.best_step}
        found["skipped"] = result.realised["batches_left_out"]
    return found


def at(step: int, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """Acts once, after a step."""
    return lambda session: act(session) if session.step == step else None


def only(world: World, rank: int, meet: Callable[[Any], None]) -> Watch:
    return Watch(meet if world.rank == rank else None)


def killed(session: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def out_of_time(session: Any) -> None:
    session.clock.timing.load({"train": 1e6})


class OutOfMemory(Watch):
    """Memory runs out once, with more than two rows at once, in the step after the fourth."""

    def on_before_backward(self, session: Any, system: Any, loss: Any) -> None:
        super().on_before_backward(session, system, loss)
        if session.step == 4 and int(loss.count) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


class OutOfMemoryInEvaluation(Watch):
    """Memory runs out with more than four rows at once, in every evaluation."""

    def setup(self, session: Any, system: Any) -> None:
        system.register_forward_pre_hook(self.refuse)

    @staticmethod
    def refuse(module: Any, inputs: Any) -> None:
        if not module.training and len(inputs[0]["input"]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


class KilledInEvaluation(Watch):
    """A signal comes while the first evaluation is under way."""

    def on_validation_batch_end(self, session: Any, system: Any, batch: Any, index: int, outputs: Any) -> None:
        if session.step == 5 and index == 1:  # of every two batches this process measures the second
            killed(session)


class Broken(Watch):
    """A value of batch number 7, and of batch number 16, is not finite."""

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.batches_seen in (7, 16):
            batch["input"][0] = math.nan


def written_below(folder: Path) -> list[str]:
    """The paths below a folder that this process writes, makes, renames or removes from here on; the list grows."""
    seen: list[str] = []
    changing = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = str(arguments[0]) if arguments else ""
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if path.startswith(str(folder)) and (writes or event in changing):
            seen.append(f"{event} {path}")

    sys.addaudithook(hook)
    return seen


def situations(world: World, folder: Path) -> dict[str, Any]:
    """Every situation, one after the other."""
    written = written_below(folder / "runs")
    world.first(lambda: (folder / "runs").mkdir())
    place = folder / "runs"
    small = {"evaluation_batch_size": 7, "sanity_check": 0}
    still = {"optimizer": {"type": "sgd", "learning_rate": 1e-30}, "log_every": "4 steps"}  # the weights stay the same on both
    found = {
        "unbroken": run(world, place / "unbroken"),
        "signal": run(world, place / "signal", only(world, 1, at(7, killed))),
        "continued": run(world, place / "signal", resume=True),
        "rank 1 out of time": run(world, place / "late-1", only(world, 1, at(7, out_of_time)), max_time="1 h"),
        "rank 0 out of time": run(world, place / "late-0", only(world, 0, at(7, out_of_time)), max_time="1 h"),
        "stopped": run(world, place / "stopped", only(world, 1, at(7, lambda session: session.stop("enough")))),
        "early stopping": run(world, place / "early", Watch(stop_from=9 if world.is_main else None)),
        "memory": run(world, place / "memory", OutOfMemory() if world.rank == 1 else Watch()),
        "rollback": run(world, place / "rollback", Broken() if world.rank == 1 else Watch(), recovery={"not_finite": "rollback"}),
        "skip": run(world, place / "skip", Broken() if world.rank == 1 else Watch(), recovery={"not_finite": "skip"}),
        "memory in evaluation": run(world, place / "eval", OutOfMemoryInEvaluation() if world.rank == 1 else Watch(), **small),
        "signal in evaluation": run(world, place / "cut", KilledInEvaluation() if world.rank == 1 else Watch(), **small),
        "not finite": run(world, place / "nan", Broken() if world.rank == 1 else Watch()),
        "tuned": run(world, place / "tuned", batch_size="auto", max_batch_size=16, max_epochs=1, tuning={"max_time": "0.3 s"}),
        "still": run(world, place / "still", **still),
        "still, killed": run(world, place / "still-killed", only(world, 1, at(7, killed)), **still),
        "still, continued": run(world, place / "still-killed", resume=True, **still),
        "other rows": run(world, place / "other", data_seed=world.rank),
    }
    return found | {"written": list(written)}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = on_ranks(tmp_path_factory.mktemp("two"), situations)
    return first, second


Ranks = tuple[dict[str, Any], dict[str, Any]]


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_only_rank_0_writes(ranks: Ranks) -> None:
    assert ranks[1]["written"] == []
    assert any("manifest.json" in each for each in ranks[0]["written"])


def test_each_draws_for_its_rows_what_one_process_draws_for_them(ranks: Ranks, one_thread: None, tmp_path: Path) -> None:
    alone = run(World(), tmp_path / "alone", accumulation=2)
    assert ranks[0]["unbroken"]["losses"] == alone["losses"][::2]  # the same units are dropped
    assert ranks[1]["unbroken"]["losses"] == alone["losses"][1::2]
    assert same(ranks[0]["unbroken"]["weights"], alone["weights"])
    assert ranks[1]["unbroken"]["draws"] == alone["draws"]  # callbacks between steps draw the same everywhere


def test_both_end_with_the_weights_of_rank_0(ranks: Ranks) -> None:
    for name in ("unbroken", "continued", "early stopping", "rollback"):
        assert same(ranks[0][name]["weights"], ranks[1][name]["weights"]), name


def test_a_signal_to_one_saves_both_after_the_same_step(ranks: Ranks) -> None:
    first, second = (each["signal"] for each in ranks)
    assert first["said"] == second["said"] == "SIGTERM: stopped and saved at step 9"
    assert len(first["sizes"]) == len(second["sizes"]) == 9


def test_both_continue_from_the_step_that_rank_0_wrote(ranks: Ranks) -> None:
    first, second = (each["continued"] for each in ranks)
    assert first["steps"] == second["steps"] == STEPS
    assert len(first["sizes"]) == len(second["sizes"]) == STEPS - 9
    assert first["losses"] == ranks[0]["unbroken"]["losses"][9:]
    assert second["losses"] == ranks[1]["unbroken"]["losses"][9:]
    assert [row["step"] for row in second["history"]] == [row["step"] for row in first["history"]]


def test_what_both_logged_since_the_last_row_is_in_the_checkpoint(ranks: Ranks) -> None:
    whole, rest = ranks[0]["still"], ranks[0]["still, continued"]
    assert ranks[0]["still, killed"]["said"] == "SIGTERM: stopped and saved at step 9"
    assert training(rest["history"]) == training(whole["history"])  # rows before the signal too, from metrics.csv
    assert training(ranks[1]["still, continued"]["history"]) == training(whole["history"])
    assert ranks[1]["still"]["losses"] != whole["losses"]
    assert any("accuracy" in name for row in whole["history"] for name in row)


def training(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """What rows say of training, and of validation: all but the clock."""
    return [{name: value for name, value in row.items() if name not in ("seconds", "samples_per_second")} for row in history]


def test_the_clock_of_rank_0_decides(ranks: Ranks) -> None:
    for each in ranks:
        assert (each["rank 1 out of time"]["steps"], each["rank 1 out of time"]["because"]) == (STEPS, "max_epochs")
        assert each["rank 0 out of time"]["because"] == "max_time"
    assert ranks[0]["rank 0 out of time"]["steps"] == ranks[1]["rank 0 out of time"]["steps"] == 9


def test_a_callback_of_one_stops_both(ranks: Ranks) -> None:
    assert [(each["stopped"]["because"], each["stopped"]["steps"]) for each in ranks] == [("enough", 9)] * 2


def test_early_stopping_of_one_stops_both(ranks: Ranks) -> None:
    assert [(each["early stopping"]["because"], each["early stopping"]["steps"]) for each in ranks] == [("early_stopping", 10)] * 2


def test_memory_that_runs_out_in_one_makes_pieces_smaller_in_both(ranks: Ranks) -> None:
    first, second = (each["memory"] for each in ranks)
    assert first["steps"] == second["steps"] == STEPS  # no step is lost
    assert second["sizes"] == [4] * 4 + [2] * (STEPS - 4)  # the same step again where it ran out
    assert first["sizes"] == [4] * 6 + [2] * (STEPS - 6)  # the other hears of it a step late, always the same one


def test_an_evaluation_is_of_one_mind_too(ranks: Ranks) -> None:
    first, second = (each["memory in evaluation"] for each in ranks)
    assert first["best"] == second["best"]
    assert [row.get("validation/loss") for row in first["history"]] == [row.get("validation/loss") for row in second["history"]]
    assert [each["signal in evaluation"]["said"] for each in ranks] == ["SIGTERM: stopped and saved at step 5"] * 2


def test_sizes_that_are_measured_are_the_same_for_both(ranks: Ranks) -> None:
    first, second = (each["tuned"] for each in ranks)
    assert first["sizes"] == second["sizes"] != []


def test_a_loss_of_one_that_is_not_finite_rolls_both_back(ranks: Ranks) -> None:
    first, second = (each["rollback"] for each in ranks)
    assert first["skipped"] == second["skipped"] == 2
    assert first["steps"] == second["steps"] == STEPS - 2
    assert all(math.isfinite(row["train/loss"]) for row in first["history"])


def test_a_loss_of_one_that_is_not_finite_stops_both_in_the_same_words(ranks: Ranks) -> None:
    first, second = (each["not finite"]["said"] for each in ranks)
    assert first == second
    assert first.startswith("the loss is nan at step 9")
    assert "batch 7" in first


def test_a_batch_that_is_not_finite_in_one_is_skipped_in_both(ranks: Ranks) -> None:
    first, second = (each["skip"] for each in ranks)
    assert first["skipped"] == second["skipped"] == 2
    assert first["steps"] == second["steps"] == STEPS - 2


def test_the_logged_loss_is_the_mean_over_the_rows_of_both(ranks: Ranks) -> None:
    for position, row in enumerate(ranks[0]["other rows"]["history"][:1]):
        steps = slice(position * 3, position * 3 + 3)
        terms = [each for rank in ranks for each in rank["other rows"]["losses"][steps]]
        assert row["step"] == 3
        assert row["train/loss"] == math.fsum(total for total, _ in terms) / sum(count for _, count in terms)
    numbers = [[{k: v for k, v in row.items() if k.startswith("train/")} for row in each["other rows"]["history"]] for each in ranks]
    assert numbers[0] == numbers[1]


def fails(session: Any) -> None:
    raise ZeroDivisionError("in a callback")


def one_fails(world: World, folder: Path) -> str:
    try:
        run(world, folder / "run", only(world, 1, at(13, fails)), checkpoint={"every": "5 steps"})
    except (TrainwrightError, ZeroDivisionError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_a_process_that_fails_is_told_to_the_other_and_one_process_continues_the_run(tmp_path: Path) -> None:
    first, second = on_ranks(tmp_path, one_fails)
    assert second == "ZeroDivisionError: in a callback"
    assert first.startswith("RankLost: another process of this run has ended")
    alone = run(World(), tmp_path / "run", resume=True, checkpoint={"every": "5 steps"})
    assert alone["steps"] == STEPS
    assert len(alone["sizes"]) == STEPS - 10  # from the newest checkpoint


class Asked(World):
    """One process that counts the questions."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("sum", "min", "any", "gather", "broadcast", "first", "barrier", "start_gather"):
            self.questions.append(name)
        return super().__getattribute__(name)


def test_an_ordinary_step_of_one_process_asks_the_world_nothing(tmp_path: Path) -> None:
    counts = []
    for batch_size in (20, 2):
        world = Asked()
        run(world, tmp_path / str(batch_size), batch_size=batch_size, max_epochs=1, log_every="1 epoch")
        counts.append(len(world.questions))
    assert counts[0] == counts[1] > 0  # two steps, and twenty
