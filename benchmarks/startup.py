"""How long it takes until help is shown, and until the first step of a run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import seconds

TRAINWRIGHT = [sys.executable, "-m", "trainwright.cli.main"]


def first_step() -> float:
    """Seconds from the start of the process to the first step of `trainwright train builtin:iris`, as the run itself records them."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [*TRAINWRIGHT, "train", "builtin:iris", f"run.dir={run}", "trainer.max_epochs=1", "evaluation.baselines=[]"]
        subprocess.run(command, check=True, capture_output=True)
        return float(json.loads((run / "results.json").read_text())["timing"]["startup_seconds"])


def main(runs: int = 7) -> None:
    """Print both."""
    shown = statistics.median(seconds([*TRAINWRIGHT, "--help"]) for _ in range(runs))
    print(f"trainwright --help                       {shown:.3f} s (bar 0.30)")
    torch = [sys.executable, "-c", "import torch"]
    seconds(torch), first_step()
    pairs = [(first_step(), seconds(torch)) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"first step of train builtin:iris         {statistics.median(a for a, _ in pairs):.2f} s")
    print(f"python -c 'import torch'                 {statistics.median(b for _, b in pairs):.2f} s")
    print(f"ratio                                    {ratio:.2f} (bar 2.2)")


if __name__ == "__main__":
    main()
