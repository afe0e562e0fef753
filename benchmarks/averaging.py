"""What a moving average of the weights costs: 200 tensors of 64 × 64 beside a loop over them, and steps with it beside steps without.

    python -m benchmarks averaging

Prints medians over rounds in which the ways take turns, the median of the ratios within a round, and the ratio of the fastest rounds, which
is the one to read on a machine that does other things too.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from trainwright.optim.average_options import EMAOptions
from trainwright.optim.averages import Averages
from trainwright.optim.model_average import ema_update
from trainwright.optim.schedules.base import Extent

TENSORS, SIZE, DECAY = 200, 64, 0.999
ROWS, BATCH = 1797, 64
OURS = "a run's"


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.ParameterList(torch.randn(SIZE, SIZE) for _ in range(TENSORS))


def averages_of(system: nn.Module) -> Averages:
    return Averages(EMAOptions(decay=[DECAY]), None, system, Extent(1, None))


@torch.no_grad()
def tensor_by_tensor(system: nn.Module, averaged: nn.Module) -> None:
    """As it is usually written, with the parameters at hand."""
    for average, value in zip(averaged.parameters(), system.parameters(), strict=True):
        average.mul_(DECAY).add_(value, alpha=1 - DECAY)


@torch.no_grad()
def by_name(system: nn.Module, averaged: nn.Module) -> None:
    """As it is usually written, with names checked and buffers copied."""
    values, averages = dict(system.named_parameters()), dict(averaged.named_parameters())
    assert values.keys() == averages.keys()
    for name, value in values.items():
        averages[name].mul_(DECAY).add_(value, alpha=1 - DECAY)
    for name, buffer in system.named_buffers():
        dict(averaged.named_buffers())[name].copy_(buffer)


def ways(device: torch.device) -> dict[str, Callable[[], None]]:
    """Every way to update an average of the 200 tensors, each with its own."""
    systems = [model().to(device) for _ in range(4)]
    twins = [copy.deepcopy(each) for each in systems]
    averages = averages_of(systems[3])
    return {
        "tensor by tensor": lambda: tensor_by_tensor(systems[0], twins[0]),
        "by name": lambda: by_name(systems[1], twins[1]),
        "ema_update": lambda: ema_update(systems[2], twins[2], DECAY),
        OURS: lambda: averages.update(10**6),
    }


def steps(averaging: bool, device: torch.device) -> Callable[[], None]:
    """An epoch of the best loop on Digits-like rows, with a run's average or without."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    x, y = torch.rand(ROWS, 64, device=device), torch.randint(0, 10, (ROWS,), device=device)
    averages = averages_of(net) if averaging else None
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    step = 0

    def epoch() -> None:
        nonlocal step
        order = torch.randperm(ROWS, device=device)
        for start in range(0, ROWS, BATCH):
            rows = order[start : start + BATCH]
            functional.cross_entropy(net(x.index_select(0, rows)), y.index_select(0, rows)).backward()
            optimizer.step()
            step += 1
            if averages is not None:
                averages.update(step)
            optimizer.zero_grad(set_to_none=True)

    return epoch


def in_turns(given: dict[str, Callable[[], None]], rounds: int, calls: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds per call of each, round by round, from `calls` in a row."""
    found: dict[str, list[float]] = {name: [] for name in given}
    for number in range(-2, rounds):
        for name, call in given.items():
            before = time.perf_counter()
            for _ in range(calls):
                call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number >= 0:
                found[name].append((time.perf_counter() - before) / calls)
    return found


def ratio(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} thread(s), {arguments.rounds} rounds")
    seconds = in_turns(ways(device), arguments.rounds, 10, device)
    for name, each in seconds.items():
        print(
            f"  {name:18} {statistics.median(each) * 1e6:7.1f} µs for {TENSORS} tensors of {SIZE} × {SIZE} (fastest {min(each) * 1e6:.1f})"
        )
    for other in ("tensor by tensor", "by name"):
        for ours, bar in ((OURS, "   (bar: at least 6)"), ("ema_update", "")):
            best = min(seconds[other]) / min(seconds[ours])
            print(f"  {other:18} / {ours:10}  {ratio(seconds[other], seconds[ours]):5.2f}, of the fastest {best:5.2f}{bar}")
    epochs = in_turns({"with": steps(True, device), "without": steps(False, device)}, arguments.rounds, 1, device)
    print(f"  best loop with the average / without: {ratio(epochs['with'], epochs['without']):.3f}")


if __name__ == "__main__":
    main()
