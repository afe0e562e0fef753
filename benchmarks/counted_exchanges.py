"""The bytes of a real step between gloo processes: what torch is asked to exchange, and what the kernel says that their sockets sent."""

from __future__ import annotations

import os
import socket
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.exchanges import FULL, Layout, Net, Work, by_kind, exchanges_of
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

WIDTH, INNER, BLOCKS, POSITIONS, CLASSES, ROWS = 128, 512, 3, 16, 10, 16
FIRST, STEPS = 3, 4
"""Steps that are not counted, where what is settled once is settled; and those that are."""
PLAN = {"blocks.*.up": "colwise", "blocks.*.down": "rowwise"}
LAYOUTS = {
    "ddp": Layout("ddp", replicate=2),
    "zero": Layout("zero", replicate=2),
    "fsdp": Layout("fsdp", shard=2),
    "tp": Layout("tp", tp=2),
    "fsdp, replicate 2 × shard 2": Layout("fsdp", replicate=2, shard=2),
    "fsdp × tp, shard 2 × tp 2": Layout("fsdp", shard=2, tp=2),
}
KINDS = {
    "allreduce_": "all_reduce",
    "all_reduce": "all_reduce",
    "all_reduce_": "all_reduce",
    "_allgather_base_": "all_gather",
    "allgather_into_tensor_coalesced_": "all_gather",
    "all_gather_into_tensor": "all_gather",
    "_reduce_scatter_base_": "reduce_scatter",
    "reduce_scatter_tensor_coalesced_": "reduce_scatter",
    "reduce_scatter_tensor": "reduce_scatter",
    "broadcast_": "broadcast",
}
"""Operators of torch → what they exchange. Lists of small tensors (`allgather_`) are decisions, which are counted by the kernel alone."""
SENT = 200
"""Where the kernel's `struct tcp_info` has the bytes that were sent, for the first time or again."""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Network(nn.Module):
    """Some blocks of a transformer, without what mixes positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def describe_network() -> Net:
    """The network as the arithmetic sees it."""
    split = 2 * WIDTH * INNER + INNER
    rest = WIDTH * WIDTH + WIDTH + WIDTH * CLASSES + CLASSES
    return Net(BLOCKS, split, 3 * WIDTH, rest, 6 * BLOCKS + 4, WIDTH * INNER, POSITIONS * WIDTH, entries=1, exits=1)


class Asked(TorchDispatchMode):
    """Counts the bytes of whole tensors that torch is asked to exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        given = function(*arguments, **(options or {}))
        kind = KINDS.get(function._opname) if function.namespace in ("c10d", "_c10d_functional") else None
        if kind is not None:
            self.bytes[kind] += max(size_of(arguments[:2]), size_of(given))
        return given


def size_of(value: Any) -> int:
    """Bytes of the largest of the tensors in arguments, those of one list together."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, (list, tuple)):
        sizes = [size_of(each) for each in value]
        return sum(sizes) if all(isinstance(each, Tensor) for each in value) and isinstance(value, list) else max(sizes, default=0)
    return 0


def sent_by_sockets() -> int | None:
    """Bytes that the sockets of this process have sent; None where the kernel does not say."""
    total = 0
    for each in os.listdir("/proc/self/fd") if hasattr(socket, "TCP_INFO") else []:
        try:
            with socket.socket(fileno=os.dup(int(each))) as held:
                found = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:
            continue  # no socket, or of another kind
        if len(found) < SENT + 8:
            return None
        total += struct.unpack_from("Q", found, SENT)[0]
    return total or None


class Count(Callback):
    """What was exchanged from one step to another."""

    every_rank = True

    def __init__(self, asked: Asked) -> None:
        self.asked, self.places = asked, []  # type: ignore[var-annotated]

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step in (FIRST, FIRST + STEPS):
            session.world.barrier()
            self.places.append((Counter(self.asked.bytes), sent_by_sockets()))
            session.world.barrier()


def count_bytes(layout: Layout, rounds: int, world: World, folder: Path) -> dict[str, Any]:
    """Bytes a step: `asked`, of whole tensors by kind, and `sent`, by the sockets of this process."""
    generator = torch.Generator().manual_seed(0)
    rows = TensorRows(
        {
            "input": torch.randn(ROWS, POSITIONS, WIDTH, generator=generator),
            "target": torch.randint(0, CLASSES, (ROWS,), generator=generator),
        }
    )
    torch.manual_seed(0)
    mesh = {name: count for name in ("replicate", "shard", "tp") if (count := getattr(layout, name)) > 1}
    strategy: dict[str, Any] = {"type": layout.kind} | ({"mesh": mesh} if layout.kind in ("fsdp", "tp") else {})
    given = {"batch_size": ROWS, "max_steps": FIRST + STEPS + 1, "log_every": "100 steps", "trackers": [], "early_stopping": None}
    given |= {"strategy": strategy | ({"plan": PLAN} if layout.tp > 1 else {}), "micro_batch_size": ROWS // layout.data_size // rounds}
    with Asked() as asked:
        count = Count(asked)
        trainer = Trainer(TrainerConfig.model_validate(given), device="cpu", callbacks=[count], console=False, world=world)
        trainer.fit(PlainSystem(Network(), ["input"], "cross_entropy", None), rows, run=folder)
    (before, sent), (after, sent_then) = count.places
    found = {kind: (after[kind] - before[kind]) / STEPS for kind in after if after[kind] > before[kind]}
    return {"asked": found, "sent": None if sent is None or sent_then is None else (sent_then - sent) / STEPS}


def compute_bytes(layout: Layout, rounds: int) -> dict[str, Any]:
    """The same by arithmetic."""
    found = exchanges_of(describe_network(), layout, Work(ROWS, rounds, FULL, FULL))
    whole: Counter[str] = Counter()
    for each in found:
        whole[each.kind] += each.whole * each.times
    return {"asked": dict(whole), "sent": sum(by_kind(found, gloo=True).values())}


def compare(names: list[str], rounds: int, ranks: int) -> list[dict[str, Any]]:
    """For each layout what was counted, the mean of the processes, beside what is expected."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parallel"))
    from forked_ranks import on_ranks

    def work(world: Any, folder: Path) -> list[dict[str, Any]]:
        return [count_bytes(LAYOUTS[name], rounds, world, folder / str(place)) for place, name in enumerate(names)]

    with tempfile.TemporaryDirectory() as folder:
        found = on_ranks(Path(folder) / "ranks", work, ranks)
    lines = []
    for name, of_ranks in zip(names, zip(*found, strict=True), strict=True):
        kinds = {kind for each in of_ranks for kind in each["asked"]}
        asked = {kind: sum(each["asked"].get(kind, 0.0) for each in of_ranks) / ranks for kind in sorted(kinds)}
        sent = [each["sent"] for each in of_ranks]
        lines.append({"name": name, "rounds": rounds, "asked": asked, "sent": None if None in sent else sum(sent) / ranks})
        lines[-1]["expected"] = compute_bytes(LAYOUTS[name], rounds)
    return lines
