"""Worker processes change when a batch is taken, never what is in it; and they leave nothing behind."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decoded_rows import Augmented, Faulty, Hanging, InBulk, WithALambda, decoded, rows
from engine_runs import StopAt, fit, same, table, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Subset

from trainwright.config.errors import ConfigError, DataError, Interrupted
from trainwright.data.mapped_rows import MappedRows
from trainwright.data.order import epoch_order
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.feed import Feed, batches_from
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.plan import Plan
from trainwright.engine.worker_checks import is_unguarded

CPU = torch.device("cpu")


def children() -> list[int]:
    """Processes begun by this one or by its fork server, but the server and Python's resource tracker."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_text()
            except OSError:
                continue
    mine = [pid for pid, parent in parents.items() if parent == os.getpid()]
    kept = [pid for pid in mine if "forkserver import main" in commands[pid] or "resource_tracker" in commands[pid]]
    return [pid for pid in mine if pid not in kept] + [pid for pid, parent in parents.items() if parent in kept]


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Any:
    yield
    assert children() == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """A run without workers: weights, metrics by step, result."""
    folder = tmp_path_factory.mktemp("whole")
    trained, result = decoded(folder, 0)
    return weights(trained), table(folder), result


@pytest.mark.parametrize(("workers", "method"), [(1, "forkserver"), (3, "forkserver"), (2, "fork")])
def test_any_number_of_workers_gives_the_same_weights_and_metrics(workers: int, method: str, whole: Any, tmp_path: Path) -> None:
    trained, result = decoded(tmp_path, workers, loader={"start_method": method})
    assert same(weights(trained), whole[0])
    assert table(tmp_path) == whole[1]
    assert (result.metrics, result.best_step) == (whole[2].metrics, whole[2].best_step)


@pytest.mark.parametrize(("k", "before", "after"), [(4, 2, 0), (7, 0, 2), (12, 1, 3)])
def test_a_run_continues_with_another_number_of_workers_to_the_bit(k: int, before: int, after: int, whole: Any, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        decoded(tmp_path, before, callbacks=[StopAt(k)])
    assert children() == []
    trained, _ = decoded(tmp_path, after, resume=True)
    assert same(weights(trained), whole[0])
    assert table(tmp_path) == whole[1]


class LeavesOut(Callback):
    """Ends the second epoch after two batches."""

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> Any:
        return -1 if session.epoch == 1 and index == 2 else None


def test_batches_out_of_turn_are_taken_from_the_new_place(tmp_path: Path) -> None:
    options = {"batch_growth": {"times": 1, "patience": 1, "min_delta": 10.0}, "recovery": {"limit": 100}}
    here, _ = decoded(tmp_path / "here", 0, callbacks=[LeavesOut()], **options)
    there, _ = decoded(tmp_path / "there", 1, callbacks=[LeavesOut()], loader={"prefetch": 1}, **options)
    assert same(weights(here), weights(there))
    assert table(tmp_path / "here") == table(tmp_path / "there")


def test_rows_that_are_fetched_in_bulk_are_the_same_with_workers(tmp_path: Path) -> None:
    here, _ = decoded(tmp_path / "here", 0, InBulk(), max_epochs=1)
    there, _ = decoded(tmp_path / "there", 2, InBulk(), max_epochs=1)
    assert same(weights(here), weights(there))


def test_a_sample_is_the_same_in_any_batch_of_its_epoch_and_another_in_the_next() -> None:
    data = rows(Subset(Augmented(), list(range(20))))
    data.begin_epoch(5, 1)
    first = data.take(torch.tensor([3, 9, 4]))["input"]
    assert torch.equal(first[1], data.take(torch.tensor([9]))["input"][0])
    data.begin_epoch(5, 2)
    assert data.dataset.dataset.epoch == 2
    assert not torch.equal(first[1], data.take(torch.tensor([9]))["input"][0])


def test_taking_a_batch_leaves_all_generators_as_they_were() -> None:
    data = rows(Augmented())
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    data.take(torch.arange(4))
    found = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    assert found == (torch.rand(1).item(), random.random(), np.random.rand())


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_the_line_of_batches_is_the_order_of_the_loop_from_any_place(n: int, batch: int, batch_number: int) -> None:
    batch = min(batch, n)
    plan = Plan(n, batch, batch, -(-n // batch), None, "max_time", 1.0)
    line = batches_from(plan, TensorRows({"x": torch.zeros(n)}), 7, batch_number)
    for number in range(batch_number, batch_number + 2 * plan.steps_per_epoch + 1):
        request = next(line)
        start, end = plan.bounds(plan.index_of(number))
        expected = epoch_order(7, plan.epoch_of(number), n)[start:end]
        assert (request.number, request.epoch) == (number, plan.epoch_of(number))
        assert request.rows.tolist() == expected.tolist()


def test_mapped_rows_go_to_workers_as_places_in_their_files(tmp_path: Path) -> None:
    block = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (50, 3))
    block[:] = np.arange(150).reshape(50, 3)
    block.flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = MappedRows({"input": mapped[10:]}, np.arange(39, -1, -1))
    plan, feed = Plan(40, 8, 8, 5, None, "max_time", 1.0), Feed(data, LoaderOptions(workers=1), 0, CPU)
    try:
        for batch_number in (0, 1, 2, 7):
            start, end = plan.bounds(plan.index_of(batch_number))
            order = epoch_order(0, plan.epoch_of(batch_number), 40)[start:end]
            assert torch.equal(feed.take(order, plan, batch_number)["input"], torch.from_numpy(block[49 - order.numpy()]))
    finally:
        feed.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_dataset_names_the_row_and_says_why(workers: int, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        decoded(tmp_path, workers, Faulty(), validated=False)
    assert error.value.exit_code == 2
    assert error.value.where == "row 11"
    assert error.value.why.startswith("OSError: the image is truncated (") and "decoded_rows.py:" in error.value.why


def test_a_dataset_that_hangs_is_named_by_its_rows_after_the_timeout(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        decoded(tmp_path, 1, Hanging(), validated=False, loader={"timeout": "2 s"})
    assert "did not come within 2 s" in error.value.what
    listed = error.value.why.removeprefix("the workers still read rows ").split(", ")
    assert "11" in listed and len(listed) == 8


def test_what_cannot_be_pickled_is_named_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.transforms\[1\] \(WithALambda.__init__.<locals>.<lambda>\) cannot be pickled"):
        decoded(tmp_path / "a", 1, WithALambda())
    trained, _ = decoded(tmp_path / "b", 1, WithALambda(), loader={"start_method": "fork"}, max_epochs=1)
    here, _ = decoded(tmp_path / "c", 0, max_epochs=1)
    assert same(weights(trained), weights(here))


def test_rows_in_memory_need_no_workers_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="trainwright.engine"):
        with_workers, _ = fit(tmp_path / "a", loader={"workers": 2}, max_epochs=1)
    assert len([each for each in caplog.messages if "no data workers are needed" in each]) == 1
    without, _ = fit(tmp_path / "b", max_epochs=1)
    assert same(weights(with_workers), weights(without))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from decoded_rows import decoded
{guard}decoded(Path(sys.argv[1]), 2, max_epochs=int(sys.argv[2]))
"""


def script(folder: Path, guarded: bool) -> Path:
    file = folder / "script.py"
    guard = "if __name__ == '__main__': " if guarded else ""
    file.write_text(SCRIPT.format(tests=str(Path(__file__).parent), guard=guard))
    return file


def test_a_script_that_workers_would_run_again_is_refused(tmp_path: Path) -> None:
    file = script(tmp_path, guarded=False)
    assert is_unguarded(file) and not is_unguarded(script(tmp_path, guarded=True))
    file = script(tmp_path, guarded=False)
    done = subprocess.run([sys.executable, str(file), str(tmp_path / "run"), "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "workers cannot begin from this script" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_a_dataset_that_was_defined_in_a_session_is_refused(tmp_path: Path) -> None:
    session = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from decoded_rows import Augmented, decoded
class Mine(Augmented): pass
decoded(Path({str(tmp_path / "run")!r}), 2, Mine())
"""
    done = subprocess.run([sys.executable, "-c", session], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "was defined in this session and is in no file" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_evaluated_rows_come_in_order_over_passes_that_end_early_and_change_their_size() -> None:
    data = rows(Augmented())
    feed = Feed(data, LoaderOptions(workers=2, prefetch=1), 0, CPU)
    ahead = feed.in_order(data)
    try:
        for size, batches in ((10, 5), (10, 5), (10, 2), (10, 5), (7, 7), (100, 1), (7, 7)):
            for index in range(batches):
                indices = torch.arange(index * size, min((index + 1) * size, len(data)))
                assert torch.equal(ahead.take(indices)["input"], data.take(indices)["input"])
        assert len(children()) == 2
    finally:
        feed.close()
