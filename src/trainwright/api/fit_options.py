"""The options of `tw.fit`: its keywords checked, read into one configuration, and written down with the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

from pydantic import BaseModel

from trainwright.config.compose import assign_option, compose
from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.located import option_paths, validate
from trainwright.config.other_words import answer_of, spell_keyword
from trainwright.engine.config import TrainerConfig
from trainwright.systems.run_config import Config

OTHER_WORDS = {
    **dict.fromkeys(("lr", "rate"), "learning_rate"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs"), "max_epochs"),
    **dict.fromkeys(("steps", "num_steps", "iterations"), "max_steps"),
    **dict.fromkeys(("bs", "batch"), "batch_size"),
    **dict.fromkeys(
        ("val", "valid", "val_data", "valid_data", "eval_dataset", "val_loader", "val_dataloader", "val_dataloaders"), "validation_data"
    ),
    **dict.fromkeys(
        ("data", "dataset", "train", "train_dataset", "train_dataloader", "train_dataloaders", "train_loader", "datamodule"), "train_data"
    ),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), "loss"),
    **dict.fromkeys(("opt", "optim"), "optimizer"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "schedule"),
    **dict.fromkeys(("dir", "path", "output_dir"), "run_dir"),
    "random_state": "seed",
    "patience": "early_stopping",
}
"""What other libraries call the arguments of a call → `tw.fit`'s own word; what they call options is in `config/other_words`."""


PLAIN = str | int | float | None
"""Values of options that are written as they are."""


def named_optimizer(optimizer: Any) -> dict[str, Any]:
    """The options of an optimizer given as a name or as a mapping. Raises ConfigError for a class or an instance of torch's."""
    if isinstance(optimizer, str):
        return {"type": optimizer}
    if isinstance(optimizer, Mapping):
        return dict(optimizer)
    name = optimizer.__name__ if isinstance(optimizer, type) else type(optimizer).__name__
    fix = f"give its name, 'torch.optim.{name}', or {{'type': 'torch.optim.{name}', 'lr': 0.01}}"
    raise ConfigError(f"the optimizer is {name}, no name and no mapping", where="tw.fit(optimizer)", fix=fix)


def with_rate(chosen: dict[str, Any], learning_rate: Any) -> dict[str, Any]:
    """The options with the learning rate where they have none: in the optimizer inside, where it is that one's."""
    if chosen.get("type") in ("sam", "lookahead"):
        return {**chosen, "inner": with_rate(named_optimizer(chosen.get("inner", "adamw")), learning_rate)}
    rate = "lr" if "." in str(chosen.get("type", "")) else "learning_rate"
    return {rate: learning_rate, **chosen}


def keywords_of(call: Callable[..., Any]) -> list[str]:
    """The names of a function's own arguments, without those that it takes by any name."""
    return [name for name, each in signature(call).parameters.items() if each.kind is not each.VAR_KEYWORD]


def check_options(options: dict[str, Any], own: Sequence[str]) -> dict[str, Any]:
    """The options. Raises ConfigError, or ManyErrors, for keywords that are none of `trainer:`; `own` are the other words of `tw.fit`."""
    names = [*own, *(name for name in TrainerConfig.model_fields if name not in own)]
    errors: list[RequestError] = []
    for name in options:
        if name not in names:
            fix = f"did you mean '{OTHER_WORDS[name]}'?" if name in OTHER_WORDS else answer_of(name, keywords=True)
            fix = fix or _within_another(name) or did_you_mean(name, names, limit=len(names))
            errors.append(ConfigError(f"unknown option '{name}'", where="tw.fit", fix=fix))
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)
    return options


def _within_another(name: str) -> str:
    """Where an option of that name lies within another one of `trainer:`; empty where it lies in none."""
    paths = [path for path in option_paths(TrainerConfig) if path.rpartition(".")[2] == name]
    return f"did you mean {' or '.join(spell_keyword(f'trainer.{path}') for path in paths)}?" if paths else ""


def read_options(
    model: Any,
    loss: Any,
    optimizer: str | Mapping[str, Any],
    learning_rate: float,
    run: dict[str, Any],
    options: dict[str, Any],
    around: Mapping[str, Any] | None = None,
) -> Config:
    """Everything asked for, validated as a whole, once `check_options` knows every word; raises ManyErrors naming each wrong argument."""
    chosen = with_rate(named_optimizer(optimizer), learning_rate)
    options = {"early_stopping": None, **options}
    given = {"type": "given", "model": type(model).__name__, "loss": write_loss(loss)}
    asked = [assign_option("system", given, "tw.fit(model)")]
    asked += [assign_option(f"system.{name}", _write_entries(value), f"tw.fit({name})") for name, value in (around or {}).items() if value]
    asked += [assign_option("trainer.optimizer", chosen, "tw.fit(optimizer)")]
    asked += [
        assign_option(f"trainer.{name}", value, f"tw.fit({name})")
        for name, value in options.items()
        if value is not None or name == "early_stopping"
    ]
    asked += [assign_option(name, value, f"tw.fit({name.removeprefix('run.')})") for name, value in run.items()]
    return validate(Config, compose(Config, None, asked, environment={}))


def _write_entries(value: Any) -> Any:
    """Entries as a configuration has them, where some are objects of options already."""
    if isinstance(value, list | tuple):
        return [_write_entries(each) for each in value]
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def write_loss(loss: Any) -> Any:
    """A loss as config.yaml keeps it: by name, with its options where these can be written, or several; a function by its name."""
    if loss is None:
        return ""
    if isinstance(loss, Mapping):
        name = loss.get("type", "loss")
        return dict(loss) if all(isinstance(each, PLAIN) for each in loss.values()) else f"{name} with options of the program"
    if isinstance(loss, list | tuple):
        return [write_loss(each) for each in loss]
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))
