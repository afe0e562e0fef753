"""Processes find each other, or are told who is missing; before a run begins they compare what they were given."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from forked_ranks import on_ranks

from trainwright.api.ranks import preparing
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.config.once import once_per_machine
from trainwright.engine.device import find_device
from trainwright.parallel.handshake import check_shared, compare
from trainwright.parallel.joining import join_world, set_debug
from trainwright.parallel.launched import Launched
from trainwright.parallel.launchers.local import LocalOptions
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.listeners import who_listens
from trainwright.parallel.meeting import on_one_machine, open_store
from trainwright.parallel.shares import threads_each
from trainwright.parallel.world import World

SECOND = Launched(1, 2, 1, "torchrun", "WORLD_SIZE")
FIRST = Launched(0, 2, 0, "torchrun", "WORLD_SIZE")


def refusal(found: Launched, init: str = "env") -> str:
    with pytest.raises(ConfigError) as caught:
        open_store(found, init, 1.0)
    assert caught.value.fix
    return str(caught.value)


def test_a_process_that_is_alone_is_told_who_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(FIRST, f"file://{tmp_path}/meeting")
    assert "1 of 2 ranks arrived in 1 s (missing: rank 1)" in said
    assert "WORLD_SIZE=2" in said
    assert "this process is alone" in said
    for name in ("MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert "MASTER_ADDR is not set" in refusal(FIRST)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    assert "rank 0 was not found in 1 s" in refusal(SECOND)
    monkeypatch.setenv("MASTER_PORT", "x")
    assert "MASTER_PORT=x is not a whole number" in refusal(SECOND)


def test_a_port_in_use_is_named_with_who_has_it() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(FIRST, f"tcp://127.0.0.1:{port}")
    assert f"port {port} is in use" in said
    assert f"process {os.getpid()} " in said
    assert who_listens(port) == ""


def test_a_file_of_an_earlier_meeting_and_one_that_cannot_be_are_refused(tmp_path: Path) -> None:
    old = tmp_path / "meeting"
    old.write_text("x")
    os.utime(old, (time.time() - 5000, time.time() - 5000))
    assert "from an earlier meeting" in refusal(FIRST, f"file://{old}")
    assert "cannot meet" in refusal(FIRST, f"file://{tmp_path}/none/meeting")


@pytest.mark.parametrize("init", ["tcp://host", "file://", "file:x", "https://a:1", "", "tcp://h:1/x"])
def test_a_place_where_none_can_meet_is_refused(init: str) -> None:
    with pytest.raises(ValueError, match="is no place where processes can meet"):
        LaunchOptions(init=init)


@pytest.mark.parametrize(
    ("environment", "one"),
    [
        ({"SLURM_STEP_NUM_NODES": "1"}, True),
        ({"SLURM_STEP_NUM_NODES": "2", "SLURM_NNODES": "1"}, False),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_COMM_WORLD_SIZE": "4"}, False),
        ({"MPI_LOCALNRANKS": "2", "PMI_SIZE": "2"}, True),
        ({}, False),
    ],
)
def test_processes_of_one_machine_need_no_address(environment: dict[str, str], one: bool) -> None:
    assert on_one_machine(environment) == one


def test_each_start_of_a_job_meets_in_a_file_of_its_own_though_another_had_its_number(tmp_path: Path) -> None:
    told = "import os; from trainwright.parallel.meeting import _own_file; print(_own_file(os.environ))"
    task = f'"{sys.executable}" -c "{told}"'
    starter = tmp_path / "slurmstepd"
    starter.write_text(f"#!/bin/sh\n{task}\nsh -c '{task}; :'\n")  # a task, and one behind a shell
    starter.chmod(0o755)
    job = {**os.environ, "SLURM_JOB_ID": "6", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_NODES": "1"}
    starts = [subprocess.run([starter], env=job, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)]
    assert all(len(files) == 2 and len(set(files)) == 1 for files in starts)
    assert starts[0] != starts[1]


def test_the_processors_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.parallel.shares.cores", lambda: 8)
    assert [threads_each(size) for size in (1, 2, 3, 16)] == [8, 4, 2, 1]
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert threads_each(2) == 6


def test_what_was_to_start_processes_and_did_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="nothing has started several processes"):
        join_world(LaunchOptions(type="external"))
    assert join_world(LaunchOptions()).size == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match="torchrun has started 2 processes already"):
        join_world(LocalOptions(type="local"))


@pytest.mark.parametrize(
    ("device", "gpus", "said"),
    [
        ("auto", 1, "2 ranks on this machine, 1 GPU visible (CUDA_VISIBLE_DEVICES=0)"),
        ("cuda", 1, "2 ranks on this machine, 1 GPU visible"),
        ("cuda:1", 2, "2 ranks on this machine cannot share 'cuda:1'"),
        ("mps", 2, "cannot share 'mps'"),
    ],
)
def test_ranks_that_have_no_gpu_of_their_own_are_told_so(device: str, gpus: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    world = World()
    world.local_size, world.gpu = 2, 1
    with pytest.raises(ConfigError) as raised:
        find_device(device, world)
    assert said in str(raised.value)
    assert find_device("cpu", world) == torch.device("cpu")


def test_torch_speaks_of_collectives_as_much_as_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_DISTRIBUTED_DEBUG", "TORCH_CPP_LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    set_debug("info")
    assert dist.get_debug_level() == dist.DebugLevel.INFO  # type: ignore[attr-defined]
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "OFF")
    dist.set_debug_level_from_env()  # type: ignore[attr-defined]


def data_prepared(world: World, folder: Path) -> tuple[int, int]:
    """How often this process did what is done once on a machine, and how many had been when it went on."""
    done: list[int] = []
    with preparing(world):
        once_per_machine(lambda: done.append((folder / "data").write_text("downloaded")))
        seen = (folder / "data").is_file()
    once_per_machine(lambda: done.append(0))  # afterwards each does it by itself: the others may never come
    return len(done), seen


def test_data_are_prepared_by_the_first_rank_of_a_machine_while_the_others_wait(tmp_path: Path) -> None:
    assert on_ranks(tmp_path / "r", data_prepared) == [(2, True), (1, True)]


def said_of(work: Any) -> str:
    try:
        work()
    except TrainwrightError as error:
        return str(error)
    return ""


def comparisons(world: World, folder: Path) -> list[str]:
    """What is said of facts that differ on rank 1 by each of the ways, and of a directory that it does not see."""
    other = world.rank == 1
    here = folder / ("other" if other else "shared")
    here.mkdir(exist_ok=True)
    (folder / "seen").mkdir(exist_ok=True)
    same = {"version of torch": "2.13", "rows of train": 105}
    found = [
        said_of(lambda: compare(world, same, {"parameters": ["a (2,)"]})),
        said_of(lambda: compare(world, {**same, "rows of train": 105 - other})),
        said_of(lambda: compare(world, {**same, **({"config run.seed": "1"} if other else {})})),
        said_of(lambda: compare(world, same, {"parameters": ["a (2,)", *(["b (3,)"] if other else [])]})),
        said_of(lambda: check_shared(world, folder / "seen")),
    ]
    world.barrier()
    return [*found, said_of(lambda: check_shared(world, here)), str(sorted(each.name for each in (folder / "shared").iterdir()))]


def test_ranks_that_were_given_different_things_are_told_by_rank_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainwright.parallel.handshake.SEEN_WITHIN", 0.2)
    first, second = on_ranks(tmp_path / "r", comparisons)
    assert first[:5] == second[:5]
    alike, rows, setting, parameters, seen, blind, left = first
    assert (alike, seen, left) == ("", "", "[]")
    assert "rank 1 was not given what rank 0 was: rows of train differs" in rows
    assert "is 104 there, and 105 on rank 0" in rows
    assert "config run.seed is 1 there, and missing on rank 0" in setting
    assert "parameters is b (3,) there, and nothing on rank 0" in parameters
    assert "does not see the directory of the run" in blind
    assert "rank 1" in blind
