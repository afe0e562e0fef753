"""Numbers that are not finite, memory that runs out, losses that jump, steps that hang."""

from __future__ import annotations

import json
import logging
import math
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, fit, rows, same, system, table, weights

from trainwright.config.errors import Interrupted, TrainwrightError
from trainwright.data.order import epoch_order
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.recovery import NotFinite, out_of_memory
from trainwright.engine.recovery_options import LossSpikeOptions
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.system import Loss, StepContext
from trainwright.engine.watchdog import Watchdog


class Broken:
    """A training step whose loss is not finite whenever a row marked by a huge value is in the batch."""

    def __init__(self, trained: Any, factor: float = math.nan) -> None:
        self.original, self.factor = trained.training_step, factor

    def __call__(self, batch: Any, context: StepContext) -> Loss:
        loss = self.original(batch, context)
        marked = (batch["input"][:, 0] > 50).any()
        return Loss(loss.total * torch.where(marked, self.factor, 1.0), loss.count, outputs=loss.outputs)


def marked(factor: float = math.nan, places: tuple[int, ...] = (20,)) -> tuple[Any, TensorRows]:
    """A system and 43 rows of which a few make the loss break."""
    trained: Any = system(norm=True)
    trained.training_step = Broken(trained, factor)
    data = rows(43)
    for place in places:
        data.blocks["input"][place, 0] = 60.0
    return trained, data


def run(folder: Path, trained: Any, data: TensorRows, **options: Any) -> Any:
    import engine_runs

    trainer = engine_runs.Trainer(
        engine_runs.config(**options), seed=3, device="cpu", callbacks=options.pop("callbacks", []), console=False
    )
    return trainer.fit(trained, data, rows(20, seed=1), run=folder)


def test_skip_leaves_out_the_batches_at_fault_and_counts_no_step_for_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained, data = marked()
    result = run(tmp_path, trained, data, recovery={"not_finite": "skip"})
    assert result.steps == 24 - 4  # one of six batches in each of four epochs
    assert all(math.isfinite(row["train/loss"]) for row in result.history)
    assert all(bool(torch.isfinite(each).all()) for each in trained.state_dict().values())
    assert caplog.text.count("left out") == 4


def test_a_run_that_leaves_batches_out_continues_bit_for_bit(tmp_path: Path) -> None:
    options: dict[str, Any] = {"recovery": {"not_finite": "skip"}}
    import engine_runs

    def trained_in(folder: Path, callbacks: list[Callback], resume: bool) -> Any:
        trained, data = marked()
        trainer = engine_runs.Trainer(engine_runs.config(**options), seed=3, device="cpu", callbacks=callbacks, console=False)
        trainer.fit(trained, data, rows(20, seed=1), run=folder, resume=resume)
        return trained

    unbroken = trained_in(tmp_path / "a", [], False)
    with pytest.raises(Interrupted):
        trained_in(tmp_path / "b", [StopAt(9)], False)
    continued = trained_in(tmp_path / "b", [], True)
    assert same(weights(unbroken), weights(continued))
    assert table(tmp_path / "a") == table(tmp_path / "b")


def test_too_many_batches_left_out_end_the_run(tmp_path: Path) -> None:
    trained, data = marked()
    with pytest.raises(TrainwrightError, match="more than 2 batches were left out"):
        run(tmp_path, trained, data, recovery={"not_finite": "skip", "limit": 2})


def test_an_epoch_cut_short_by_a_callback_is_no_batch_that_was_not_finite(tmp_path: Path) -> None:
    class CutsShort(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> int | None:
            return -1 if session.batches_seen == 2 else None

    trained, data = marked(places=(int(epoch_order(3, 1, 43)[0]),))
    import engine_runs

    options = {"recovery": {"not_finite": "skip", "limit": 3}, "max_epochs": 3}
    trainer = engine_runs.Trainer(engine_runs.config(**options), seed=3, device="cpu", callbacks=[CutsShort()], console=False)
    result = trainer.fit(trained, data, rows(20, seed=1), run=tmp_path)
    assert 4 < result.realised["batches_left_out"] <= 4 + 3  # the rest of the first epoch, and at most one in each


def test_rows_learned_online_that_are_not_finite_are_said_without_naming_others(tmp_path: Path) -> None:
    import engine_runs

    data = rows(16)
    data.blocks["input"][3] = math.inf
    trainer = engine_runs.Trainer(engine_runs.config(), device="cpu", console=False)
    with pytest.raises(NotFinite, match="the loss of these rows is nan") as error:
        trainer.train_online(system(), data)
    assert "training rows" not in str(error.value)


def test_rollback_goes_back_to_the_checkpoint_and_leaves_out_the_batch_at_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"checkpoint": {"every": "2 steps", "min_interval": "0 s"}, "max_epochs": None, "max_steps": 10}
    trained, data = marked()
    result = run(tmp_path / "a", trained, data, recovery={"not_finite": "rollback"}, **options)
    assert "left out" in caplog.text
    assert result.steps == 10
    assert [row["step"] for row in result.history] == sorted({row["step"] for row in result.history})
    skipping, data = marked()
    run(tmp_path / "b", skipping, data, recovery={"not_finite": "skip"}, **options)
    for name, tensor in weights(trained).items():
        torch.testing.assert_close(tensor, weights(skipping)[name], msg=name)


def test_rollback_writes_a_checkpoint_before_the_first_step_so_that_there_is_one_to_go_back_to(tmp_path: Path) -> None:
    trained, data = marked(places=tuple(range(0, 43, 5)))  # a row at fault in every batch
    with pytest.raises(NotFinite, match="after going back 3 times"):
        run(tmp_path, trained, data, recovery={"not_finite": "rollback", "limit": 3}, log_every="1 step")


def test_the_nan_report_names_the_batch_its_rows_and_the_first_module_at_fault(tmp_path: Path) -> None:
    data = rows(43)
    place = int(epoch_order(3, 0, 43)[30])
    data.blocks["input"][place, 3] = math.inf
    with pytest.raises(NotFinite) as error:
        run(tmp_path, system(), data, checkpoint={"every": "2 steps"}, log_every="100 steps")
    finding = json.loads((tmp_path / "nan_report.json").read_text())
    assert place in finding["rows"]
    assert finding["columns"] == {"input": 1}
    assert finding["fault"] == "output"
    assert "1 of its rows have values in 'input' that are not finite; 'model.0' (Linear) gives the first" in str(error.value)


def test_the_nan_report_replays_from_the_last_checkpoint_to_meet_the_fault_with_good_weights(tmp_path: Path) -> None:
    trained: Any = system()
    original = trained.training_step

    def step(batch: Any, context: StepContext) -> Loss:
        loss = original(batch, context)
        if context.step == 7:
            loss.total.register_hook(lambda grad: grad * math.inf)
        return loss

    trained.training_step = step
    with pytest.raises(NotFinite) as error:
        run(tmp_path, trained, rows(43), checkpoint={"every": "2 steps"}, log_every="100 steps")
    finding = json.loads((tmp_path / "nan_report.json").read_text())
    assert (finding["replayed"], finding["batch"], finding["fault"]) == (True, 7, "gradient")
    assert "the gradient of 'model.0.weight' is the first that is not finite" in str(error.value)


def test_ignore_lets_a_run_go_on(tmp_path: Path) -> None:
    trained, data = marked()
    result = run(tmp_path, trained, data, recovery={"not_finite": "ignore"})
    assert result.steps == 24


class Greedy:
    """A training step that runs out of memory above some rows, having changed statistics and drawn random numbers first."""

    def __init__(self, trained: Any, most: int) -> None:
        self.original, self.most, self.seen = trained.training_step, most, []  # type: Any, int, list[int]

    def __call__(self, batch: Any, context: StepContext) -> Loss:
        loss: Loss = self.original(batch, context)
        self.seen.append(len(batch["input"]))
        if len(batch["input"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return loss


def test_when_memory_runs_out_the_same_step_is_made_in_smaller_pieces_for_the_rest_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained: Any = system()
    trained.training_step = Greedy(trained, 3)
    _, result = fit(tmp_path / "a", trained=trained)
    assert trained.training_step.seen[:6] == [8, 4, 2, 2, 2, 2]
    assert max(trained.training_step.seen[2:]) == 2
    assert result.realised["micro_batch_size"] == 2
    assert "memory ran out with 8 rows at once (step 0); from here in pieces of 4" in caplog.text
    given, _ = fit(tmp_path / "b", micro_batch_size=2)
    assert same(weights(trained), weights(given))


def test_the_size_found_is_kept_when_the_run_continues(tmp_path: Path) -> None:
    for folder, stop in (("a", []), ("b", [StopAt(7)])):
        trained: Any = system()
        trained.training_step = Greedy(trained, 3)
        if stop:
            with pytest.raises(Interrupted):
                fit(tmp_path / folder, trained=trained, callbacks=stop)
            trained = system()
            trained.training_step = Greedy(trained, 3)
            fit(tmp_path / folder, trained=trained, resume=True)
            assert max(trained.training_step.seen) == 2
        else:
            fit(tmp_path / folder, trained=trained)
            unbroken = weights(trained)
    assert same(unbroken, weights(trained))


def test_statistics_of_a_step_that_is_redone_are_taken_once(tmp_path: Path) -> None:
    trained: Any = system(norm=True)
    trained.training_step = Greedy(trained, 5)
    fit(tmp_path, trained=trained, train_rows=8, max_epochs=1, sanity_check=0)
    assert int(trained.model[1].num_batches_tracked) == 2


def test_a_single_row_that_does_not_fit_and_the_policy_stop_are_said(tmp_path: Path) -> None:
    trained: Any = system()
    trained.training_step = Greedy(trained, 0)
    with pytest.raises(TrainwrightError, match="memory runs out with a single row"):
        fit(tmp_path / "a", trained=trained)
    trained.training_step = Greedy(system(), 3)
    with pytest.raises(torch.OutOfMemoryError):
        fit(tmp_path / "b", trained=trained, recovery={"out_of_memory": "stop"})


def test_memory_that_really_runs_out_is_healed(tmp_path: Path) -> None:
    program = """
    import resource, sys, torch, logging
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    import trainwright as tw
    from torch import nn
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
        def forward(self, x):
            return (x.repeat(1, 1 << 19) * self.weight).mean(1, keepdim=True)   # 64 rows: half a gigabyte and more
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (700 << 20), -1))
    x = torch.randn(128, 4)
    result = tw.fit(Wide(), (x, x[:, :1]), loss="mse", batch_size=64, max_epochs=1, run_dir=sys.argv[1], console=False)
    print("realised", result.realised["micro_batch_size"], result.steps)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "run")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "memory ran out with 64 rows at once" in done.stdout
    size, steps = map(int, done.stdout.split("realised")[1].split())
    assert (size < 64, steps) == (True, 2)
    assert resource.getrlimit(resource.RLIMIT_AS)


OUT_OF_MEMORY = [
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.78 GiB total capacity)",
    "CUDA error: out of memory",
    "HIP out of memory. Tried to allocate 20.00 MiB",
    "HIP error: hipErrorOutOfMemory",
    "XPU out of memory. Tried to allocate 1.00 GiB",
    "MPS backend out of memory (MPS allocated: 18.00 GB, other allocations: 1.00 GB, max allowed: 18.13 GB)",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "HIP error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. Unable to allocate workspace",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "CUDA error: CUSPARSE_STATUS_INSUFFICIENT_RESOURCES when calling `cusparseSpMM`",
    "CUDA error: cusparse error: CUSPARSE_STATUS_ALLOC_FAILED",
    "cuFFT error: CUFFT_ALLOC_FAILED",
    "NCCL Error 1: unhandled cuda error: Cuda failure 'out of memory'",
    "CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "MIOpen Error: miopenStatusAllocFailed",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 1099511627776 bytes.",
    "std::bad_alloc",
    "unable to mmap 4096 bytes from file </x>: Cannot allocate memory (12)",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "HIP error: rocblas_status_memory_error",
    "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
    "Native API failed. Native API returns: -6 (PI_ERROR_OUT_OF_HOST_MEMORY)",
    "Error: command buffer exited with error status: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    "Invalid buffer size: 20.00 GiB",
    "magma error: MAGMA_ERR_DEVICE_ALLOC",
]
OTHER_FAULTS = [
    "shapes cannot be multiplied",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: misaligned address",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
    "cuDNN error: CUDNN_STATUS_BAD_PARAM",
    "CUDA error: unspecified launch failure",
    "GET was unable to find an engine to execute this computation",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasSgemm`",
    "memory format option is only supported by strided tensors",
]


def test_only_errors_about_memory_count_as_such() -> None:
    assert out_of_memory(torch.OutOfMemoryError("x"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"))
    for text in OUT_OF_MEMORY:
        assert out_of_memory(RuntimeError(text)), text
    for text in OTHER_FAULTS:
        assert not out_of_memory(RuntimeError(text)), text
    assert not out_of_memory(ValueError("can't allocate memory"))


def test_a_loss_that_jumps_is_a_spike_and_noise_is_none() -> None:
    watch = SpikeWatch(LossSpikeOptions(window=10, factor=5.0))
    generator = torch.Generator().manual_seed(0)
    noise = (1.0 + 0.1 * torch.randn(60, generator=generator)).tolist()
    for value in noise:
        assert not watch.is_spike(value)
        watch.remember({"loss": value})
    assert watch.is_spike(3.0)
    assert not watch.is_spike(-3.0)


def test_a_part_of_the_loss_that_jumps_is_a_spike_unless_it_is_small_beside_the_whole_or_only_begins() -> None:
    watch = SpikeWatch(LossSpikeOptions(window=10, factor=5.0))
    for _ in range(10):
        watch.remember({"loss": 2.0, "loss/kl": 0.5, "loss/tiny": 1e-6, "loss/later": 0.0})
    assert watch.is_spike(1.0, "loss/kl")
    assert not watch.is_spike(0.55, "loss/kl")
    assert not watch.is_spike(1e-2, "loss/tiny")
    assert not watch.is_spike(1.0, "loss/later")
    again = SpikeWatch(watch.options)
    again.load(watch.state())
    again.load(watch.state())  # a run that goes back takes its state twice
    assert again.state() == watch.state()


class Preset(Callback):
    """Leaves out the same batches from the beginning, as if their fault had been known."""

    def __init__(self, left_out: set[int]) -> None:
        self.ticks = left_out

    def on_fit_start(self, session: Any, system: Any) -> None:
        session.position.skipped_batches |= self.ticks


class Remembers(Callback):
    """Keeps what was left out, and how often the run went back."""

    def on_train_end(self, session: Any, system: Any) -> None:
        self.left_out, self.rollbacks = set(session.skipped_batches), session.rollbacks


class Wrecking:
    """A training step that reports the loss as it is, but whose gradient is enormous when a marked row is in the batch."""

    def __init__(self, trained: Any) -> None:
        self.original = trained.training_step

    def __call__(self, batch: Any, context: StepContext) -> Loss:
        marked = (batch["input"][:, 0] > 50).any()
        clean = {**batch, "input": batch["input"].clone()}
        clean["input"][:, 0].clamp_(max=3.0)
        loss = self.original(clean, context)
        return Loss(loss.total + (loss.total - loss.total.detach()) * torch.where(marked, 1e6, 0.0), loss.count, outputs=loss.outputs)


@pytest.mark.parametrize(
    ("fault", "log", "save"),
    [
        *(("loss", *each) for each in ((3, 5), (1, 1), (4, 1), (6, 6))),
        *(("update", *each) for each in ((3, 5), (1, 1), (5, 3))),
        *(("not finite", *each) for each in ((3, 5), (4, 1))),
    ],
)
def test_at_any_cadence_going_back_gives_the_history_of_a_run_without_the_batches_left_out(
    fault: str, log: int, save: int, tmp_path: Path
) -> None:
    import engine_runs

    options: dict[str, Any] = {
        "log_every": f"{log} steps",
        "evaluate_every": "6 steps",
        "checkpoint": {"every": f"{save} steps", "min_interval": "1 h", "keep_last": 1},
        "recovery": {"loss_spike": {"window": 5, "factor": 20.0, "policy": "rollback"}, "not_finite": "rollback"},
        "optimizer": {"type": "sgd", "learning_rate": 0.02},
        "ema": {"decay": 0.9},
        "max_epochs": None,
        "max_steps": 48,
    }
    place = int(epoch_order(3, 6, 43)[29])  # met late enough for the window to be full with any of the cadences

    def trained_in(folder: Path, callback: Callback) -> Any:
        trained, data = marked(factor={"loss": 1e4, "update": 1.0, "not finite": math.nan}[fault], places=())
        data.blocks["input"][place, 0] = 60.0
        if fault == "update":
            del trained.training_step
            trained.training_step = Wrecking(trained)
        only_in_epoch(trained, 6)
        trainer = engine_runs.Trainer(engine_runs.config(**options), seed=3, device="cpu", callbacks=[callback], console=False)
        return trained, trainer.fit(trained, data, rows(20, seed=1), run=folder)

    remembers = Remembers()
    trained, result = trained_in(tmp_path / "a", remembers)
    assert result.steps == 48
    assert remembers.rollbacks >= 1
    clean, _ = trained_in(tmp_path / "b", Preset(remembers.left_out))
    assert table(tmp_path / "a") == table(tmp_path / "b")
    assert same(weights(trained), weights(clean))


def only_in_epoch(trained: Any, epoch: int) -> None:
    """Let a marked row be harmless in all epochs but one."""
    faulty = trained.training_step

    def step(batch: Any, context: StepContext) -> Loss:
        if context.epoch != epoch:
            batch = {**batch, "input": batch["input"].clone()}
            batch["input"][:, 0].clamp_(max=3.0)
        return faulty(batch, context)  # type: ignore[no-any-return]

    trained.training_step = step


@pytest.mark.parametrize("policy", ["warn", "stop", "rollback"])
def test_the_policies_about_spikes(policy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained, data = marked(factor=1e4)
    options = {"log_every": "1 step", "max_epochs": 8, "checkpoint": {"every": "1 step", "min_interval": "0 s"}}
    recovery = {"loss_spike": {"window": 5, "factor": 20.0, "policy": policy}}
    if policy == "stop":
        with pytest.raises(NotFinite, match="the loss jumped to"):
            run(tmp_path, trained, data, recovery=recovery, **options)
        return
    result = run(tmp_path, trained, data, recovery=recovery, **options)
    assert "the loss jumped to" in caplog.text
    high = [row["step"] for row in result.history if row["train/loss"] > 100]
    assert bool(high) == (policy == "warn" or min(high, default=9) < 5)
    assert ("back to step" in caplog.text) == (policy == "rollback")


def test_the_watchdog_writes_the_stacks_of_a_step_that_hangs_once(caplog: pytest.LogCaptureFixture) -> None:
    place = [0]
    with caplog.at_level(logging.WARNING), Watchdog(0.2, lambda: place[0]).watching():
        for _ in range(10):
            place[0] += 1
            time.sleep(0.05)
        assert "no step has ended" not in caplog.text
        time.sleep(1.0)
    assert caplog.text.count("no step has ended for 0.2 s") == 1
    assert "test_recovery.py" in caplog.text


HANGS = """
import time, torch, trainwright as tw
from trainwright.engine import surroundings
surroundings.SECONDS = 0.5

class Hangs(tw.Callback):
    def on_train_batch_end(self, session, *_):
        time.sleep(60)

data = torch.ones(8, 2), torch.ones(8, 1)
tw.fit(torch.nn.Linear(2, 1), data, loss="mse", callbacks=[Hangs()], recovery={"hang": "end"}, run_dir="run")
"""


def test_one_process_that_hangs_is_ended_where_that_alone_was_asked_for(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert "no step has ended for 0.5 s" in (tmp_path / "run/log.txt").read_text()


def test_a_run_is_watched_when_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Hangs(Callback):
        def on_train_batch_end(self, session: Any, *_: Any) -> None:
            if session.step == 3:
                time.sleep(0.8)

    fit(tmp_path, callbacks=[Hangs()], max_epochs=1, recovery={"watchdog": "0.2 s"})
    assert "no step has ended for 0.2 s" in caplog.text
