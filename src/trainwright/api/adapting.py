"""Which system trains what a person gave: their own, a LightningModule, a model that returns its loss, or any other module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from trainwright.adapters.lightning.answers import refuse_callbacks
from trainwright.adapters.lightning.data import TRANSFERS
from trainwright.adapters.lightning.loaders import holds_loaders, open_loaders
from trainwright.adapters.lightning.methods import overrides
from trainwright.adapters.lightning.system import LightningSystem, given_by_place, is_datamodule, is_lightning
from trainwright.adapters.returning_loss import ReturningLossSystem, by_arguments, returns_loss, target_of
from trainwright.config.errors import ConfigError, DataError
from trainwright.data.datasets.splits import in_splits, say_unused, splits_of
from trainwright.data.forms import rows_from, tuple_of_splits
from trainwright.data.rows import Rows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.following import tell_beginning
from trainwright.metrics.asked import Wishes
from trainwright.systems.base import System, build_system
from trainwright.systems.facts import Facts
from trainwright.systems.plain import PlainSystem
from trainwright.systems.trial import call_own_code

OWN_LOSS = ("loss", "target")


@dataclass
class Adapted:
    """A system, and the rows of its splits."""

    system: Any
    splits: dict[str, Rows]


def system_for(
    model: Any,
    given: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    seed: int = 0,
    callbacks: Sequence[Any] = (),
    settings: TrainerConfig | None = None,
    **reading: Any,
) -> Adapted:
    """The system for what `tw.fit` was given, and its data opened.

    `given`: split → data or None. `asked`: `loss`, `metrics`, `target` as the caller gave them, None where nothing was asked for.
    `callbacks`: those of Lightning's, for a LightningModule, which may read `settings`. `reading`: how data are read, as `rows_from` has
    it. Raises ConfigError or DataError for what does not fit.
    """
    check_model(model)
    module = None
    if is_datamodule(given["train"]):
        module, given = given["train"], {**given, "train": None}
    system = LightningSystem(model, module, callbacks, settings) if is_lightning(model) else None
    if system is None:
        refuse_callbacks(callbacks, model)
    if system is not None:
        _refuse_asked(model, asked)
        found = system.loaders()
    else:
        found = {} if module is None else _module_splits(module)
    given = {name: data if data is not None else found.get(name) for name, data in given.items()}
    if given["train"] is None:
        fix = "give (x, y) tensors, a Dataset, a DataLoader or anything else that gives rows"
        raise DataError("there are no training data", where="tw.fit(train_data)", fix=fix)
    if system is None or not _are_loaders(given["train"], system):
        given = apart(given)
    if system is not None:
        system.given_loaders |= {name: data for name, data in given.items() if isinstance(data, DataLoader) or holds_loaders(data)}
    labelled = not (isinstance(model, System) or system is not None)
    dtype = wanted_dtype(model)
    for data in given.values():
        tell_beginning(data)
    reading |= {"seed": seed, "unlabelled": not labelled, "keeps_arrays": not labelled, "placed": isinstance(model, System)}
    read = rows_from if system is None else open_loaders
    splits: dict[str, Rows] = {name: read(data, name, dtype, **reading) for name, data in given.items() if data is not None}
    if system is not None:
        system.positional = given_by_place(given["train"], splits["train"])
        splits = system.with_steps(splits)
        system.hear_loaders(splits)
    if not model.training:
        model.train()
    chosen = system or _choose_system(model, splits, asked, seed, given_by_place(given["train"], splits["train"]))
    if isinstance(chosen, PlainSystem):
        chosen.fit_targets(splits["train"])
    else:
        _with_metrics(chosen, asked["metrics"], splits)
    return Adapted(chosen, splits)


def _module_splits(module: Any) -> dict[str, Any]:
    """The loaders of a data module for a system of one's own or a plain model. Raises ConfigError where it moves batches itself."""
    moving = [name for name in TRANSFERS if overrides(module, name)]
    if moving:
        why = "a trainwright.System and a plain model are given batches as the loader makes them"
        fix = f"do what {' and '.join(moving)} do at the top of the step, or in the collate function of the loader"
        raise ConfigError(f"{type(module).__name__}.{moving[0]} would not be called", where="tw.fit(train_data)", why=why, fix=fix)
    return call_own_code("the data cannot be made", lambda: splits_of(module, "tw.fit(train_data)"), type(module).__name__)


def _are_loaders(data: Any, system: LightningSystem) -> bool:
    """Whether training data are several loaders of one split: the module's own, or given by hand and not a tuple or mapping of splits."""
    if not holds_loaders(data):
        return False
    own = data is system.given_loaders.get("train")
    return own or not (isinstance(data, tuple) or "train" in (in_splits(data, "tw.fit(train_data)") or ()))


def apart(given: Mapping[str, Any]) -> dict[str, Any]:
    """The splits that a mapping or a tuple of them, such as a Hugging Face `DatasetDict`, holds as training data, as if given one by one.

    Splits without a place in a run are named. Raises ConfigError for one that is given beside them too.
    """
    together = given["train"]
    splits = in_splits(together, "tw.fit(train_data)") or tuple_of_splits(together)
    if splits is None or "train" not in splits:
        return dict(given)
    for split in ("validation", "test"):
        if split in splits and given.get(split) is not None and given[split] is not together:
            alone = "data['train']" if isinstance(together, Mapping) else "data[0]"
            fix = f"leave {split}= out, or give train_data={alone}"
            raise ConfigError(f"the data hold a {split} split, and {split} data are given too", where=f"tw.fit({split})", fix=fix)
    say_unused(splits, given, "give one as validation= or test= to have it measured")
    return {name: splits.get(name, data if data is not together else None) for name, data in given.items()}


def _choose_system(model: nn.Module, splits: Mapping[str, Rows], asked: Mapping[str, Any], seed: int, positional: bool) -> Any:
    example = None if splits["train"].single_pass else splits["train"].example()
    if isinstance(model, System):
        _refuse_asked(model, asked)
        facts = Facts(len(splits["train"]), example)
        return call_own_code("the system cannot be built", lambda: build_system(model, facts, seed=seed), f"{type(model).__name__}.build")
    if asked["loss"] is None and callable(getattr(model, "training_step", None)):
        kind = type(model).__name__
        why = f"{kind} is neither a trainwright.System nor a LightningModule, so only its forward would be trained"
        fix = f"derive {kind} from trainwright.System, and write training_step(self, batch, context); or give loss= to train its forward"
        raise ConfigError(f"{kind}.training_step would not be called", where="tw.fit(model)", why=why, fix=fix)
    if asked["loss"] is None and (returning := _returning_loss(model, example, asked, positional)) is not None:
        return returning
    loss = "cross_entropy" if asked["loss"] is None else asked["loss"]
    return PlainSystem(model, None, loss, asked["metrics"], target=asked["target"])


def _returning_loss(model: nn.Module, example: Any, asked: Mapping[str, Any], positional: bool) -> ReturningLossSystem | None:
    """The system for a model that returns its loss of the columns it takes by name, or of (x, y) by place; None for another."""
    by_place = positional or not isinstance(example, Mapping)
    if by_place and (example is None or not target_of(model) or asked["target"] is not None):
        return None
    if not returns_loss(model, by_arguments(model, example) if by_place else example):
        return None
    chosen = ReturningLossSystem(model, by_place)
    _refuse_asked(model, {**asked, "target": None if asked["target"] == chosen.labels else asked["target"]})
    return chosen


def _with_metrics(system: Any, metrics: Any, given: Mapping[str, Any]) -> None:
    """Let a system that says itself what its loss is be measured by what was asked for too, where there are rows to measure.

    Raises ConfigError for names that there are not, and for metrics that no split would show.
    """
    system.asked_metrics = None
    if metrics is None:
        return
    if all(given.get(split) is None for split in ("validation", "test")):
        why = "its own outputs are measured on validation and test rows, and there are none"
        fix = "give validation data, or leave the metrics out"
        raise ConfigError("the metrics would never be measured", where="tw.fit(metrics)", why=why, fix=fix)
    system.asked_metrics = Wishes(metrics, where="tw.fit(metrics)")


def _refuse_asked(model: nn.Module, asked: Mapping[str, Any]) -> None:
    """Raise ConfigError for a loss or a target beside those that the model has."""
    wrong = next((name for name in OWN_LOSS if asked[name] is not None), None)
    if wrong is not None:
        why = f"{type(model).__name__} says itself what its loss and metrics are"
        raise ConfigError(f"{wrong} cannot be given here", where=f"tw.fit({wrong})", why=why, fix="leave it out")


def check_model(model: Any) -> None:
    """Raises ConfigError when `model` is no `nn.Module`, or one whose `super().__init__()` was not called."""
    where = "tw.fit(model)"
    if isinstance(model, nn.Module):
        if "_modules" not in vars(model) and not isinstance(model, torch.jit.ScriptModule):  # a traced one keeps them elsewhere
            fix = f"begin {type(model).__name__}.__init__ with super().__init__()"
            raise ConfigError("the model's super().__init__() was not called", where=where, fix=fix)
        return
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ConfigError(f"{model.__name__} is a class, not a model", where=where, fix=f"give an instance: {model.__name__}(…)")
    fix = "give a torch.nn.Module; for a table and no model of your own use tw.train(data, target=…)"
    raise ConfigError(f"the model is a {type(model).__name__}, not a torch.nn.Module", where=where, fix=fix)


def adapt_module(made: nn.Module) -> Any:
    """The system for a module with a `training_step`: itself, or round a LightningModule."""
    return LightningSystem(made) if is_lightning(made) else made


def wanted_dtype(module: nn.Module) -> torch.dtype:
    """The dtype of the model's own numbers, which those of the data take on."""
    return next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)


def plain_module(system: Any) -> Any:
    """What a person gave: the model within an adapter, or the system itself."""
    return system.model if isinstance(system, PlainSystem | LightningSystem | ReturningLossSystem) else system
