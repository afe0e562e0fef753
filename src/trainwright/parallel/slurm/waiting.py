"""Waiting for a job until it has ended for good, through all its requeues."""

from __future__ import annotations

import re
import sys
import time

from trainwright.config.errors import EXIT_FAILED, ConfigError
from trainwright.parallel.slurm.asking import ask
from trainwright.parallel.slurm.records import OVER

FIRST, LONGEST = 0.5, 10.0
"""Seconds between two questions: soon for a short job, seldom for a long one."""


def wait_for_job(job: str) -> int:
    """The code that a job ended with: 0 done, else what its script gave, or 1 where Slurm ended it; a signal leaves the job be."""
    told, pause = "", FIRST
    try:
        while True:
            found = show_job(job)
            state = found.get("JobState", "")
            if state and state != told:
                reason = found.get("Reason", "None")
                print(f"job {job}: {state}" + (f" ({reason})" if reason != "None" else ""), file=sys.stderr, flush=True)
                told, pause = state, FIRST
            if state in OVER or not found:
                return ending_code(found)
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST)
    except KeyboardInterrupt:
        print(f"job {job} goes on; scancel {job} ends it", file=sys.stderr)
        return 130


def show_job(job: str) -> dict[str, str]:
    """What the controller says of a job; empty once it has forgotten it. A controller that is away for a while is asked again."""
    for attempt in range(6):
        try:
            text = ask(["scontrol", "-o", "show", "job", job])
        except ConfigError as error:
            if "Invalid job id" in error.why:
                return {}
            if attempt == 5:
                raise
            time.sleep(10)
            continue
        return dict(re.findall(r"(\S+?)=(\S*)", text.splitlines()[0]))
    return {}


def ending_code(found: dict[str, str]) -> int:
    """The code of the command for what a job ended with."""
    code, _, number = found.get("ExitCode", "").partition(":")
    if found.get("JobState") == "COMPLETED":
        return 0
    if code.isdigit() and int(code):
        return int(code)
    return 128 + int(number) if number.isdigit() and int(number) and found.get("JobState") == "FAILED" else EXIT_FAILED
