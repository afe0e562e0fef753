"""What each strategy makes of each kind of system under each setting, beside the same run in one process; two gloo processes.

    python -m benchmarks demo_ranks [--systems plain gan] [--strategies fsdp tp] [--settings adamw bf16]

Every cell is a run of four steps: the largest difference of any weight to one process that takes the same pieces, or the words of the
refusal and what works instead. All cells are run by the same two processes. A difference beyond what the setting's format explains is
marked WRONG, and the exit code says so.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import pickle
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from trainwright.systems.make_supervised import SupervisedSystem

import trainwright as tw
from trainwright.adapters.lightning.system import LightningSystem
from trainwright.adapters.returning_loss import ReturningLossSystem
from trainwright.config.errors import TrainwrightError
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.world import World
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.plain import PlainSystem

ROWS, BATCH, RANKS, WIDTH, CLASSES = 24, 12, 2, 6, 3
EXACT, HALF = 1e-6, 2e-2
"""Bounds of a difference: of sums in another order in float32, and where values are rounded to half precision on the way."""

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": {"type": "adamw", "learning_rate": 1e-3},
    "sgd": {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9},
    "muon": {"type": "muon", "learning_rate": 0.01},
    "8-bit": {"type": "adamw_8bit", "learning_rate": 1e-3, "smallest": 1},
    "schedule-free": {"type": "schedule_free_adamw", "learning_rate": 1e-3},
    "sam": {"type": "sam", "inner": {"type": "sgd", "learning_rate": 0.02}},
    "lbfgs": {"type": "lbfgs", "learning_rate": 0.05},
}
SETTINGS: dict[str, dict[str, Any]] = {name: {"optimizer": each} for name, each in OPTIMIZERS.items()} | {
    "ema": {"ema": 0.9},
    "swa": {"swa": {"start": "2 steps", "every": "1 step", "refresh": 0}},
    "accumulation": {"micro_batch_size": 2},
    "clipping": {"clip": {"norm": 0.1, "per_parameter": 0.08, "adaptive": 0.05, "value": 0.05}},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": {"type": "fp16", "initial_scale": 2.0**24}},
    "checkpointing": {},
    "compile": {"modes": {"compile": {"backend": "eager"}}},
}
OF_TORCH = ("adamw", "sgd", "lbfgs")
"""Optimizers that the LightningModule makes by itself, of torch's classes."""
ROUNDED = ("bf16", "fp16")
STRATEGIES: dict[str, Any] = {
    "ddp": "ddp",
    "ordered": {"type": "ddp", "reduce": "ordered"},
    "torch's ddp": {"type": "ddp", "reduction": "torch"},
    "zero": "zero",
    "fsdp": "fsdp",
    "by layer": {"type": "fsdp", "groups": {"match": ["*"]}},
    "tp": "tp",
}


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, CLASSES))


class Own(tw.System):
    """A loss over another number of items in each row."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.scale = network(), nn.Parameter(torch.ones(1))

    def training_step(self, batch: Any, context: Any) -> tw.Loss:
        counts = 1 + batch["answer"]
        each = functional.cross_entropy(self.net(batch["numbers"]) * self.scale, batch["answer"], reduction="none")
        return tw.Loss((each * counts).sum(), counts.sum())

    def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        return {"loss": functional.cross_entropy(self.net(batch["numbers"]), batch["answer"], reduction="none")}


class Gan(tw.System):
    """Two optimizers in its own hands."""

    automatic_optimization = False

    def __init__(self, optimizer: dict[str, Any]) -> None:
        super().__init__()
        self.asked = optimizer
        self.generator, self.critic = nn.Linear(WIDTH, WIDTH), nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Linear(8, 1))

    def configure_optimizers(self) -> Any:
        return {name: {"parameters": name} | self.asked for name in ("generator", "critic")}

    def training_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        first, second = self.optimizers()  # type: ignore[misc]
        real, fake = batch["numbers"], self.generator(batch["noise"])
        with second.toggled():
            told = functional.softplus(-self.critic(real)).mean() + functional.softplus(self.critic(fake.detach())).mean()
            second.zero_grad()
            self.manual_backward(told)
            second.step()
        with first.toggled():
            fooled = functional.softplus(-self.critic(fake)).mean()
            first.zero_grad()
            self.manual_backward(fooled)
            first.step()
        return {"told": told.detach(), "fooled": fooled.detach()}

    def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        return {"loss": functional.softplus(-self.critic(self.generator(batch["noise"])))[:, 0]}


@functools.cache
def module_class() -> Any:
    import lightning.pytorch

    class Module(lightning.pytorch.LightningModule):
        def __init__(self, optimizer: str) -> None:
            super().__init__()
            self.net, self.asked = network(), optimizer

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = functional.cross_entropy(self.net(batch["numbers"]), batch["answer"])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("val_loss", functional.cross_entropy(self.net(batch["numbers"]), batch["answer"]))

    class WithOptimizer(Module):
        def configure_optimizers(self) -> Any:
            kinds = {"sgd": torch.optim.SGD, "lbfgs": torch.optim.LBFGS}
            return kinds.get(self.asked, torch.optim.AdamW)(self.parameters(), lr=OPTIMIZERS.get(self.asked, {}).get("learning_rate", 1e-3))

    return Module, WithOptimizer


def lightning_module(setting: str) -> Any:
    plain, own = module_class()
    return LightningSystem((plain if setting in OPTIMIZERS and setting not in OF_TORCH else own)(setting))


def make_supervised(setting: str) -> Any:
    """An encoder, a combiner and a decoder."""
    system = SupervisedSystem(SupervisedConfig.model_validate({"combiner": {"type": "concat", "depth": 1, "width": 16}}))
    inputs = [InputGroup("numbers", "vector", ["numbers"], None, {"value": (1, WIDTH)})]
    build_system(system, DataSpec(inputs, [TargetSpec("answer", "category", CLASSES, ["a", "b", "c"])], ROWS))
    return system


def transformer(setting: str) -> Any:
    import transformers

    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=8,
        num_labels=CLASSES, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return ReturningLossSystem(transformers.BertForSequenceClassification(config))


SYSTEMS: dict[str, tuple[Callable[[str], Any], dict[str, str], bool | list[str]]] = {
    "supervised": (make_supervised, {}, ["combiner"]),
    "plain": (lambda setting: PlainSystem(network(), ["input"], "cross_entropy", []), {"*.0": "colwise", "*.4": "rowwise"}, ["model"]),
    "own": (lambda setting: Own(), {"net.0": "colwise", "net.4": "rowwise"}, ["net"]),
    "gan": (lambda setting: Gan(OPTIMIZERS.get(setting, OPTIMIZERS["adamw"])), {"critic.0": "colwise", "critic.2": "rowwise"}, ["critic"]),
    "hf model": (transformer, {"*.intermediate.dense": "colwise", "*.output.dense": "rowwise", "*.LayerNorm": "sequence"}, True),
    "lightning": (lightning_module, {"*.0": "colwise", "*.4": "rowwise"}, ["net"]),
}
"""Name → how it is made for a setting, the layers that tensor parallel splits, and the modules whose activations are computed again."""


def rows(system: str) -> TensorRows:
    generator = torch.Generator().manual_seed(1)
    numbers, answer = torch.randn(ROWS, WIDTH, generator=generator), torch.randint(0, CLASSES, (ROWS,), generator=generator)
    if system == "hf model":
        words = torch.randint(1, 20, (ROWS, 6), generator=generator)
        return TensorRows({"input_ids": words, "attention_mask": torch.ones_like(words), "labels": answer})
    if system == "supervised":
        return TensorRows({"numbers.value": numbers.unsqueeze(1).contiguous(), "target.answer": answer})
    if system == "plain":
        return TensorRows({"input": numbers, "target": answer})
    extra = {"noise": torch.randn(ROWS, WIDTH, generator=generator)} if system == "gan" else {}
    return TensorRows({"numbers": numbers, "answer": answer} | extra)


def options_of(system: str, setting: str, made: Any, strategy: str, pieces: int) -> dict[str, Any]:
    """The settings of the trainer; `pieces`: as many micro-batches as one process takes to do as several do."""
    asked = dict(SETTINGS[setting])
    if system == "gan" or (system == "lightning" and setting in OF_TORCH):
        asked.pop("optimizer", None)  # it makes them by itself
    elif system != "lightning":
        asked = {"optimizer": OPTIMIZERS["adamw"]} | asked
    kind = STRATEGIES[strategy] if strategy else "auto"
    if kind == "tp":
        linear = {name: "colwise" for name, each in made.named_modules() if isinstance(each, nn.Linear) and each.out_features % RANKS == 0}
        kind = {"type": "tp", "plan": SYSTEMS[system][1] or linear}
    if setting == "checkpointing":
        asked["modes"] = {"activation_checkpointing": SYSTEMS[system][2]}
    if pieces > 1 and "micro_batch_size" not in asked and system != "gan":
        asked["accumulation"] = pieces
    length = {"batch_size": BATCH, "max_steps": 4, "log_every": "2 steps", "early_stopping": None, "trackers": []}
    return length | {"strategy": kind} | asked


def run(world: World, folder: Path, system: str, setting: str, strategy: str = "", pieces: int = 1) -> dict[str, Tensor]:
    """The weights that four steps make. Raises RequestError where they are refused."""
    torch.manual_seed(7)
    made = SYSTEMS[system][0](setting)
    config = TrainerConfig.model_validate(options_of(system, setting, made, strategy, pieces))
    trainer = Trainer(config, seed=3, device="cpu", console=False, world=world)
    trainer.fit(made, rows(system), None, run=folder)
    return {name: each.detach().clone() for name, each in made.state_dict().items() if each.is_floating_point()}


def try_cell(made: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor] | str:
    """The weights of a run, or what was said of it."""
    try:
        return made()
    except TrainwrightError as error:
        errors = getattr(error, "errors", [error])
        return "; ".join(
            " ".join([each.what, *([f"({each.why})"] if each.why else []), *([f"→ {each.fix}"] if each.fix else [])]) for each in errors
        )
    except Exception:  # noqa: BLE001  (a cell is shown, whatever came of it)
        return f"FAILED {traceback.format_exc(limit=-3)}"


Cell = tuple[str, str, str]
"""System, setting, strategy."""


def of_rank(rank: int, folder: Path, cells: list[Cell]) -> None:
    """Run every cell as one of the processes, and leave what came of them in a file."""
    quiet()
    world = DistributedWorld.join(f"file://{folder / 'meeting'}", rank, RANKS, timeout=120)
    found: dict[Cell, Any] = {}
    for number, (system, setting, strategy) in enumerate(cells):
        place = folder / f"cell-{number}"
        found[system, setting, strategy] = try_cell(lambda: run(world, place, system, setting, strategy))  # noqa: B023
        if world.is_main:
            print(".", end="", file=sys.stderr, flush=True)
    world.close()
    (folder / f"rank-{rank}").write_bytes(pickle.dumps(found))


def quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"


def measure(cells: list[Cell]) -> list[dict[Cell, Any]]:
    """What the processes made of every cell."""
    with tempfile.TemporaryDirectory() as name:
        folder, children = Path(name), []
        for rank in range(RANKS):
            sys.stdout.flush()
            child = os.fork()
            if not child:
                try:
                    of_rank(rank, folder, cells)
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        return [pickle.loads((folder / f"rank-{rank}").read_bytes()) for rank in range(RANKS)]


def judge(found: Any, other: Any, alone: dict[str, Tensor] | str, setting: str) -> tuple[str, bool]:
    """What is shown of a cell, and whether it is right."""
    if isinstance(found, str):
        return found, not found.startswith("FAILED")
    if isinstance(alone, str):
        return f"runs, and one process does not: {alone}", False
    gap = max(float((found[name] - alone[name]).abs().max()) for name in alone)
    apart = max(float((found[name] - other[name]).abs().max()) for name in alone)
    if apart:
        return f"WRONG: processes differ by {apart:.0e}", False
    bound = HALF if setting in ROUNDED else EXACT
    return ("same bits" if gap == 0 else f"{gap:.0e}") if gap <= bound else f"WRONG {gap:.0e}", gap <= bound


def main() -> int:
    """Print the matrix; the exit code is 1 where a cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_ranks", description=__doc__)
    for name, known in (("systems", SYSTEMS), ("strategies", STRATEGIES), ("settings", SETTINGS)):
        parser.add_argument(f"--{name}", nargs="+", choices=list(known), default=list(known))
    asked = parser.parse_args()
    quiet()
    for module in ("torch.distributed.fsdp", "torch.distributed.tensor.parallel", "torch._dynamo", "lightning.pytorch", "transformers"):
        __import__(module)  # once, for all processes
    references: dict[tuple[str, str, int], Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for system in asked.systems:
            for setting in asked.settings:
                for pieces in {1 if each == "tp" else RANKS for each in asked.strategies}:
                    place = Path(name) / f"{system}-{setting}-{pieces}"
                    references[system, setting, pieces] = try_cell(lambda: run(World(), place, system, setting, pieces=pieces))  # noqa: B023
    cells = [(system, setting, strategy) for system in asked.systems for setting in asked.settings for strategy in asked.strategies]
    return show(cells, measure(cells), references)


def show(cells: list[Cell], measured: list[dict[Cell, Any]], references: dict[tuple[str, str, int], Any]) -> int:
    """The cells as one table for each system, and the refusals below it in words."""
    wrong = 0
    for system in dict.fromkeys(system for system, *_ in cells):
        mine = [cell for cell in cells if cell[0] == system]
        strategies = list(dict.fromkeys(strategy for *_, strategy in mine))
        said: dict[str, int] = {}
        print(f"\n\n{system}\n{'':15}" + "".join(f"{each:>13}" for each in strategies))
        for setting in dict.fromkeys(setting for _, setting, _ in mine):
            line = f"{setting:15}"
            for strategy in strategies:
                cell = (system, setting, strategy)
                alone = references[system, setting, 1 if strategy == "tp" else RANKS]
                text, right = judge(measured[0][cell], measured[1][cell], alone, setting)
                wrong += not right
                short = len(text) <= 12
                line += f"{text if short else f'({said.setdefault(text, len(said) + 1)})':>13}"
            print(line)
        for text, number in said.items():
            print(f"  ({number}) {text}")
    print(f"\n{len(cells)} cells, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
