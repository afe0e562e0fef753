"""SIGKILL of a random rank at a random moment: the others end by themselves, and what is continued ends as what was never killed.

Six times in the suite; KILLS=1000 for the nightly run, which kills a hundred; SEED for other moments.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_runs import OPTIONS, perceptron, plain_rows
from torch.distributed import fsdp  # noqa: F401  (once, in the process that the ranks are forked from)

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.store import CheckpointStore
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.saving import sharing, writing
from trainwright.engine.trainer import Trainer
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.parallel.distributed import DistributedWorld

KILLS = max(6, int(os.environ.get("KILLS", "60")) // 10)
SEED = int(os.environ.get("SEED", "20260101"))
RANKS, LIMIT = 2, 90.0
STRATEGIES: dict[str, Any] = {"ddp": {"type": "ddp", "reduce": "ordered"}, "fsdp": "fsdp"}


class First(Callback):
    """Writes down the step from which a rank goes on."""

    every_rank = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if not self.path.exists():
            self.path.write_text(str(session.step))


def die_within(name: str) -> None:
    """Let this rank be killed when it comes to a function of saving, in the first save after step 9."""
    whole = getattr(sharing, name)

    def dying(place: Path, *given: Any) -> Any:
        names = [place.name.strip(".").removesuffix(".tmp"), *(each.folder for each in given if isinstance(each, Manifest))]
        if any(name.startswith("step-") and int(name[5:]) > 9 for name in names):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(place, *given)

    setattr(sharing, name, dying)


def work(folder: Path, name: str, rank: int, meeting: Path, dies: tuple[int, str] | None = None) -> None:
    """One rank of a run: begin or go on, and leave the weights that came of it."""
    if dies is not None and dies[0] == rank:
        die_within(dies[1])
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    writing.SMALL = 0  # written in the background, as large states are
    world = DistributedWorld.join(f"file://{meeting}", rank, RANKS, timeout=60)
    (folder / f"begun-{rank}").touch()
    config = TrainerConfig.model_validate(OPTIONS | {"strategy": STRATEGIES[name], "max_epochs": 3})
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    system = perceptron(False, 0.2)
    first = First(folder / f"first-{rank}")
    trainer = Trainer(config, seed=5, device="cpu", console=False, world=world, callbacks=[first])
    trainer.fit(system, plain_rows(200, 0), plain_rows(60, 1), run=folder / "run", resume=True)
    save_tensors(folder / f"final-{rank}.safetensors", system.state_dict())
    world.close()


def begin(folder: Path, name: str, meeting: Path, dies: tuple[int, str] | None = None) -> dict[int, int]:
    """Rank → process number of a start."""
    sys.stdout.flush()
    found = {}
    for rank in range(RANKS):
        process = os.fork()
        if process == 0:
            code, said = 1, open(folder / f"said-{rank}", "w")  # noqa: SIM115  (until the process ends)
            try:
                work(folder, name, rank, meeting, dies)
                code = 0
            except BaseException:  # noqa: BLE001  (for a person to read)
                traceback.print_exc(file=said)
            finally:  # whatever was raised: nothing of the test goes on here
                said.close()
                os._exit(code)
        found[rank] = process
    return found


def codes(processes: dict[int, int]) -> dict[int, int]:
    """Exit codes by rank; a rank that does not end in time has hung, and is ended."""
    found: dict[int, int] = {}
    deadline = time.monotonic() + LIMIT
    while len(found) < len(processes):
        for rank, process in processes.items():
            if rank not in found and (ended := os.waitpid(process, os.WNOHANG))[0]:
                found[rank] = os.waitstatus_to_exitcode(ended[1])
        if time.monotonic() > deadline:
            for rank, process in processes.items():
                if rank not in found:
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                    found[rank] = -99
        time.sleep(0.002)
    return found


def killed(folder: Path, name: str, number: int, rank: int, seconds: float) -> dict[int, int]:
    """A start of which one rank is killed so long after all have met."""
    for each in folder.glob("begun-*"):
        each.unlink()
    processes = begin(folder, name, folder / f"meeting-{number}")
    deadline = time.monotonic() + LIMIT
    while len(list(folder.glob("begun-*"))) < RANKS and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(processes[rank], signal.SIGKILL)
    return codes(processes)


def whole(folder: Path, name: str, number: int) -> float:
    """A start that is left to end; its seconds."""
    begun = time.monotonic()
    found = codes(begin(folder, name, folder / f"meeting-{number}"))
    assert found == dict.fromkeys(range(RANKS), 0), "\n".join((folder / f"said-{rank}").read_text() for rank in range(RANKS))
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_no_run_is_lost_when_random_ranks_are_killed_and_it_ends_with_the_same_weights(tmp_path: Path, name: str) -> None:
    for place in ("whole", "killed"):
        (tmp_path / place).mkdir()
    length = whole(tmp_path / "whole", name, 0)
    expected, moments = load_tensors(tmp_path / "whole/final-0.safetensors"), random.Random(f"{SEED} {name}")
    wanted, kills, writing_one, run = -(-KILLS // len(STRATEGIES)), 0, 0, 0
    while kills < wanted:
        folder, run = tmp_path / f"killed-{run}", run + 1
        folder.mkdir()
        for number in range(8):
            rank = moments.randrange(RANKS)
            found = killed(folder, name, number, rank, moments.uniform(0.0, 0.6) * length)
            others = {each: code for each, code in found.items() if each != rank}
            assert -99 not in found.values(), f"hung after rank {rank} was killed: {found}"
            if found[rank] != -9:
                assert found[rank] == 0, (folder / f"said-{rank}").read_text()
                break  # it had ended before
            kills += 1
            writing_one += any((folder / "run/checkpoints").glob(".*.tmp"))
            assert all(code in (0, 1) for code in others.values()), found
            if kills >= wanted:
                break
        whole(folder, name, 99)
        for rank in range(RANKS):
            ended = load_tensors(folder / f"final-{rank}.safetensors")
            assert all(torch.equal(ended[each], tensor) for each, tensor in expected.items()), f"{folder}: rank {rank}"
        store = CheckpointStore(folder / "run/checkpoints")
        latest = store.latest()
        assert latest is not None and latest.manifest.ranks == RANKS
        assert not list(store.folder.glob(".*")), "nothing half-made is left"
    print(f"{name}: {kills} kills ({writing_one} while a checkpoint was written) of {run} runs: 0 lost, 0 differing", flush=True)


@pytest.mark.parametrize("dies", [(1, "writing_files"), (0, "committing")])
def test_a_rank_that_dies_within_a_save_leaves_the_one_before_to_all(tmp_path: Path, dies: tuple[int, str]) -> None:
    found = codes(begin(tmp_path, "fsdp", tmp_path / "meeting-0", dies))
    assert found[dies[0]] == -9 and found[1 - dies[0]] == 1, found
    said = (tmp_path / f"said-{1 - dies[0]}").read_text()
    assert re.search("another process of this run has ended|Connection (closed|reset)", said), (
        said
    )  # ours, or that of torch's own exchanges
    newest = max(each.step for each in CheckpointStore(tmp_path / "run/checkpoints").list_manifests() if each.kind == "full")
    assert 0 < newest < 10
    for each in tmp_path.glob("first-*"):
        each.unlink()
    whole(tmp_path, "fsdp", 1)
    assert [(tmp_path / f"first-{rank}").read_text() for rank in range(RANKS)] == [str(newest)] * RANKS
