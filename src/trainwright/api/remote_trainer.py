"""`tw.RemoteTrainer`: a trainer whose work is done by workers of Ray's, and whose results come back to the program that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from trainwright.api.fit import fit
from trainwright.api.programs import in_ranks, load_trained
from trainwright.api.ranks import join_for
from trainwright.config.compose import assign_option, compose
from trainwright.config.errors import ConfigError
from trainwright.config.located import validate
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.result import FitResult
from trainwright.engine.session import Session
from trainwright.engine.system import System
from trainwright.engine.trainer import Trainer
from trainwright.parallel.joining import current_world
from trainwright.parallel.launched import read_launch
from trainwright.parallel.launchers.base import make_launcher
from trainwright.systems.run_config import Config

AVERAGING = ("ema", "swa")


class RemoteTrainer:
    """Trains, learns online and measures in workers of Ray's; what rank 0 has is returned, with weights on the CPU.

    An error of any worker is raised here, the first cause of several. The object that is given is left with what was trained.
    """

    return_device = "cpu"
    """Where weights are that come back: the program may have no GPU."""

    def __init__(
        self,
        config: TrainerConfig | Mapping[str, Any] | None = None,
        *,
        devices: int | str = 1,
        gpus: int | None = None,
        gpu_memory_limit: float | None = None,
        allow_parallel_threads: bool = True,
        launch: Mapping[str, Any] | None = None,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
        console: bool = True,
    ) -> None:
        """`config`: options of `trainer:`. `devices`: workers. `gpus`: workers with a GPU each, 0 for none with one; without it as the
        cluster has them. `gpu_memory_limit`: the share of its GPU's memory that a worker may use. `allow_parallel_threads=False`: one
        thread and one processor a worker. `launch`: more options of `launch: {type: ray}`. Raises ConfigError for what cannot be.
        """
        self.options = config.model_dump(exclude_unset=True) if isinstance(config, TrainerConfig) else dict(config or {})
        self.seed, self.callbacks, self.console = seed, list(callbacks), console
        self.device = _device_for(gpus)
        self.gpu_memory_limit = _checked_limit(gpu_memory_limit, gpus)
        if self.gpu_memory_limit is not None:
            self.callbacks.append(LimitMemory(self.gpu_memory_limit))
        resources = {**({"GPU": 1} if gpus else {}), **({} if allow_parallel_threads else {"CPU": 1})}
        self.launch = {"type": "ray", "devices": gpus or devices, **({"resources": resources} if resources else {}), **(launch or {})}
        self._config()  # what is wrong is told now
        self._state: tuple[Any, Mapping[str, Any]] | None = None

    def train(
        self,
        system: Any,
        training_set: Any,
        validation_set: Any = None,
        test_set: Any = None,
        save_path: Any = None,
        return_state_dict: bool = False,
        **options: Any,
    ) -> FitResult:
        """As `tw.fit` of the same objects, in the run directory `save_path`; `options` are further arguments of it.

        With `return_state_dict` the `system` of the result is its weights by name, on the CPU. Raises what `tw.fit` raises.
        """
        place = {"run_dir": save_path, "seed": self.seed, "device": self.device, "launch": self.launch, "console": self.console}
        given = {**self.options, **place, "callbacks": self.callbacks, **options}
        fitted = fit(system, training_set, validation_set, test_set, **given)
        if return_state_dict:
            fitted.system = {name: each.cpu() for name, each in fitted.system.state_dict().items()}
        return fitted

    def train_online(self, system: Any, dataset: Any) -> dict[str, float]:
        """One pass over new rows in their order, a step per batch; returns the mean loss, and leaves what was learned in `system`.

        A later call with the same system goes on with the optimizer's state and the step count of this one. Raises ConfigError for
        settings that average weights over many steps, which are not kept between calls.
        """
        averaging = [name for name in AVERAGING if self.options.get(name) is not None]
        if averaging:
            fix = f"leave trainer.{averaging[0]} out, or train with Trainer.train_online in one process"
            raise ConfigError(f"{averaging[0]} is not kept between calls", where="RemoteTrainer.train_online", fix=fix)
        state = self._state[1] if self._state is not None and self._state[0] is system else None
        means, weights, state = self._in_workers(learn_in_rank, "train_online", system=system, rows=dataset, state=state)
        load_trained(system, weights, None)
        self._state = system, state
        found: dict[str, float] = means
        return found

    def evaluation(self, system: Any, dataset: Any, dataset_name: str = "validation") -> dict[str, float]:
        """Metrics of all rows of `dataset` with the weights as they are, through the hooks of `validation` or `test`."""
        if dataset_name not in ("validation", "test"):
            raise ConfigError(f"'{dataset_name}' is neither 'validation' nor 'test'", where="RemoteTrainer.evaluation(dataset_name)")
        found: dict[str, float] = self._in_workers(measure_in_rank, "evaluation", system=system, rows=dataset, split=dataset_name)
        return found

    def is_coordinator(self) -> bool:
        """Whether this process is rank 0, or the program that asks, which has rank 0's results."""
        return read_launch().rank == 0

    @property
    def local_rank(self) -> int:
        """Which rank of its machine this process is; 0 in the program that asks."""
        return read_launch().local_rank

    def barrier(self) -> None:
        """Return when all ranks have come here; at once in the program that asks, for which nobody waits."""
        if (world := current_world()) is not None:
            world.barrier()

    def callback(self, call: Callable[[Callback], Any], coordinator_only: bool = True) -> None:
        """Call `call` with each of the callbacks that were given, in rank 0 alone unless told otherwise."""
        for each in self.callbacks if self.is_coordinator() or not coordinator_only else []:
            call(each)

    def is_cpu_training(self) -> bool:
        """Whether workers were asked to compute without GPUs."""
        return self.device == "cpu"

    def _config(self) -> Config:
        return config_of({"trainer": self.options, "launch": self.launch, "device": self.device, "seed": self.seed})

    def _in_workers(self, call: Callable[[dict[str, Any]], Any], name: str, **given: Any) -> Any:
        config = self._config()
        size = make_launcher(config.launch).count_ranks(self.device)
        asked = {"trainer": self.options, "launch": self.launch, "device": self.device, "seed": self.seed, "callbacks": self.callbacks}
        return in_ranks(call, {**asked, **given}, config, size, where=f"RemoteTrainer.{name}", console=self.console)


class LimitMemory(Callback):
    """Lets a rank use a share of its GPU's memory and no more."""

    every_rank = True

    def __init__(self, share: float) -> None:
        self.share = share

    def on_fit_start(self, session: Session, system: System) -> None:
        """Set the limit."""
        limit_memory(self.share, session.device)


def limit_memory(share: float, device: torch.device) -> None:
    """Let this process use a share of the memory of its GPU. Raises ConfigError where it has none."""
    if device.type != "cuda":
        fix = "leave gpu_memory_limit out, or ask for GPUs: gpus=2"
        raise ConfigError(f"gpu_memory_limit={share:g}, and the workers compute on {device.type}", where="RemoteTrainer", fix=fix)
    torch.cuda.set_per_process_memory_fraction(share, device)


def config_of(given: Mapping[str, Any]) -> Config:
    """The settings of a remote trainer as a configuration. Raises ConfigError, or ManyErrors, for what cannot be."""
    where = "RemoteTrainer"
    asked = [
        assign_option("trainer", dict(given["trainer"]), f"{where}(config)"),
        assign_option("launch", given["launch"], f"{where}(launch)"),
    ]
    asked += [assign_option("run.device", given["device"], where), assign_option("run.seed", given["seed"], f"{where}(seed)")]
    asked += [assign_option("system", {"type": "given", "model": "System"}, where)]
    return validate(Config, compose(Config, None, asked, environment={}))


def trainer_in_rank(given: Mapping[str, Any]) -> Trainer:
    """The trainer of a rank, which has joined the others."""
    config = config_of(given)
    world = join_for(config)
    made = Trainer(config.trainer, seed=config.run.seed, device=config.run.device, callbacks=given["callbacks"], console=False, world=world)
    for each in given["callbacks"]:
        if isinstance(each, LimitMemory):
            limit_memory(each.share, made.device)
    return made


def learn_in_rank(given: dict[str, Any]) -> Any:
    """`train_online` in a rank: the means, the weights and the state to go on from."""
    trainer = trainer_in_rank(given)
    trainer.go_on_online(given["state"])
    means = trainer.train_online(given["system"], given["rows"])
    weights = {name: each.cpu() for name, each in given["system"].state_dict().items()}
    return means, weights, trainer.online_state


def measure_in_rank(given: dict[str, Any]) -> dict[str, float]:
    """`evaluation` in a rank."""
    trainer = trainer_in_rank(given)
    measure = trainer.validate if given["split"] == "validation" else trainer.test
    return measure(given["system"], given["rows"])


def _device_for(gpus: int | None) -> str:
    """`run.device`. Raises ConfigError for GPUs by number: which ones they are is Ray's to say."""
    if gpus is None:
        return "auto"
    if isinstance(gpus, bool) or not isinstance(gpus, int) or gpus < 0:
        fix = "say how many: gpus=2; Ray gives each worker one that is free"
        raise ConfigError(f"gpus={gpus!r} is no number of GPUs", where="RemoteTrainer(gpus)", fix=fix)
    return "cuda" if gpus else "cpu"


def _checked_limit(share: float | None, gpus: int | None) -> float | None:
    if share is None:
        return None
    if not isinstance(share, int | float) or not 0 < share <= 1:
        fix = "give the share of a GPU's memory that a worker may use: gpu_memory_limit=0.5"
        raise ConfigError(f"gpu_memory_limit={share!r} is no share", where="RemoteTrainer(gpu_memory_limit)", fix=fix)
    if gpus == 0:
        raise ConfigError("gpu_memory_limit is given, and gpus=0", where="RemoteTrainer(gpu_memory_limit)", fix="leave one of them out")
    return float(share)
