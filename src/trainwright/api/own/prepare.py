"""From a configuration with `system:` to the system and the rows it is trained on, with everything that does not fit found first."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from trainwright.adapters.lightning.answers import refuse_untaken
from trainwright.adapters.lightning.loaders import open_loaders
from trainwright.adapters.lightning.system import LightningSystem, given_by_place, is_lightning, loaders_of
from trainwright.api.adapting import adapt_module, wanted_dtype
from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.own_arguments import read_arguments
from trainwright.config.registry import build
from trainwright.data.cache.dataset import keep_samples
from trainwright.data.datasets import cached_as, chain_of, make_data
from trainwright.data.datasets.splits import USED, say_unused
from trainwright.data.forms import rows_from
from trainwright.data.rows import Rows
from trainwright.data.transforms import on_device
from trainwright.data.transforms.own import OwnTransforms, transform_samples
from trainwright.engine.following import tell_beginning
from trainwright.engine.monitor import Monitor
from trainwright.engine.settings import keep_error, raise_errors
from trainwright.engine.trainer import Trainer
from trainwright.nn.compiled import without_wrappers
from trainwright.systems.base import System, build_system, seed_generators
from trainwright.systems.facts import Facts
from trainwright.systems.plain import PlainSystem
from trainwright.systems.plain_model import check_beside
from trainwright.systems.plain_options import PlainOptions
from trainwright.systems.run_config import Config
from trainwright.systems.trial import call_own_code

log = logging.getLogger("trainwright.fit")

DEFAULT_BATCH = 64
"""Samples of an iterable that make a batch, where the configuration does not say."""


@dataclass
class OpenedSystem:
    """A system with the rows of its splits."""

    system: Any
    splits: dict[str, Rows]
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What the data say of themselves."""


def prepare_own(config: Config, only: str | None = None) -> OpenedSystem:
    """The system made and its data opened; `only` one split, for a measurement. Raises ConfigError or DataError for what does not fit."""
    if config.parser:
        read_arguments(config.parser, config.arguments)
    made = made_system(config)
    given, spec = given_splits(config, made)
    if only is not None:
        if only not in given:
            raise ConfigError(f"the data have no {only} split", where="data", fix=f"they have: {', '.join(given) or 'none'}")
        given = {name: data for name, data in given.items() if name in (only, "train")}
    else:
        say_unused(given, USED, "trainwright predict RUN --split NAME predicts one")
        given = {name: data for name, data in given.items() if name in USED}
    splits = {name: open_rows(config, name, data, made) for name, data in given.items()}
    example = (splits.get("train") or next(iter(splits.values()))).example()
    system = adapt_module(made)
    if any(map(on_device, chain_of(config.data))):
        system.batch_transforms = OwnTransforms(chain_of(config.data))
        example = system.batch_transforms.always(example)
    if isinstance(system, LightningSystem):
        refuse_untaken(system.answers, made)
        system.positional = given_by_place(given.get("train"), splits.get("train"))
        if only is None:
            splits = system.with_steps(splits)
        system.check_splits(splits)
        system.hear_loaders(splits)
    facts = Facts(len(splits["train"]) if "train" in splits else 0, example, spec)
    if hasattr(system, "build"):
        where = f"{type(system).__name__}.build"
        call_own_code("the system cannot be built", lambda: build_system(system, facts, seed=config.run.seed), where)
    if isinstance(system, PlainSystem) and "train" in splits:
        system.fit_targets(splits["train"])
    without_wrappers(system)
    for rows in splits.values() if only is None else ():
        say_inexact(rows)
    return OpenedSystem(system, splits, spec)


def check_own(config: Config) -> None:
    """Raise ConfigError, or ManyErrors, for what can be told of a system before it is made: of a model and a loss all but the model."""
    errors: list[RequestError] = []
    if config.parser:
        keep_error(errors, lambda: read_arguments(config.parser, config.arguments))
    if isinstance(config.system, PlainOptions):
        options = config.system
        errors += check_beside(options)
        if config.data is None:
            errors.append(no_data())
        judged = keep_error(errors, lambda: PlainSystem(nn.Identity(), None, options.loss, options.metrics, options.target))
        if judged is not None:
            keep_error(errors, lambda: Monitor(config.trainer, judged))
    raise_errors(errors)


def no_data() -> ConfigError:
    """The error of a configuration that names nothing to train on."""
    return ConfigError(
        "there are no data", where="data", fix="name them: `data: {type: ./my_data.py:MyData}`; see trainwright list dataset"
    )


def made_system(config: Config) -> nn.Module:
    """The system that the configuration names. Raises ConfigError for a class that is none, or cannot be made."""
    where = f"system ({config.system.type})"
    try:
        with seed_generators(config.run.seed):
            made = build("system", config.system)
    except RequestError:
        raise
    except FOREIGN as error:  # a person's own code may raise anything
        if "before Module.__init__() call" not in str(error):
            return call_own_code("the system cannot be made", partial(raise_again, error), where)
        fix = "begin its __init__ with super().__init__(config)"
        raise ConfigError("the system's super().__init__() was not called", where=where, why=str(error), fix=fix) from error
    check_made(made, where)
    return made


def raise_again(error: BaseException) -> nn.Module:
    """Raises an error again."""
    raise error


def check_made(made: Any, where: str) -> None:
    """Raise ConfigError for what cannot be a system."""
    if not isinstance(made, nn.Module):
        raise ConfigError(f"a {type(made).__name__} is no system", where=where, fix="derive its class from trainwright.System")
    if "_modules" not in vars(made):
        raise ConfigError(
            "the system's super().__init__() was not called", where=where, fix="begin its __init__ with super().__init__(config)"
        )
    if not hasattr(made, "training_step"):
        fix = "a plain model is trained by `system: {type: plain, model: …, loss: …}`; a system has training_step(self, batch, context)"
        raise ConfigError(f"{type(made).__name__} has no training_step", where=where, fix=fix)


def given_splits(config: Config, made: nn.Module) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The data by split, as the configuration or the LightningModule gives them, and what they say of themselves."""
    if config.data is None:
        found = loaders_of(made) if is_lightning(made) else {}
        if not found:
            raise no_data()
        return found, {}
    options, seed = config.data, config.run.seed
    data = call_own_code("the data cannot be made", lambda: make_data(options, seed=seed), f"data ({options.type})")
    return dict(data.splits), data.spec


def open_rows(config: Config, split: str, data: Any, made: nn.Module) -> Rows:
    """Rows of a split, in the dtype of the system's parameters."""
    tell_beginning(data)
    data = keep_samples(data, cached_as(config.data), split)
    data = transform_samples(data, chain_of(config.data), split == "train", split)
    size = config.trainer.batch_size if isinstance(config.trainer.batch_size, int) else DEFAULT_BATCH
    read = open_loaders if is_lightning(made) else rows_from
    rows: Rows = read(
        data,
        split,
        wanted_dtype(made),
        where=f"data ({split})",
        batch_size=size,
        max_steps=config.trainer.max_steps,
        limit=config.trainer.limit_batches,
        seed=config.run.seed,
        unlabelled=True,
        keeps_arrays=not isinstance(made, PlainSystem),
        placed=isinstance(made, System),
    )
    return rows


def say_inexact(rows: Rows) -> None:
    """Say before the first step why a run over these rows could not be continued bit for bit, if so."""
    if not rows.resumable:
        log.warning("this run cannot be continued exactly: %s", rows.why_not_resumable)


def trainer_for(config: Config, again: str) -> Trainer:
    """The trainer of the configuration."""
    history = config.evaluation.history
    return Trainer(config.trainer, seed=config.run.seed, device=config.run.device, continue_with=again, history=history)
