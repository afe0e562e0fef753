"""What each callback of Lightning's becomes here: called as it is, an option of ours, left to the run, or refused with our own word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.adapters.lightning.methods import ROOTS, lightning_class, overrides
from trainwright.adapters.lightning.model_checkpoint import checkpoint_options, join_checkpoints
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.foreign import instead_of

log = logging.getLogger("trainwright.systems")

DONE = {
    "ProgressBar": "a run shows its own progress; console=False is silent",
    "ModelSummary": "model.json and report.html of the run describe the model",
    "OnExceptionCheckpoint": "the run saves itself when an error ends it (checkpoint.on_exception)",
}
"""Left to the run, which does that anyway → what is said of it once."""

REFUSED = (
    *("StochasticWeightAveraging", "WeightAveraging", "BaseFinetuning", "BatchSizeFinder", "LearningRateFinder", "ModelPruning"),
    *("BasePredictionWriter", "SpikeDetection"),
)
"""They reach into Lightning's loops or its optimizers, which are not here."""


def _learning_rates(given: Any) -> dict[str, Any]:
    found = {"type": "learning_rate_monitor", "momentum": bool(given.log_momentum), "weight_decay": bool(given.log_weight_decay)}
    return {"callbacks": [found]}


def _accumulation(given: Any) -> dict[str, Any]:
    """`accumulation` where one number holds for the whole run; raises ConfigError else."""
    wanted = {int(epoch): int(count) for epoch, count in given.scheduling.items()}
    if set(wanted) != {0}:
        what = f"accumulation cannot change with the epoch ({wanted})"
        why = "a step is the same number of rows throughout; batch_growth makes it larger where a metric stops improving"
        raise ConfigError(what, where="GradientAccumulationScheduler", why=why, fix=f"accumulation={max(wanted.values())}")
    return {} if wanted[0] == 1 else {"accumulation": wanted[0]}


OPTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "ModelCheckpoint": checkpoint_options,
    "LearningRateMonitor": _learning_rates,
    "GradientAccumulationScheduler": _accumulation,
    "DeviceStatsMonitor": lambda given: {"callbacks": [{"type": "device_stats", "cpu": given._cpu_stats is not False}]},
    "ThroughputMonitor": lambda given: {"callbacks": [{"type": "throughput"}]},
}
"""Options of `trainer:` that do the same."""


@dataclass
class Answers:
    """What the callbacks that were given become."""

    called: list[Any] = field(default_factory=list)
    """Lightning's, called at its hooks."""
    own: list[Callback] = field(default_factory=list)
    """Ours, that `configure_callbacks` of a module gave."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of `trainer:` in the place of others."""
    asked_by: dict[str, str] = field(default_factory=dict)
    """Option → the class that asks for it."""
    checkpoints: list[Any] = field(default_factory=list)
    """Those that are told at the end where the checkpoints lie."""
    every: list[Any] = field(default_factory=list)
    """All of Lightning's, in their order, as `trainer.callbacks` has them."""


def is_callback(thing: Any) -> bool:
    """Whether an object is a callback of Lightning's."""
    return lightning_class(thing, "Callback") is not None


def answer_callbacks(given: Iterable[Any]) -> Answers:
    """What each callback becomes. Raises ConfigError, or ManyErrors, for those that have no counterpart, with our own option."""
    answers, errors = Answers(), list[RequestError]()
    for each in given:
        try:
            _answer(each, answers)
        except RequestError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)
    return answers


def _answer(given: Any, answers: Answers) -> None:
    if isinstance(given, Callback):
        answers.own.append(given)
        return
    if not is_callback(given):
        fix = instead_of(given) or "derive it from trainwright.Callback, or from Lightning's, and give an instance"
        name = f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"
        raise ConfigError(f"{name} is no callback", where="callbacks", fix=fix)
    if isinstance(given, type):
        raise ConfigError(f"the class {given.__name__} is no callback", where="callbacks", fix=f"give an instance: {given.__name__}(…)")
    answers.every.append(given)
    name, kind = _find_known(given), type(given).__name__
    if name in REFUSED:
        raise ConfigError(f"{kind} cannot be called here", where="callbacks", why=_why(name, kind), fix=instead_of(given))
    if name in DONE:
        log.warning("%s is not called: %s", kind, DONE[name])
    elif name not in OPTIONS:
        answers.called.append(given)
    else:
        _refuse_derived(given, name)
        _take_options(answers, name, OPTIONS[name](given))
        answers.checkpoints += [given] if name == "ModelCheckpoint" else []


def _find_known(given: Any) -> str:
    """The class of Lightning's that a callback is or is derived from, where it is one with an answer of its own."""
    names = [each.__name__ for each in type(given).__mro__ if _of_lightning(each)]
    return next((name for name in names if name in REFUSED or name in DONE or name in OPTIONS), "")


def _of_lightning(kind: type) -> bool:
    return any(kind.__module__ == root or kind.__module__.startswith(f"{root}.") for root in ROOTS)


def _why(name: str, kind: str) -> str:
    derived = "" if name == kind else f"it is a {name}, and "
    return f"{derived}it works on what Lightning's loops hold, which are not here"


def _refuse_derived(given: Any, name: str) -> None:
    """Raise ConfigError for a class of a person's own that overrides what is not called."""
    kind = type(given)
    own = [each for base in kind.__mro__ if not _of_lightning(base) and base is not object for each in vars(base) if each[0] != "_"]
    if own:
        what = f"{kind.__name__} overrides {', '.join(dict.fromkeys(own))} of {name}, which is not called here"
        fix = f"put them into a plain callback beside it; what {name} does is done by {instead_of(given)}"
        raise ConfigError(what, where="callbacks", why=f"a {name} becomes options of the run", fix=fix)


def _take_options(answers: Answers, name: str, options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if option == "callbacks":
            answers.options["callbacks"] = [*answers.options.get("callbacks", []), *value]
        else:
            answers.options = join_checkpoints(answers.options, {option: value})
        answers.asked_by.setdefault(option, name)


def with_answers(options: Mapping[str, Any], answers: Answers) -> dict[str, Any]:
    """The options of a run with those that callbacks ask for. Raises ConfigError where both say something else of one."""
    joined = dict(options)
    for name, value in answers.options.items():
        given = joined.get(name)
        if given is None or given == value:
            joined[name] = value
        elif isinstance(given, Mapping) and isinstance(value, Mapping) and all(given.get(key, each) == each for key, each in value.items()):
            joined[name] = {**value, **given}
        else:
            what = f"{answers.asked_by[name]} asks for {name}={value!r}, and {name}={given!r} is given too"
            raise ConfigError(what, where=f"tw.fit({name})", why="they cannot both hold", fix=f"keep {name}=, or the callback")
    return joined


def merge_callbacks(given: Sequence[Any], module: Any) -> list[Any]:
    """Those given and those of the module's `configure_callbacks`, which take the place of given ones of their class, as in Lightning."""
    of_module = module.configure_callbacks() if overrides(module, "configure_callbacks") else None
    own = list(of_module) if isinstance(of_module, Sequence) else [] if of_module is None else [of_module]
    kinds = {type(each) for each in own}
    return [*(each for each in given if type(each) not in kinds), *own]


def refuse_untaken(answers: Answers, model: Any) -> None:
    """Raise ConfigError for callbacks of `configure_callbacks` that would become options of a run whose options a file says."""
    names = [*dict.fromkeys(answers.asked_by.values()), *(type(each).__name__ for each in answers.own)]
    if names:
        said = "; ".join(f"trainer.{name}: {value}" for name, value in answers.options.items())
        fix = f"write it there, and leave the callback out: {said}" if said else "name it in trainer.callbacks: ./file.py:Class"
        what = f"configure_callbacks gives {', '.join(names)}, which the configuration does not know of"
        raise ConfigError(what, where=type(model).__name__, why="the options of this run are those of its file", fix=fix)


def refuse_callbacks(given: Sequence[Any], model: Any) -> None:
    """Raise ConfigError, or ManyErrors, for callbacks of Lightning's on a model that is no LightningModule, naming our own options."""
    kind = type(model).__name__
    why = f"{kind} is no LightningModule, which they are given"
    errors: list[RequestError] = [
        ConfigError(f"{type(each).__name__} of Lightning cannot be called here", where="tw.fit(callbacks)", why=why, fix=instead_of(each))
        for each in given
    ]
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)
