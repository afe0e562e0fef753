from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import SMALL

SOURCE = str(Path(__file__).parents[3] / "src")


@pytest.mark.slow
def test_every_block_compiles_without_a_graph_break_in_evaluation_and_in_training() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")])}
    script = Path(__file__).with_name("compiled.py")
    found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == list(SMALL), found.stderr[-4000:]
