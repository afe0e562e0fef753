"""Tuning without a run: which batch size is fastest and fits, and which learning rate a range test suggests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from torch import nn

from trainwright.api.kinds import prepare_run
from trainwright.api.ranks import say_alone
from trainwright.config.compose import Assignment, Composed, assign_option
from trainwright.config.dump import dump
from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.trust import as_received, trusting
from trainwright.data.source import Source
from trainwright.engine.batch_options import TuningOptions
from trainwright.engine.scaling import with_learning_rate
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import BatchTuning, RangeTest, Tuning, fill_chosen, settle_auto
from trainwright.engine.tuning.batch_size import OnBest
from trainwright.files.outputs import write_output
from trainwright.parallel.launched import ensure_one_process
from trainwright.systems.run_config import check_config, compose_config


@dataclass(frozen=True)
class Tuned:
    """What was measured, and the configuration with it."""

    tuning: Tuning
    config: Any

    def as_json(self) -> dict[str, Any]:
        """All trials and what was chosen."""
        return self.tuning.as_json()

    def lines(self) -> str:
        """What to put into a configuration, as YAML."""
        chosen = {name: value for name, value in self.tuning.chosen.items() if "." not in name}
        rates = {name.partition(".")[2]: value for name, value in self.tuning.chosen.items() if "." in name}
        lines = ["trainer:", *(f"  {name}: {value}" for name, value in chosen.items())]
        if rates:
            lines += ["  optimizer:", f"    type: {self.config.trainer.optimizer.type}"]
            lines += [f"    {name}: {value:g}" for name, value in rates.items()]
        return "\n".join(lines)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the whole configuration with what was chosen. Raises RequestError where the file cannot be written."""
        with write_output(path, where="--write") as temporary:
            temporary.write_text(dump(self.config), encoding="utf-8")


@as_received
def tune_composed(
    composed: Composed,
    /,
    *,
    batch_size: bool = True,
    learning_rate: bool = True,
    source: Source | None = None,
    on_best: OnBest | None = None,
    **changes: Any,
) -> Tuned:
    """Tune what a composed configuration would train, its `trainer:` section changed by `changes`; writes nothing.

    Raises ConfigError or DataError for what training would refuse.
    """
    config = check_config(composed)
    say_alone(config, "sizes and rates are tried")
    prepared = prepare_run(config, source)
    system, rows = prepared.system, prepared.splits["train"]
    trainer = prepared.trainer()
    prepared.check(trainer)
    trainer.say_cautions()
    if rows.batched:
        why = "the data come in batches already"
        raise ConfigError("the batch size cannot be tuned", where="data", why=why, fix="give a dataset instead of a DataLoader")
    asked = asking(config.trainer, batch_size=batch_size, learning_rate=learning_rate, **changes)
    trainer = Trainer(asked, seed=config.run.seed, device=config.run.device, console=False)
    trainer.on_best_batch_size = on_best
    tuning = settle_auto(trainer, system, rows)
    chosen = dict(tuning.chosen)
    return Tuned(tuning, config.model_copy(update={"trainer": fill_chosen(asked, chosen)}))


def asking(section: Any, *, batch_size: bool, learning_rate: bool, **changes: Any) -> Any:
    """The `trainer:` section with `auto` for what is to be tuned: the batch, unless only the micro-batch is left open; and the rate."""
    if batch_size and section.micro_batch_size != "auto":
        changes["batch_size"] = "auto"
    if (tuning := changes.pop("tuning", None)) is not None:
        changes["tuning"] = section.tuning.model_copy(update={name: getattr(tuning, name) for name in tuning.model_fields_set})
    if learning_rate:
        changes["optimizer"] = with_learning_rate(section.optimizer, "auto")
    return section.model_copy(update=changes)


def tune_batch_size(
    data: Any,
    dataset: Any = None,
    /,
    *,
    target: str | list[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    max_batch_size: int | None = None,
    max_time: str = "30 s",
    max_trials: int | None = None,
    halving_limit: int | None = None,
    snapshot_weights: bool = True,
    on_best_batch_size_updated: OnBest | None = None,
    trust_code: bool = False,
    **options: Any,
) -> BatchTuning:
    """The batch size that trains most samples per second and fits the device, with all trials; everything is left as it was.

    Either `(model, dataset)` with the options of `tw.fit` (`loss`, `optimizer`, `device`, …), or a table and `target`, or a `config`, as
    for `tw.train`. Without `max_batch_size` an epoch keeps at least five steps. `max_trials`, `halving_limit` and `snapshot_weights` are
    those of `trainer.tuning`; `on_best_batch_size_updated` is called with each size that is the fastest so far, its samples per second
    and how many sizes were tried. Raises ConfigError or DataError for a wrong request,
    TrainwrightError when not a single row fits.
    """
    with trusting(trust_code):
        limits = {"max_trials": max_trials, "halving_limit": halving_limit, "snapshot_weights": snapshot_weights}
        wanted = _limits(max_time, **{name: value for name, value in limits.items() if value not in (None, True)})
        wanted |= {} if max_batch_size is None else {"max_batch_size": max_batch_size}
        wanted["on_best"] = on_best_batch_size_updated
        tuning = _tune(data, dataset, target, config, options, {"batch_size": True, "learning_rate": False, **wanted})
    if tuning.batch is None:
        fix = "leave micro_batch_size or accumulation out"
        raise ConfigError("there is nothing to tune", where="tw.tune_batch_size", why="the sizes given settle all others", fix=fix)
    return tuning.batch


def tune_learning_rate(
    data: Any,
    dataset: Any = None,
    /,
    *,
    target: str | list[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    max_time: str = "30 s",
    trust_code: bool = False,
    **options: Any,
) -> RangeTest:
    """The learning rate that a range test suggests, with its curve; arguments as for `tune_batch_size`; everything is left as it was."""
    with trusting(trust_code):
        asked = {"batch_size": False, "learning_rate": True, **_limits(max_time)}
        tuning = _tune(data, dataset, target, config, options, asked)
    if tuning.rate is None:
        raise ConfigError("this optimizer has no learning rate", where="tw.tune_learning_rate", fix="take another, adamw for example")
    return tuning.rate


def _limits(max_time: str, **limits: Any) -> dict[str, Any]:
    """The changes of the `trainer:` section that limit the trials. Raises ConfigError for a number that is none."""
    try:
        return {"tuning": TuningOptions(max_time=Duration.parse(max_time), **limits)}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{first['loc'][0]}: {first['msg']}", where="tw.tune_batch_size", fix="give a whole number") from error


def _tune(data: Any, dataset: Any, target: Any, config: Any, options: dict[str, Any], asked: dict[str, Any]) -> Tuning:
    """The tuning of a plain model on a dataset, or of what a configuration describes."""
    ensure_one_process("try the same steps")
    if isinstance(data, nn.Module):
        return _plain(data, dataset, options, asked)
    if dataset is not None:
        fix = "give (model, dataset), or a table alone with target=…"
        raise ConfigError("the first of two arguments is no torch.nn.Module", where="tw.tune_batch_size", fix=fix)
    source, words = _table(data, target, options)
    return tune_composed(compose_config(config, words), source=source, **asked).tuning


def _plain(model: nn.Module, dataset: Any, options: dict[str, Any], asked: dict[str, Any]) -> Tuning:
    """Tune a plain model as `tw.fit` would train it."""
    from trainwright.api.adapting import system_for
    from trainwright.api.fit import fit, with_batch_size
    from trainwright.api.fit_options import check_options, keywords_of, read_options

    own = {"loss": None, "optimizer": "adamw", "learning_rate": 1e-3, "seed": 0, "device": "auto"}
    named = {name: options.pop(name, default) for name, default in own.items()}
    run = {"run.seed": named["seed"], "run.device": named["device"]}
    check_options(options, keywords_of(fit))
    config = read_options(model, named["loss"], named["optimizer"], named["learning_rate"], run, options)
    given = {"train": dataset, "validation": None, "test": None}
    made = system_for(model, given, {"loss": named["loss"], "metrics": None, "target": None}, seed=named["seed"])
    config = with_batch_size(config, made.splits["train"])
    on_best = asked.pop("on_best", None)
    trainer = Trainer(asking(config.trainer, **asked), seed=named["seed"], device=named["device"], console=False)
    trainer.on_best_batch_size = on_best
    return settle_auto(trainer, made.system, made.splits["train"])


def _table(data: Any, target: Any, options: Mapping[str, Any]) -> tuple[Source | None, list[Assignment]]:
    """Data in memory as a source, and what the arguments say of the configuration."""
    from trainwright.api.train import _source_of

    source, where = None, "tw.tune_batch_size"
    words = [assign_option(name, value, f"{where}({name})") for name, value in options.items()]
    if data is not None:
        source = _source_of(data)
        named = str(data) if source is None else {"type": "parquet", "path": "data.parquet"}
        words.append(assign_option("data.source", named, f"{where}(data)"))
    if target is not None:
        words.append(assign_option("targets", [target] if isinstance(target, str) else list(target), f"{where}(target)"))
    return source, words
