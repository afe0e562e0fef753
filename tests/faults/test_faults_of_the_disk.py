"""A disk that is full, fails or is slow to answer; a clock that goes backwards; death at every call of a save."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fault_disk import is_whole, step_saved
from fault_runs import KINDS, killed_at_call

from fork_server import fork_server
from trainwright.checkpoint.manifest import Damaged, verify
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import RunError
from trainwright.tracking.csv import read_rows

CALLS = ["open", "fsync", "rename", "mkdir", "replace", "symlink", "unlink", "rmdir"]


@pytest.mark.slow
def test_death_at_every_call_of_a_save_leaves_whole_checkpoints(tmp_path: Path) -> None:
    context = fork_server()
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        for step, value in ((1, 1.0), (2, 2.0)):
            folder.mkdir(exist_ok=True)
            step_saved(folder, step, value)
        process = context.Process(target=killed_at_call, args=(str(folder), number, CALLS))
        process.start()
        process.join()
        store = CheckpointStore(folder)
        store.prepare()
        found = is_whole(store)
        assert found in ({1: 1.0, 2: 2.0}, {1: 1.0, 2: 7.0}), number
        latest = store.latest()
        assert latest is not None
        assert latest.manifest.step == 2
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
    print(f"{number - 1} deaths, one at each call of a save: none lost")
    assert number > 15


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_an_error_at_every_call_of_a_save_leaves_whole_checkpoints(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        step_saved(folder, 1, 1.0)
        step_saved(folder, 2, 2.0)
        left = number

        def failing(original: Any) -> Any:
            def call(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    raise OSError(code, os.strerror(code))
                return original(*arguments, **more)

            return call

        with monkeypatch.context() as patch:
            for name in ("fsync", "rename", "mkdir", "replace"):
                patch.setattr(os, name, failing(getattr(os, name)))
            try:
                step_saved(folder, 2, 7.0)
            except OSError as error:
                assert error.errno == code
        store = CheckpointStore(folder)
        store.prepare()
        assert is_whole(store) in ({1: 1.0, 2: 2.0}, {1: 1.0, 2: 7.0}), number
        if left > 0:
            break
    assert number > 8


def test_every_byte_flipped_and_every_truncation_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    folder = step_saved(tmp_path, 3, 1.5).folder / "step-00000003"
    tried = 0
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for place in range(len(content)):
            for damaged in (content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :], content[:place]):
                tried += 1
                file.write_bytes(damaged)
                with pytest.raises((Damaged, RunError)):
                    verify(folder)
        file.write_bytes(content)
    assert verify(folder).step == 3
    print(f"{tried} damages of one checkpoint, a flipped bit in every byte and every length: all noticed")


def outcome(folder: Path) -> tuple[bytes, Any]:
    rows = [{name: value for name, value in row.items() if name not in ("seconds", "samples_per_second")} for row in table(folder)]
    return (folder / "final.safetensors").read_bytes(), rows


def table(folder: Path) -> list[dict[str, float]]:
    return read_rows(folder / "metrics.csv")


@pytest.mark.parametrize("kind", ["batch norm, dropout", "in the background"])
def test_failing_syncs_lose_checkpoints_and_nothing_else(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trainwright.engine.saving.writing.SMALL", 8 << 20)
    KINDS[kind](tmp_path / "whole")
    calls, sync = itertools.count(), os.fsync

    def sometimes(descriptor: int) -> None:
        if next(calls) % 7 == 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sometimes)
        KINDS[kind](tmp_path / "run")
    assert "Input/output error; the ones before are untouched, training goes on" in caplog.text
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    for path in (tmp_path / "run/checkpoints").glob("step-*"):
        verify(path)


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fault_runs import perceptron, plain_rows, train

    often = {"evaluate_every": "0.02 s", "checkpoint": {"every": "0.01 s", "min_interval": "0.01 s"}, "max_time": "1 h"}
    now = time.time()
    clock = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now - 1000.0 * next(clock))
        train(tmp_path / "back", perceptron(True, 0.2), plain_rows, **often)
        KINDS["batch norm, dropout"](tmp_path / "counted")
    KINDS["batch norm, dropout"](tmp_path / "whole")
    assert outcome(tmp_path / "counted") == outcome(tmp_path / "whole")
    assert json.loads((tmp_path / "back/outcome.json").read_text())["steps"] == 8 * 13
    assert (tmp_path / "back/final.safetensors").is_file()
    assert len(list((tmp_path / "back/checkpoints").glob("step-*"))) >= 2


FULL = """
import logging, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
logging.basicConfig(level=logging.WARNING)
from fault_runs import perceptron, plain_rows, train
folder = Path({place!r}) / "run"
filler = Path({place!r}) / "filler"

from trainwright.engine.callbacks import Callback

class Fills(Callback):
    def on_train_batch_end(self, session, *more):
        if session.step == 42:
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"0" * 4096)
                except OSError as error:
                    print("really", error.strerror)
        if session.step == 71:
            filler.unlink()

import trainwright.engine.trainer as trainer
made = trainer.Trainer.__init__
def with_filler(self, *arguments, **options):
    made(self, *arguments, callbacks=[Fills()], **options)
trainer.Trainer.__init__ = with_filler
train(folder, perceptron(True, 0.2), plain_rows)
print(sorted(path.name for path in (folder / "checkpoints").glob("step-*")))
print((folder / "final.safetensors").read_bytes().hex())
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("unshare") is None, reason="a disk of one's own needs Linux and unshare")
def test_a_disk_that_is_really_full_is_named_and_training_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    own = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=512k tmpfs {place}"
    if subprocess.run([*own, mount], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own")
    script = tmp_path / "full.py"
    script.write_text(FULL.format(tests=str(Path(__file__).parent), place=str(place)))
    run = subprocess.run([*own, f"{mount} && exec {sys.executable} {script}"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert said[0] == "really No space left on device"
    assert "no checkpoint at step 45: No space left on device; the ones before are untouched, training goes on" in run.stderr
    assert "no checkpoint at step 75" not in run.stderr
    KINDS["batch norm, dropout"](tmp_path / "whole")
    assert said[1] == str(sorted(path.name for path in (tmp_path / "whole/checkpoints").glob("step-*")))
    assert said[2] == (tmp_path / "whole/final.safetensors").read_bytes().hex()
