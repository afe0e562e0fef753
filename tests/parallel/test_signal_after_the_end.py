"""The early signal of a job that comes while a finished command takes itself apart."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGUSR1))
sys.argv = ["trainwright", "list", "tracker"]
from trainwright.cli.main import main
sys.exit(main())
"""


def test_a_command_that_is_over_ends_with_its_own_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "TRAINWRIGHT_REQUEUES": "USR1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
