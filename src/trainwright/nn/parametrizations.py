"""Parametrizations put on named weights, and taken off with the weights they gave."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations as named
from torch.nn.utils import parametrize
from torch.nn.utils.parametrize import cached as cached

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean
from trainwright.config.foreign import found_at, is_path
from trainwright.config.name_patterns import as_list, matcher, other_spelling
from trainwright.config.own_code import describe_failure
from trainwright.nn.module_names import Weight, find_modules, weights_of
from trainwright.nn.parametrization_options import ParametrizationOptions

NAMED: dict[str, Callable[..., Any]] = {
    "weight_norm": named.weight_norm,
    "spectral_norm": named.spectral_norm,
    "orthogonal": named.orthogonal,
}


def parametrise(model: nn.Module, options: Sequence[ParametrizationOptions], where: str = "parametrizations") -> list[str]:
    """Put the parametrizations on, in order (several on one weight are chained); the full names of the weights, in order.

    Do it after initialisation and before the optimizer is made: the parameters are other ones afterwards. Raises ConfigError for a pattern
    that names no weight (with the nearest name), arguments that do not fit, a weight that another module shares, and a weight that the
    parametrization refuses.
    """
    done = []
    for number, each in enumerate(options):
        here = f"{where}.{number}"
        put_on = _putter(each, here)
        for weight in _choose(model, each, here):
            if len(weight.aliases) > 1 and not _only_shared_modules(model, weight):
                why = f"it is the same tensor as '{weight.aliases[1]}', and a parametrization would part them"
                raise ConfigError(f"'{weight.path}' is tied", where=here, why=why, fix="leave it out, or untie them")
            _try(put_on, weight, each.type, here)
            if isinstance(weight.module, nn.RNNBase):
                _let_copy(weight.module)
            done.append(weight.path)
    return done


def check_parametrizations(options: Sequence[ParametrizationOptions], where: str = "parametrizations") -> None:
    """Raise ConfigError for one that is not known, or whose arguments do not fit."""
    for number, each in enumerate(options):
        _putter(each, f"{where}.{number}")


def parametrised_weights(model: nn.Module) -> list[Weight]:
    """The weights that parametrizations give, in order of registration."""
    return [weight for weight in weights_of(model) if weight.parametrised]


@torch.no_grad()
def bake(model: nn.Module) -> list[str]:
    """Take every parametrization off and keep the weights as evaluation sees them: plain modules, plain state-dict names.

    The full names of the weights. A weight made of several tensors is a new parameter afterwards, which an optimizer does not know; release
    averages of the weights first.
    """
    done = []
    for weight in parametrised_weights(model):
        _part_class(weight.module)
        with evaluate_weight(weight), torch.enable_grad():  # whether the weight is trained is read from its graph
            parametrize.remove_parametrizations(weight.module, weight.name, leave_parametrized=True)
        done.append(weight.path)
    return done


def _choose(model: nn.Module, options: ParametrizationOptions, where: str) -> list[Weight]:
    weights = weights_of(model)
    every = [alias for weight in weights for alias in weight.aliases]
    named: set[str] = set()
    for pattern in as_list(options.names):
        means = matcher(pattern)
        found = {alias for alias in every if means(alias)} or {alias for alias in every if means(other_spelling(alias))}
        if not found:
            raise ConfigError(f"no weight is called '{pattern}'", where=f"{where}.names", fix=did_you_mean(pattern.strip("*."), every))
        named |= found
    chosen = [each for each in weights if not named.isdisjoint(each.aliases)]
    if options.modules:
        owners = {id(each) for each in find_modules(model, as_list(options.modules), f"{where}.modules").values()}
        chosen = [weight for weight in chosen if id(weight.module) in owners]
    if not chosen:
        raise ConfigError("names and modules together name no weight", where=where, fix="drop one of them")
    return chosen


def _only_shared_modules(model: nn.Module, weight: Weight) -> bool:
    """Whether all names of a weight lead to one module, which a parametrization may change."""
    modules = dict(model.named_modules(remove_duplicate=False))
    return all(modules[alias.rpartition(".")[0]] is weight.module for alias in weight.aliases)


def _putter(options: ParametrizationOptions, where: str) -> Callable[[Weight], None]:
    given = dict(options.model_extra or {})
    name = options.type.replace("-", "_")
    if name in NAMED:
        put_on = partial(NAMED[name], **given)
        _check_call(options.type, lambda: inspect.signature(NAMED[name]).bind(None, name="weight", **given), NAMED[name], 2, given, where)
        return lambda weight: _discard(put_on(weight.module, name=weight.name))
    if not is_path(options.type):
        raise ConfigError(f"there is no parametrization '{options.type}'", where=f"{where}.type", fix=did_you_mean(name, NAMED))
    try:
        made_from = found_at(options.type)[0]
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{where}.type", why=error.why, fix=error.fix) from error
    _check_call(options.type, lambda: inspect.signature(made_from).bind(**given), made_from, 0, given, where)

    def put(weight: Weight) -> None:
        part = made_from(**given)
        if not isinstance(part, nn.Module):
            raise TypeError(f"it makes a {type(part).__name__}, and a parametrization is an nn.Module")
        parametrize.register_parametrization(weight.module, weight.name, part, unsafe=options.unsafe)

    return put


def _discard(_: object) -> None:
    """The module that torch's functions hand back is the one they were given."""


def _check_call(name: str, bind: Callable[[], object], function: Callable[..., Any], skip: int, given: dict[str, Any], where: str) -> None:
    try:
        bind()
    except TypeError as error:
        allowed = list(inspect.signature(function).parameters)[skip:]
        wrong = next((each for each in given if each not in allowed), "")
        fix = did_you_mean(wrong, allowed) if wrong else f"it takes {', '.join(allowed)}"
        raise ConfigError(f"'{name}' cannot be made so", where=where, why=str(error), fix=fix) from error


def _try(put_on: Callable[[Weight], None], weight: Weight, name: str, where: str) -> None:
    shape = tuple(weight.value.shape)
    try:
        put_on(weight)
    except FOREIGN as error:
        why = describe_failure(error)
        raise ConfigError(f"'{name}' cannot be put on '{weight.path}' of shape {shape}", where=where, why=why) from error


def _part_class(module: nn.Module) -> None:
    """Give a module a class of its own: deep copies share one, and torch takes the weight's property off the class."""
    shared = type(module)
    own = {name: value for name, value in vars(shared).items() if name not in ("__dict__", "__weakref__")}
    module.__class__ = type(shared.__name__, shared.__bases__, own)


def _let_copy(module: nn.RNNBase) -> None:
    """Let a parametrised recurrent module be deep-copied after it has run, when it holds weights that belong to a graph."""
    made: Any = type(module)  # of this one module: torch makes it a class of its own
    copy_all = made.__deepcopy__
    if getattr(copy_all, "leaves_flat_weights", False):
        return

    def copy(self: Any, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        held, self._flat_weights = self._flat_weights, []
        try:
            replica = copy_all(self, memo)
        finally:
            self._flat_weights = held
        replica._init_flat_weights()
        return replica

    copy.leaves_flat_weights = True  # type: ignore[attr-defined]
    made.__deepcopy__ = copy


@contextmanager
def evaluate_weight(weight: Weight) -> Iterator[None]:
    """A weight's parametrizations in evaluation mode, in which spectral norm iterates no further."""
    modes = {part: part.training for part in weight.module.parametrizations[weight.name].modules()}  # type: ignore[index, union-attr]
    for part in modes:
        part.training = False
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
