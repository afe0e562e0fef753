from __future__ import annotations

import subprocess
import sys
import time


def test_a_process_knows_when_it_was_started():
    before = time.time()
    code = "import time; time.sleep(0.3); from trainwright.config.clock import process_start; print(process_start())"
    started = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert before - 0.05 < started < before + 0.25
