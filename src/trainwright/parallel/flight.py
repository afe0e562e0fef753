"""Torch's flight recorder: the last collectives that this process began, kept in memory and written down when a run hangs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch._C import _distributed_c10d as _c10d

RECORDER: Any = _c10d
VARIABLE = "TORCH_FR_BUFFER_SIZE"
ENTRIES = 2000
"""Collectives that are kept, as many as torch's own default for NCCL."""
PREFIX = "flight_rank_"
"""What the files begin with: `python -m torch.distributed.flight_recorder.fr_trace FOLDER -p flight_rank_` reads all of them together."""


def switch_on() -> None:
    """Let process groups that are made from here on record; a person's own setting of torch's variable wins."""
    os.environ.setdefault(VARIABLE, str(ENTRIES))


def list_recorded() -> list[dict[str, Any]]:
    """The collectives that were begun, oldest first, each as torch describes it; none where it is switched off."""
    if os.environ.get(VARIABLE, "0") == "0":
        return []
    found = json.loads(RECORDER._dump_fr_trace_json(True, False)).get("entries", [])
    return sorted(found, key=lambda each: each["record_id"])


def describe_last() -> str:
    """How many collectives this process began, and the last one."""
    entries = list_recorded()
    if not entries:
        return "no collective"
    last = entries[-1]
    return f"{last['record_id'] + 1} collectives, the last one {last['profiling_name']} of {last['input_sizes']}"


def write_flight(folder: Path, rank: int) -> None:
    """Write what is recorded for torch's analyzer, a file of each rank."""
    if os.environ.get(VARIABLE, "0") != "0":
        (folder / f"{PREFIX}{rank}").write_bytes(RECORDER._dump_fr_trace(True, True, False))
