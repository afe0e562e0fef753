"""Parameters that share a learning rate, a weight decay and a schedule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.model import PartConfig
from trainwright.config.name_patterns import fits
from trainwright.optim.layer_depth import is_norm, layers_of
from trainwright.optim.matching import SystemNames
from trainwright.optim.parameter_options import ParameterOptions
from trainwright.optim.parametrized import parametrized_ids, refuse_decayed_signs
from trainwright.optim.rules import Settings, of_parameters

WHERE = "trainer.parameters"
NO_DECAY, PARAMETRIZED = "(no decay)", "(parametrized)"


@dataclass
class ParameterGroup:
    """Parameters that share their settings; its learning rate is the optimizer's times `scale`, unless it has a schedule of its own."""

    label: str
    names: list[str]
    params: list[nn.Parameter]
    scale: float = 1.0
    """Learning rate relative to the optimizer's; may be changed between steps."""
    own_rate: bool = False
    """Whether a rule gave the learning rate as such and not as a scale."""
    weight_decay: float | None = None
    """None is the optimizer's own; may be changed between steps."""
    schedule: PartConfig | None = None
    """Options of the group's own schedule; groups with the same options object share one schedule."""
    rate: float | None = None
    """Learning rate of the next step where the group has a schedule of its own (`scale` included); None follows the optimizer's."""
    frozen_until: Duration | None = None
    """Not trained before."""
    frozen_from: Duration | None = None
    """Not trained from there on."""
    parametrized: bool = False
    """Whether these are no weights themselves, and weights are computed from them."""

    def learning_rate(self, of_the_optimizer: float) -> float:
        """The learning rate of the next step, from that of the optimizer."""
        return of_the_optimizer * self.scale if self.rate is None else self.rate


def one_group(named: Iterable[tuple[str, nn.Parameter]], label: str = "default", computing: Collection[int] = ()) -> list[ParameterGroup]:
    """All parameters that need a gradient in one group with the optimizer's own settings; empty when there are none.

    Those of `computing`, identities of parametrized ones, are in a second group without decay.
    """
    trained = {name: param for name, param in named if param.requires_grad}
    plain = {name: param for name, param in trained.items() if id(param) not in computing}
    others = {name: param for name, param in trained.items() if id(param) in computing}
    groups = [ParameterGroup(label, list(plain), list(plain.values()))] if plain else []
    if others:
        groups.append(
            ParameterGroup(f"{label} {PARAMETRIZED} {NO_DECAY}", list(others), list(others.values()), weight_decay=0.0, parametrized=True)
        )
    return groups


def as_groups(given: Iterable[ParameterGroup | tuple[str, nn.Parameter]]) -> list[ParameterGroup]:
    """Groups as they are; named parameters as one group, after them."""
    items = list(given)
    groups = [item for item in items if isinstance(item, ParameterGroup)]
    return groups + one_group(item for item in items if not isinstance(item, ParameterGroup))


def parameter_groups(
    config: ParameterOptions, system: nn.Module, base_learning_rate: float, own_weight_decay: float, where: str = WHERE
) -> list[ParameterGroup]:
    """The groups that the configuration makes of a system's parameters; those frozen for good are in none.

    `base_learning_rate` and `own_weight_decay` are the optimizer's. Raises ConfigError for a rule that names nothing, and when every
    parameter is frozen for good; RequestError when none needs a gradient to begin with.
    """
    names = SystemNames(system)
    settings = of_parameters(config.rules, names, where)
    trained = {name: param for name, param in names.params.items() if param.requires_grad and not settings[name].for_good}
    if not trained:
        raise _nothing_trained(any(param.requires_grad for param in names.params.values()), where)
    undecayed = without_decay(config, system, names, where)
    depth = layer_scales(config.layer_decay, system, where)
    computing = parametrized_ids(system)
    asked = {name: param for name, param in trained.items() if settings[name].weight_decay and name not in undecayed}
    refuse_decayed_signs(system, asked, f"{where}.rules")
    groups: dict[str, ParameterGroup] = {}
    for name, param in trained.items():
        computes = id(param) in computing
        spared = name in undecayed or (computes and settings[name].weight_decay is None)
        made = _group_of(settings[name], spared, computes, depth.get(name), base_learning_rate, own_weight_decay, where)
        group = groups.setdefault(made.label, made)
        group.names.append(name)
        group.params.append(param)
    return list(groups.values())


def _group_of(
    settings: Settings, undecayed: bool, computes: bool, depth: tuple[int, float] | None, base: float, own_decay: float, where: str
) -> ParameterGroup:
    """An empty group with the settings of one parameter; equal labels have equal settings."""
    asked = own_decay if settings.weight_decay is None else settings.weight_decay
    scale = settings.scale if settings.scale is not None else 1.0
    words = [" + ".join(settings.labels)] if settings.labels else []
    if settings.learning_rate is not None:
        if not base:
            why = "the optimizer's is 0, and its schedule multiplies both"
            raise ConfigError("a rule's learning_rate needs an optimizer that has one", where=where, why=why)
        scale = settings.learning_rate / base
    elif depth is not None:
        scale *= depth[1]
        words.append(f"layer {depth[0]}")
    words = words or ["default"]
    if computes:
        words.append(PARAMETRIZED)
    if undecayed and asked:
        words.append(NO_DECAY)
    return ParameterGroup(
        " ".join(words),
        [],
        [],
        scale=scale,
        own_rate=settings.learning_rate is not None,
        weight_decay=0.0 if undecayed and asked else settings.weight_decay,
        schedule=settings.schedule,
        frozen_until=settings.freeze if isinstance(settings.freeze, Duration) else None,
        frozen_from=settings.freeze_from,
        parametrized=computes,
    )


def without_decay(config: ParameterOptions, system: nn.Module, names: SystemNames, where: str = WHERE) -> set[str]:
    """Names of the parameters without weight decay: those marked in code, and those that `no_decay` asks for."""
    found = _find_marked(system, names)
    if isinstance(config.no_decay, list):
        return found | (names.parameters(config.no_decay, (), f"{where}.no_decay") if config.no_decay else set())
    if config.no_decay:
        of_norms = {id(param) for module in system.modules() if is_norm(module) for param in module.parameters(recurse=False)}
        found |= {name for name, param in names.params.items() if param.dim() <= 1 or id(param) in of_norms or _is_bias(name)}
    return found


def _is_bias(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith("bias") or last.endswith("bias")


def _find_marked(system: nn.Module, names: SystemNames) -> set[str]:
    """Parameters with `_no_weight_decay`, and those that a module's `no_weight_decay()` names relative to itself, as timm's models do."""
    found = {name for name, param in names.params.items() if getattr(param, "_no_weight_decay", False)}
    for path, module in system.named_modules():
        listing = getattr(module, "no_weight_decay", None)
        if callable(listing):
            patterns = [f"{path}.{each}" if path else each for each in listing()]
            found |= {name for name in names.params if any(fits(name, pattern) for pattern in patterns)}
    return found


def layer_scales(decay: float | None, system: nn.Module, where: str = WHERE) -> Mapping[str, tuple[int, float]]:
    """Parameter name → number of its layer from the input, and decay^(layers between it and the last) (Clark et al. 2020)."""
    if decay is None:
        return {}
    layers = layers_of(system)
    if len(layers) < 2:
        fix = "set learning_rate_scale by rules instead"
        raise ConfigError("layer_decay finds no layers", where=f"{where}.layer_decay", why="the system has no numbered blocks", fix=fix)
    last = len(layers) - 1
    return {name: (number, decay ** (last - number)) for number, layer in enumerate(layers) for name in layer.names}


def _nothing_trained(some_could_be: bool, where: str) -> RequestError:
    if some_could_be:
        fix = "keep some trained with a later rule, for example {match: head, freeze: false}"
        return ConfigError("every parameter is frozen for good", where=f"{where}.rules", fix=fix)
    return RequestError("the model has no parameters to train", fix="let some parameter have requires_grad=True")
