"""Weights filled by rules: by class of module and by name, in a fixed order, from torch's default generator."""

from __future__ import annotations

import fnmatch
import inspect
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError, did_you_mean
from trainwright.config.foreign import found_at, is_path
from trainwright.config.name_patterns import as_list, meant_by
from trainwright.config.own_code import describe_failure
from trainwright.nn.init_options import Init, InitFunction, InitRule
from trainwright.nn.module_names import Weight, find_modules, find_weights, weights_of

log = logging.getLogger("trainwright.nn")

Fill = Callable[..., Any]


@dataclass(frozen=True)
class Applied:
    """One weight (or, for a rule's `function`, one module) and how it was filled."""

    name: str
    shape: tuple[int, ...]
    """Of the weight; empty for a module."""
    how: str
    """The function and its arguments, for example `xavier_uniform(gain=1.4)`."""
    rule: int
    """The number of the rule, from 0; of several entries with one name the last holds."""
    note: str = ""


def lecun_normal(tensor: Tensor, truncated: bool = False) -> Tensor:
    """Fill with N(0, 1 / fan_in) (LeCun et al. 1998); `truncated` cuts at two standard deviations and widens to keep that variance."""
    std = math.sqrt(1 / fan_in(tensor))
    if not truncated:
        return nn.init.normal_(tensor, 0.0, std)
    std /= 0.87962566103423978  # the deviation of a standard normal that is cut at ±2
    return nn.init.trunc_normal_(tensor, 0.0, std, -2 * std, 2 * std)


def lecun_uniform(tensor: Tensor) -> Tensor:
    """Fill with U(−√(3 / fan_in), √(3 / fan_in)), whose variance is 1 / fan_in."""
    bound = math.sqrt(3 / fan_in(tensor))
    return nn.init.uniform_(tensor, -bound, bound)


def fan_in(tensor: Tensor) -> int:
    """Inputs of one unit of a weight (out, in, *kernel). Raises ValueError for a tensor of fewer than two dimensions."""
    if tensor.dim() < 2:
        raise ValueError("fan in can not be computed for tensor with fewer than 2 dimensions")
    return tensor.size(1) * math.prod(tensor.shape[2:])


def init_functions() -> dict[str, Fill]:
    """Every function that can be named: those of torch.nn.init without their last `_`, and LeCun's."""
    public = {name: value for name, value in vars(nn.init).items() if inspect.isfunction(value) and not name.startswith("_")}
    found: dict[str, Fill] = {name[:-1]: value for name, value in public.items() if name.endswith("_")}
    return found | {"lecun_normal": lecun_normal, "lecun_uniform": lecun_uniform}


@torch.no_grad()
def apply_init(model: nn.Module, rules: Sequence[InitRule], where: str = "init") -> list[Applied]:
    """Fill the weights that the rules name, in order of rules and then of registration; tied weights once.

    Raises ConfigError, before anything is filled, for a pattern that names nothing (with the nearest name) or a function that cannot be
    had; and for a function that does not fit the shape it is given.
    """
    weights = weights_of(model)
    jobs = [job for number, rule in enumerate(rules) for job in _jobs(model, weights, number, rule, f"{where}.{number}")]
    applied = []
    for job in jobs:
        applied.append(job())
        if applied[-1].note:
            log.warning("%s: %s (%s)", applied[-1].name, applied[-1].note, applied[-1].how)
    return applied


def check_rules(rules: Sequence[InitRule], where: str = "init") -> None:
    """Raise ConfigError for a function that cannot be had, or not be called so."""
    for number, rule in enumerate(rules):
        _fillings(rule, f"{where}.{number}")
        if rule.function is not None:
            _function(rule.function, f"{where}.{number}.function")


def report(applied: Sequence[Applied]) -> str:
    """What was filled how, one line each, for the log; only the entry that holds where a name comes twice."""
    last = {each.name: each for each in applied}
    wide = max((len(name) for name in last), default=0)
    shapes = {name: "×".join(map(str, each.shape)) for name, each in last.items()}
    long = max((len(shape) for shape in shapes.values()), default=0)
    return "\n".join(f"{name:{wide}}  {shapes[name]:{long}}  {each.how}  (rule {each.rule})" for name, each in last.items())


def _jobs(model: nn.Module, weights: list[Weight], number: int, rule: InitRule, where: str) -> list[Callable[[], Applied]]:
    modules = find_modules(model, as_list(rule.modules), f"{where}.modules")
    names = as_list(rule.names)
    chosen = find_weights(weights, names, f"{where}.names")
    if rule.modules:
        owners = {id(module) for module in modules.values()}
        chosen = [weight for weight in chosen if id(weight.module) in owners]
    jobs = _fills(chosen, number, rule, where)
    if rule.function is not None:
        meant = [meant_by(name, list(modules)) for name in names]
        called = [(path, each) for path, each in modules.items() if not names or (path and any(means(path) for means in meant))]
        if not called:
            raise ConfigError("modules and names together name no module to call the function with", where=where, fix="drop one of them")
        jobs += _calls(called, rule.function, number, f"{where}.function")
    return jobs


def _fills(chosen: list[Weight], number: int, rule: InitRule, where: str) -> list[Callable[[], Applied]]:
    fills = _fillings(rule, where)
    picked = [(weight, next((glob for glob in fills if fnmatch.fnmatchcase(weight.name, glob)), None)) for weight in chosen]
    for glob in fills:
        if not any(fnmatch.fnmatchcase(weight.name, glob) for weight in chosen):
            there = list(dict.fromkeys(weight.name for weight in chosen))
            why = "" if there else "modules and names together name no weight"
            key = glob.strip("*")
            fix = did_you_mean(key, there) or "drop modules or names"
            raise ConfigError(f"the rule names nothing with '{key}' in its name", where=f"{where}.{key}", why=why, fix=fix)
    return [_Filling(weight, *fills[glob], number, where) for weight, glob in picked if glob is not None]


def _fillings(rule: InitRule, where: str) -> dict[str, tuple[Fill, str]]:
    """Glob on the own names of weights → the function that fills them, and how it is called in reports."""
    kinds: dict[str, Init] = dict(rule.parameters)
    kinds |= {f"*{key}*": value for key, value in (("weight", rule.weight), ("bias", rule.bias)) if value is not None}
    return {glob: _fill(init, f"{where}.{glob.strip('*')}") for glob, init in kinds.items()}


@dataclass(frozen=True)
class _Filling:
    weight: Weight
    fill: Fill
    how: str
    rule: int
    where: str

    def __call__(self) -> Applied:
        value = self.weight.value
        if is_lazy(value) or value.is_meta:
            what = f"'{self.weight.path}' has no values yet"
            raise ConfigError(what, where=self.where, why="it is lazy or on the meta device", fix="initialise after the dry run")
        filled = value.clone() if self.weight.parametrised else value
        self._run(filled)
        note = _symmetry(self.how, filled)
        module = self.weight.module
        if self.weight.name == "weight" and isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None:
            filled[module.padding_idx].zero_()
        if self.weight.parametrised:
            self._assign(filled)
        return Applied(self.weight.path, tuple(value.shape), self.how, self.rule, note)

    def _run(self, tensor: Tensor) -> None:
        try:
            given = self.fill(tensor)
            if isinstance(given, Tensor) and given is not tensor:
                if given.shape != tensor.shape:
                    raise ValueError(f"it gave a tensor of shape {tuple(given.shape)}")
                tensor.copy_(given)
        except FOREIGN as error:
            what = f"{self.how} cannot fill '{self.weight.path}' of shape {tuple(tensor.shape)}"
            raise ConfigError(what, where=self.where, why=describe_failure(error), fix="narrow the rule with modules or names") from error

    def _assign(self, filled: Tensor) -> None:
        try:
            setattr(self.weight.module, self.weight.name, filled)
        except NotImplementedError as error:
            what = f"'{self.weight.path}' cannot be filled through its parametrization"
            raise ConfigError(
                what, where=self.where, why=str(error), fix="initialise before parametrising, or write right_inverse"
            ) from error


def _symmetry(how: str, tensor: Tensor) -> str:
    same = tensor.dim() > 1 and tensor.numel() > 1 and how.partition("(")[0] in ("constant", "zeros", "ones")
    return "all its units begin the same and learn the same; give weights a random start" if same else ""


def _fill(init: Init, where: str) -> tuple[Fill, str]:
    """The function to call with a tensor, and how it is called in reports."""
    if isinstance(init, bool | int | float):
        return (lambda tensor: nn.init.constant_(tensor, float(init))), f"constant({init:g})"
    options: Mapping[str, Any] = (init.model_extra or {}) if isinstance(init, InitFunction) else {}
    name = init.type if isinstance(init, InitFunction) else init
    function = _function(name, where)
    try:
        inspect.signature(function).bind(None, **options)
    except TypeError as error:
        allowed = [each for each in list(inspect.signature(function).parameters)[1:] if each != "generator"]
        wrong = next((each for each in options if each not in allowed), "")
        fix = did_you_mean(wrong, allowed) if wrong else f"it takes {', '.join(allowed) or 'nothing more'}"
        raise ConfigError(f"'{name}' cannot be called so", where=where, why=str(error), fix=fix) from error
    shown = ", ".join(f"{key}={value}" for key, value in options.items())
    return (lambda tensor: function(tensor, **options)), f"{name.removesuffix('_')}({shown})" if shown else name.removesuffix("_")


def _function(name: str, where: str) -> Fill:
    table = init_functions()
    folded = name.removesuffix("_").replace("-", "_")
    if folded in table:
        return table[folded]
    if not is_path(name):
        begun = [f"'{each}'" for each in table if folded and each.startswith(f"{folded}_")]
        fix = f"did you mean {' or '.join(begun)}?" if begun else did_you_mean(folded, table)
        raise ConfigError(f"there is no initialisation '{name}'", where=where, fix=fix)
    try:
        return found_at(name)[0]
    except ConfigError as error:
        raise ConfigError(error.what, where=where, why=error.why, fix=error.fix) from error


def _calls(modules: list[tuple[str, nn.Module]], path: str, number: int, where: str) -> list[Callable[[], Applied]]:
    function = _function(path, where)

    def call(name: str, module: nn.Module) -> Applied:
        try:
            function(module)
        except FOREIGN as error:
            shown = f"'{name}'" if name else "the model"
            why = describe_failure(error)
            raise TrainwrightError(f"'{path}' fails on {shown} ({type(module).__name__})", where=where, why=why) from error
        return Applied(name, (), path, number)

    innermost_first = sorted(modules, key=lambda each: -(each[0].count(".") + bool(each[0])))
    return [lambda name=name, module=module: call(name, module) for name, module in innermost_first]  # type: ignore[misc]
