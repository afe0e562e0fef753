"""What a step costs on 8 and on 512 GPUs, by arithmetic: bytes, flops, memory, what hides behind what, and where each strategy breaks.

    python -m benchmarks.scale --table            # the tables of docs/scale.md alone
    python -m benchmarks.scale                    # and the bytes counted on two gloo processes, beside those of the same arithmetic
    python -m benchmarks.scale --table --between 25e9 --memory 140e9 --gpus 64 1024

No GPU is asked: what a card and its links reach are assumptions, each of them an option. The bytes are not: they are counted.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import ceil, gcd, inf

from benchmarks.exchanges import FULL, HALF, Exchange, Layout, Net, Work, by_kind, exchanges_of

STATE = 8
"""Bytes of AdamW's state of a parameter."""
BAR = 0.05
"""How far counted bytes may be from expected ones."""
EXCHANGES = ("all_reduce", "reduce_scatter", "all_gather", "broadcast")
EXCHANGED = ["GPUs", "strategy", "mesh", "rows × rounds", *(each.replace("_", "-") for each in EXCHANGES), "TFLOP"]
HELD = {
    "weights": "weights",
    "gradients": "gradients",
    "state": "state of the optimizer",
    "passing": "for a while",
    "activations": "activations",
}
SEARCHED = [2**power for power in range(3, 15)]


@dataclass(frozen=True)
class Transformer:
    """A decoder with separate layers for queries, keys and values, as a plan of `tp` needs them."""

    name: str
    blocks: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    positions: int
    rows: int
    """Of a step, over all processes."""
    gated: bool
    biases: bool
    tied: bool
    """Whether the head is the embedding; positions are learned then too."""

    @property
    def net(self) -> Net:
        wide, inner = self.width, self.inner
        layers = 3 if self.gated else 2
        split = 4 * wide * wide + layers * wide * inner + self.biases * (3 * wide + inner)
        whole = 2 * wide * (1 + self.biases) + self.biases * 2 * wide
        table = self.vocabulary * wide
        rest = table + (self.positions * wide if self.tied else table) + wide * (1 + self.biases)
        tensors = self.blocks * (4 + layers + 2) * (1 + self.biases) + 3 + self.biases
        return Net(self.blocks, split, whole, rest, tensors, table, self.positions * wide, entries=3 + layers - 1, exits=2)

    def flops(self, rows: float, tp: int = 1) -> float:
        """Forward and backward pass of one process: 6 for each value of a weight and position, 12 × width × positions for attention."""
        values = self.blocks * self.net.block(tp) + self.vocabulary * self.width
        attention = 12 * self.blocks * self.width * self.positions / tp
        return rows * self.positions * (6 * values + attention)

    def activations(self, tp: int) -> float:
        """Bytes that the backward pass of one row needs, in bfloat16 and without the scores of attention (Korthikanti et al. 2022, §4)."""
        layers = self.blocks * self.positions * self.width * (10 + 24 / tp)
        return layers + 10 * self.positions * self.vocabulary  # logits: bfloat16, float32, and their gradient


SMALL = Transformer("124 M", 12, 768, 3072, 12, 50257, 1024, 512, gated=False, biases=True, tied=True)
LARGE = Transformer("7 B", 32, 4096, 11008, 32, 32000, 4096, 1024, gated=True, biases=False, tied=False)


@dataclass(frozen=True)
class Machine:
    """What a GPU and its links are taken to reach, in flops, bytes and seconds."""

    flops: float = 4e14
    inside: float = 4e11
    between: float = 4.5e10
    latency: float = 5e-6
    memory: float = 8e10
    node: int = 8

    def seconds(self, exchange: Exchange) -> float:
        """A ring: as fast as its slowest link, and every message waits for the one before it."""
        if exchange.among * exchange.stride <= self.node:
            speed = self.inside
        else:
            speed = min(self.inside, self.between * max(1, self.node // exchange.stride))  # that many ranks share the links of a machine
        return exchange.sent() / speed + exchange.hops * self.latency


@dataclass(frozen=True)
class Step:
    """A step of one strategy on so many GPUs; seconds, bytes and flops of one of them."""

    layout: Layout
    work: Work
    exchanges: list[Exchange]
    flops: float
    memory: dict[str, float]
    compute: float
    exchange: float
    total: float
    ideal: float
    breaks: list[str]

    @property
    def hidden(self) -> float:
        return self.compute + self.exchange - self.total

    @property
    def share(self) -> float:
        """Of the time of a step without exchanges, evenly dealt."""
        return self.ideal / self.total


def layouts(model: Transformer, size: int) -> dict[str, Layout]:
    """The strategies on so many GPUs, by the name that the tables have."""
    tp = gcd(model.heads, 8)
    both = 2 if size <= 8 else tp
    return {
        "ddp": Layout("ddp", replicate=size),
        "zero": Layout("zero", replicate=size),
        "fsdp": Layout("fsdp", shard=size),
        **({"fsdp in replicas": Layout("fsdp", replicate=size // 8, shard=8)} if size > 8 else {}),
        "tp": Layout("tp", replicate=max(1, size // tp), tp=tp),
        "fsdp × tp": Layout("fsdp", shard=size // both, tp=both),
    }


def memory_of(model: Transformer, layout: Layout, piece: int) -> dict[str, float]:
    """Bytes of one GPU, of the one that has most."""
    net = model.net
    held = net.held(layout.tp)
    part = held / layout.shard
    state = STATE * (max(held / layout.replicate, net.largest) if layout.kind == "zero" else part)
    if layout.kind == "fsdp":
        block = net.block(layout.tp)
        passing = 2 * HALF * block + (HALF + FULL) * block + 2 * FULL * net.rest  # a group in use, the next one, gradients, the rest
    else:
        again = FULL if layout.replicate > 1 else 0  # gradients side by side, as they are exchanged
        passing = (HALF + again) * held
    found = {"weights": FULL * part, "gradients": FULL * part, "state": state, "passing": passing}
    return found | {"activations": piece * model.activations(layout.tp)}


def largest_piece(model: Transformer, layout: Layout, rows: int, machine: Machine) -> int:
    """The most rows that fit at once, a power of two; 1 where none does."""
    piece = 1
    while 2 * piece <= rows and sum(memory_of(model, layout, 2 * piece).values()) <= machine.memory:
        piece *= 2
    return piece


def step_of(model: Transformer, layout: Layout, machine: Machine) -> Step:
    """The step of a strategy, with what is wrong with it."""
    mine = ceil(model.rows / layout.data_size)
    piece = largest_piece(model, layout, mine, machine)
    rounds = ceil(mine / piece)
    work = Work(mine * layout.data_size, rounds, HALF, HALF)
    found = exchanges_of(model.net, layout, work)
    flops = model.flops(mine, layout.tp)
    compute, exchange = flops / machine.flops, sum(machine.seconds(each) for each in found)
    total = with_groups(model, layout, work, machine, compute) if layout.kind == "fsdp" else compute + exchange
    ideal = model.flops(model.rows) / layout.size / machine.flops
    made = Step(layout, work, found, flops, memory_of(model, layout, piece), compute, exchange, total, ideal, [])
    made.breaks.extend(breaks_of(model, made, machine))
    return made


def with_groups(model: Transformer, layout: Layout, work: Work, machine: Machine, compute: float) -> float:
    """Seconds of a step of `fsdp`: while a block computes, the next is gathered and gradients of the one before are on their way."""
    net, found = model.net, exchanges_of(model.net, layout, work)
    gather, reduce = once(found, "block", machine)
    gather_rest, reduce_rest = once(found, "rest", machine)
    waits = sum(machine.seconds(each) for each in found if each.part == "all")
    busy = (compute + waits) / work.rounds
    values = net.blocks * net.block(layout.tp)
    block = busy * values / (values + model.vocabulary * model.width) / net.blocks
    ahead = gather_rest + gather + (net.blocks - 1) * max(block / 3, gather) + block / 3
    back = gather_rest + gather + (net.blocks - 1) * max(block * 2 / 3, gather) + block * 2 / 3
    last = gather_rest + gather + (net.blocks - 1) * max(block * 2 / 3, gather + reduce) + block * 2 / 3 + reduce + reduce_rest
    return work.rounds * (busy - block * net.blocks + ahead) + (work.rounds - 1) * back + last


def once(exchanges: list[Exchange], part: str, machine: Machine) -> tuple[float, float]:
    """Seconds to gather a block, or what is outside of blocks, and to sum its gradients."""
    seconds = {True: 0.0, False: 0.0}
    for each in exchanges:
        if each.part == part:
            seconds[each.kind == "all_gather"] += machine.seconds(each) / each.times
    return seconds[True], seconds[False]


def breaks_of(model: Transformer, step: Step, machine: Machine) -> list[str]:
    """Why this is not the strategy to take, in words; nothing where it is."""
    found, layout = [], step.layout
    need = sum(step.memory.values())
    if need > machine.memory:
        most = max(step.memory, key=lambda each: step.memory[each])
        found.append(f"does not fit: {need / 1e9:.0f} of {machine.memory / 1e9:.0f} GB, {HELD[most]} {step.memory[most] / 1e9:.0f}")
    if layout.data_size > model.rows:
        found.append(f"{layout.data_size - model.rows} shares have no row")
    if layout.kind == "zero" and layout.replicate > model.net.tensors:
        found.append(f"{layout.replicate - model.net.tensors} processes own no parameter, as whole ones are dealt")
    if step.share < 0.5:
        waits, slowest = step.total - step.compute, max(step.exchanges, key=machine.seconds)
        found.append(f"waits {waits / step.total:.0%} of the step, most for {slowest.what} ({slowest.kind.replace('_', '-')})")
    if step.share < 0.5 and step.compute > 1.25 * step.ideal:
        found.append(f"computes {step.compute / step.ideal:.1f} times the ideal: what `tp` does not split")
    return found


def usable(model: Transformer, name: str, machine: Machine) -> str:
    """The numbers of GPUs at which a strategy fits and spends half of its time or more on the ideal step."""
    found = {size: layouts(model, size).get(name) for size in SEARCHED}
    good = [size for size, layout in found.items() if layout is not None and not step_of(model, layout, machine).breaks]
    return f"{good[0]:,}–{good[-1]:,}" if len(good) > 1 else f"{good[0]:,}" if good else "none"


def amount(value: float) -> str:
    """Three digits; `–` for nothing."""
    if value <= 0 or value == inf:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def mesh_of(layout: Layout) -> str:
    sizes = [f"{name} {getattr(layout, name)}" for name in ("replicate", "shard", "tp") if getattr(layout, name) > 1]
    return ", ".join(sizes) if layout.kind in ("fsdp", "tp") else "–"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(each) + " |" for each in (head, ["---"] * len(head), *rows)]


def tables(model: Transformer, sizes: list[int], machine: Machine) -> list[str]:
    """Three tables of a model: what is exchanged, what is held, how long it takes."""
    steps = {(size, name): step_of(model, each, machine) for size in sizes for name, each in layouts(model, size).items()}
    exchanged, held, took = [], [], []
    for (size, name), step in steps.items():
        bytes_of, place = by_kind(step.exchanges), [str(size), name]
        kinds = [amount(bytes_of.get(each, 0) / 1e9) for each in EXCHANGES]
        pieces = f"{ceil(model.rows / step.layout.data_size / step.work.rounds)} × {step.work.rounds}"
        exchanged.append([*place, mesh_of(step.layout), pieces, *kinds, amount(step.flops / 1e12)])
        held.append([*place, *(amount(each / 1e9) for each in step.memory.values()), amount(sum(step.memory.values()) / 1e9)])
        times = [amount(each * 1e3) for each in (step.compute, step.exchange, step.hidden, step.total)]
        took.append([*place, *times, f"{step.share:.0%}", usable(model, name, machine), "; ".join(step.breaks) or "–"])
    net = model.net
    said = f"{net.parameters:,} parameters, {model.blocks} blocks of width {model.width:,}; a step has {model.rows:,} rows"
    return [
        f"### {model.name}",
        "",
        f"{said} of {model.positions:,} positions, {model.flops(model.rows) / 1e15:,.3g} PFLOP.",
        "",
        "Sent by each GPU in a step, and as much received, in GB; its TFLOP:",
        "",
        *table(
            ["GPUs", "strategy", "mesh", "rows × rounds", "all-reduce", "reduce-scatter", "all-gather", "broadcast", "TFLOP"], exchanged
        ),
        "",
        "Held by each GPU, in GB:",
        "",
        *table(["GPUs", "strategy", *HELD.values(), "together"], held),
        "",
        "Milliseconds of a step:",
        "",
        *table(["GPUs", "strategy", "compute", "exchange", "of it hidden", "step", "of the ideal", "good with", "where it breaks"], took),
    ]


def page(sizes: list[int], machine: Machine) -> str:
    """All tables, and what they assume."""
    reached = (
        f"Assumed: {machine.flops / 1e12:.0f} TFLOP/s reached by a GPU with {machine.memory / 1e9:.0f} GB, {machine.node} to a machine;"
        f" {machine.inside / 1e9:.0f} GB/s each way between those of a machine, {machine.between / 1e9:.0f} GB/s of each to others;"
        f" {machine.latency * 1e6:g} µs a message; AdamW, weights in float32, arithmetic, gathered weights and activations in bfloat16."
    )
    return "\n".join([reached, "", *tables(SMALL, sizes, machine), "", *tables(LARGE, sizes, machine)])


def count(ranks: int) -> None:
    """Print counted bytes beside expected ones."""
    from benchmarks.counted_exchanges import LAYOUTS, compare

    names = [name for name, layout in LAYOUTS.items() if layout.size == ranks]
    print(f"\nBytes of a step, counted on {ranks} gloo processes (the mean of them) / expected:")
    for line in (each for rounds in (1, 2) for each in compare(names, rounds, ranks)):
        asked, expected = line["asked"], line["expected"]
        kinds = ", ".join(f"{kind} {asked.get(kind, 0):,.0f} / {whole:,.0f}" for kind, whole in expected["asked"].items())
        sent = "not told by this kernel" if line["sent"] is None else f"{line['sent']:,.0f} / {expected['sent']:,.0f}"
        ratio = "" if line["sent"] is None else f": × {line['sent'] / expected['sent']:.3f}   (bar {1 + BAR})"
        print(f"  {line['name']}, {line['rounds']} round{'s' * (line['rounds'] > 1)}: asked {kinds}; sent by sockets {sent}{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="count nothing")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 512])
    parser.add_argument("--ranks", type=int, nargs="+", default=[2], choices=[2, 4], help="gloo processes whose bytes are counted")
    for name, default in Machine().__dict__.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    arguments = vars(parser.parse_args())
    print(page(arguments["gpus"], Machine(**{name: arguments[name] for name in Machine().__dict__})), flush=True)
    for ranks in [] if arguments["table"] else arguments["ranks"]:
        count(ranks)


if __name__ == "__main__":
    main()
