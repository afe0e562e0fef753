"""What devices can do: dense matrix FLOP/s by device and number format, from their makers' data sheets; a CPU is measured.

Tensor cores count with float32 accumulation, without sparsity, at boost clock, as the data sheets state them.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import torch

T = 1e12


class Peak(NamedTuple):
    """FLOP/s of one device: those of `words` must all be in its name. None where the format has no units of its own."""

    words: str
    fp32: float
    tf32: float | None
    half: float | None
    """float16, and bfloat16 where `bf16`."""
    bf16: bool
    source: str


PEAKS: tuple[Peak, ...] = (
    Peak("b200", 75 * T, 1125 * T, 2250 * T, True, "NVIDIA HGX B200 data sheet, an eighth of eight"),
    Peak("h200", 67 * T, 494.5 * T, 989.5 * T, True, "NVIDIA H200 data sheet, SXM"),
    Peak("h200 nvl", 60 * T, 417.5 * T, 835.5 * T, True, "NVIDIA H200 data sheet, NVL"),
    Peak("h100", 66.9 * T, 494.7 * T, 989.4 * T, True, "NVIDIA H100 architecture paper, SXM5"),
    Peak("h100 pcie", 51.2 * T, 378 * T, 756 * T, True, "NVIDIA H100 architecture paper, PCIe"),
    Peak("h100 nvl", 60 * T, 417.5 * T, 835.5 * T, True, "NVIDIA H100 NVL data sheet"),
    Peak("a100", 19.5 * T, 156 * T, 312 * T, True, "NVIDIA A100 data sheet"),
    Peak("a30", 10.3 * T, 82 * T, 165 * T, True, "NVIDIA A30 data sheet"),
    Peak("a40", 37.4 * T, 74.8 * T, 149.7 * T, True, "NVIDIA A40 data sheet"),
    Peak("a10", 31.2 * T, 62.5 * T, 125 * T, True, "NVIDIA A10 data sheet"),
    Peak("a6000", 38.7 * T, 77.4 * T, 154.8 * T, True, "NVIDIA GA102 architecture paper, RTX A6000"),
    Peak("rtx 6000 ada", 91.1 * T, 182.1 * T, 364.2 * T, True, "NVIDIA Ada architecture paper, RTX 6000"),
    Peak("l4", 30.3 * T, 60 * T, 121 * T, True, "NVIDIA L4 data sheet"),
    Peak("l40", 90.5 * T, 90.5 * T, 181.05 * T, True, "NVIDIA L40 data sheet"),
    Peak("l40s", 91.6 * T, 183 * T, 362.05 * T, True, "NVIDIA L40S data sheet"),
    Peak("t4", 8.1 * T, None, 65 * T, False, "NVIDIA T4 data sheet"),
    Peak("v100", 15.7 * T, None, 125 * T, False, "NVIDIA V100 data sheet, SXM2"),
    Peak("v100 pcie", 14 * T, None, 112 * T, False, "NVIDIA V100 data sheet, PCIe"),
    Peak("rtx 3080", 29.8 * T, 29.8 * T, 59.5 * T, True, "NVIDIA GA102 architecture paper"),
    Peak("rtx 3090", 35.6 * T, 35.6 * T, 71 * T, True, "NVIDIA GA102 architecture paper"),
    Peak("rtx 4080", 48.7 * T, 48.7 * T, 97.5 * T, True, "NVIDIA Ada architecture paper"),
    Peak("rtx 4090", 82.6 * T, 82.6 * T, 165.2 * T, True, "NVIDIA Ada architecture paper"),
    Peak("rtx 5090", 104.8 * T, 104.8 * T, 209.5 * T, True, "NVIDIA RTX Blackwell architecture paper"),
    Peak("mi300x", 163.4 * T, 653.7 * T, 1307.4 * T, True, "AMD Instinct MI300X data sheet"),
)

OTHER = {"ti", "super", "laptop", "mobile", "max", "d", "mig", "nvl", "pcie"}
"""Words that make another device of the same number; one that the table does not have is not known."""


def peak_of(name: str, precision: str) -> float | None:
    """FLOP/s of the device called `name` at `fp32`, `tf32`, `bf16` or `fp16`; None when it is not in the table."""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    fitting = [peak for peak in PEAKS if set(peak.words.split()) <= words]
    if not fitting:
        return None
    closest = max(fitting, key=lambda peak: len(peak.words.split()))
    others = (words & OTHER) - set(closest.words.split())
    if others - {"pcie"} or ("pcie" in others and any(peak.words == f"{closest.words} pcie" for peak in PEAKS)):
        return None
    if precision == "bf16" and not closest.bf16:
        return None
    return {"fp32": closest.fp32, "tf32": closest.tf32, "bf16": closest.half, "fp16": closest.half}[precision]


def measured_peak(precision: str, size: int = 1024, seconds: float = 0.2) -> float:
    """FLOP/s of a matrix product on this CPU, the best of several, with the threads there are; draws no random number."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    fastest, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < seconds or fastest == float("inf"):
        before = time.perf_counter()
        torch.mm(left, right)
        fastest = min(fastest, time.perf_counter() - before)
    return 2 * size**3 / fastest
