"""A program of a person's own that a signal ends while it trains has the exit code that the command has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
import torch
import trainwright as tw
from trainwright.config.errors import Interrupted

class Ends(tw.Callback):
    def on_train_batch_end(self, session, system, batch, index):
        if session.step == 1:
            os.kill(os.getpid(), getattr(signal, sys.argv[1]))

x = torch.randn(64, 4)
asked = {"loss": "cross_entropy", "max_steps": 6, "batch_size": 8, "console": False, "run_dir": "r", "callbacks": [Ends()]}
if sys.argv[2] == "caught":
    try:
        tw.fit(torch.nn.Linear(4, 2), (x, torch.arange(64) % 2), **asked)
    except Interrupted as error:
        raise ValueError("of my own") from error
tw.fit(torch.nn.Linear(4, 2), (x, torch.arange(64) % 2), **asked)
"""


@pytest.mark.parametrize(("signal", "caught", "code"), [("SIGTERM", "not", 75), ("SIGINT", "caught", 1)])
def test_a_signal_ends_a_program_with_the_promised_code(tmp_path: Path, signal: str, caught: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, signal, caught], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "r" / "checkpoints" / "last").exists()
    if code == 75:
        assert "interrupted: " in done.stderr
        assert "resume=True" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert "ValueError: of my own" in done.stderr
