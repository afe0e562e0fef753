"""What a model from a config costs beside the same module written by hand: a forward of 20 layers, and the import.

    python -m benchmarks graph

Rounds in which the two take turns; prints the median of the ratios within a round, and the ratio of the fastest rounds, which is the one to
read on a machine that does other things too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainwright.tools.graph import graph

LAYERS, CALLS = 20, 50


class ByHand(nn.Module):
    """Twenty linear layers, each followed by a ReLU, with a skip connection around every fourth, as one writes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.fc0 = nn.Linear(width, width)
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, width)
        self.fc4 = nn.Linear(width, width)
        self.fc5 = nn.Linear(width, width)
        self.fc6 = nn.Linear(width, width)
        self.fc7 = nn.Linear(width, width)
        self.fc8 = nn.Linear(width, width)
        self.fc9 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.fc0(x))
        h = self.act(self.fc1(h))
        h = self.act(self.fc2(h))
        h = self.act(self.fc3(h)) + x
        h = self.act(self.fc4(h))
        h = self.act(self.fc5(h))
        h = self.act(self.fc6(h))
        h = self.act(self.fc7(h)) + x
        h = self.act(self.fc8(h))
        return self.act(self.fc9(h))


def from_nodes(width: int) -> nn.Module:
    """The same, as nodes."""
    nodes: list[object] = []
    for number in range(LAYERS // 2):
        nodes.append({"name": f"fc{number}", "type": "Linear", "args": [width, width]})
        nodes.append({"act": "ReLU"} if number == 0 else {"use": "act", "name": f"a{number}"})
        if number in (3, 7):
            nodes.append({"type": "add", "inputs": [f"a{number}", "x"]})
    return graph(nodes)


def forward_of(model: nn.Module, x: Tensor, gradients: bool) -> Callable[[], None]:
    def run() -> None:
        with torch.set_grad_enabled(gradients):
            for _ in range(CALLS):
                model(x)

    return run


def seconds(run: Callable[[], None]) -> float:
    before = time.perf_counter()
    run()
    return (time.perf_counter() - before) / CALLS


def in_pairs(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per forward of each; who goes first changes with every round."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(-3, rounds):
        pair = {number % 2: seconds(first if number % 2 == 0 else second)}
        pair[1 - number % 2] = seconds(second if number % 2 == 0 else first)
        if number >= 0:
            found[0].append(pair[0])
            found[1].append(pair[1])
    return found


def imported(module: str) -> float:
    """Seconds that a fresh process needs to import it."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--imports", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds of {CALLS} forwards of {LAYERS} layers")
    for width, rows, gradients in ((16, 1, False), (16, 8, True), (64, 32, True)):
        torch.manual_seed(0)
        by_hand = ByHand(width)
        torch.manual_seed(0)
        ours = from_nodes(width)
        x = torch.randn(rows, width)
        assert torch.equal(by_hand(x), ours(x))
        a, b = in_pairs(forward_of(ours, x, gradients), forward_of(by_hand, x, gradients), arguments.rounds)
        ratio = statistics.median(one / other for one, other in zip(a, b, strict=True))
        best = min(a) / min(b)
        where = f"{rows} rows of {width}" + (" with gradients" if gradients else "")
        print(f"  {where:28} {min(b) * 1e6:6.1f} µs by hand; graph / by hand {ratio:.3f}, of the fastest {best:.3f}   (bar: at most 1.03)")
    names = ("torch", "torch, pydantic.main", "trainwright.nn", "trainwright.tools.graph.model")
    times = {name: min(imported(name) for _ in range(arguments.imports)) for name in names}
    for name, each in times.items():
        bar = "   (bar: at most +0.1)" if name == "trainwright.nn" else ""
        print(f"  import {name:28} {each:.3f} s; beyond torch {each - times['torch']:+.3f} s{bar}")


if __name__ == "__main__":
    main()
