from __future__ import annotations

import subprocess
import sys
import time

import pytest

from trainwright.config.clock import process_seconds


def test_a_process_knows_how_long_it_has_run() -> None:
    code = "import time; time.sleep(0.3); from trainwright.config.clock import process_seconds; print(process_seconds())"
    before = time.perf_counter()
    seconds = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0.3 <= seconds < time.perf_counter() - before + 0.05


def test_a_clock_that_is_set_changes_no_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    first = process_seconds()
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert first <= process_seconds() < first + 60
