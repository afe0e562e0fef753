"""State dicts of one architecture from parametrised to plain and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from trainwright.config.errors import ConfigError
from trainwright.config.own_code import describe_failure
from trainwright.nn.module_names import Weight
from trainwright.nn.parametrizations import evaluate_weight, parametrised_weights

ITERATIONS = 50
"""Of the power method, when spectral norm is given another weight; it begins from vectors that have nothing to do with it."""


@torch.no_grad()
def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict that `bake` would leave, without taking anything off: weights as evaluation sees them, under plain names."""
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    for weight in parametrised_weights(model):
        with evaluate_weight(weight):
            value = weight.value.detach().clone()
        for alias in weight.aliases:
            state = {name: each for name, each in state.items() if not name.startswith(_prefix(alias))}
            state[alias] = value
    return state


@torch.no_grad()
def load_weights(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Load a state dict of the same architecture, whichever of both is parametrised; name → how, of the weights that were translated.

    A plain weight goes into a parametrised one through `right_inverse`; the two tensors of weight norm become a plain weight. Raises
    ConfigError where there is no such way, and for names or shapes that are not the model's; nothing is loaded then.
    """
    state, translated = dict(state), {}
    assigned: list[tuple[Weight, Tensor]] = []
    for weight in parametrised_weights(model):
        for alias in weight.aliases:
            if alias in state and not any(name.startswith(_prefix(alias)) for name in state):
                assigned.append((weight, state.pop(alias)))
                translated[alias] = "through right_inverse"
    there = set(model.state_dict())
    for name in _parametrised_names(state):
        if not any(key.startswith(_prefix(name)) for key in there):
            state[name] = _join_weight_norm(state, name)
            translated[name] = "computed from weight norm's two tensors"
    given = {_owner(name) for name in there - set(state)} - {weight.path for weight, _ in assigned}
    _check(model, state, {alias for weight, _ in assigned for alias in weight.aliases}, given)
    inverses = [_inverse(weight, value) for weight, value in assigned]
    model.load_state_dict(state, strict=False)
    for weight, value in inverses:
        _assign(weight, value)
        _settle(weight)
    return translated


def _prefix(name: str) -> str:
    module, _, own = name.rpartition(".")
    return f"{module}.parametrizations.{own}." if module else f"parametrizations.{own}."


def _owner(name: str) -> str:
    """The plain name of a tensor inside a parametrization; any other name as it is."""
    module, inside, rest = f".{name}".partition(".parametrizations.")
    return f"{module}.{rest.partition('.')[0]}".lstrip(".") if inside else name


def _parametrised_names(state: Mapping[str, Tensor]) -> list[str]:
    return list(dict.fromkeys(_owner(name) for name in state if _owner(name) != name))


def _join_weight_norm(state: dict[str, Tensor], name: str) -> Tensor:
    """The plain weight of weight norm's magnitude and direction, which are taken out of `state`."""
    inside = {key.removeprefix(_prefix(name)): key for key in state if key.startswith(_prefix(name))}
    if set(inside) != {"original0", "original1"}:
        why = f"it was saved as {', '.join(sorted(inside))}"
        fix = "give the model the same parametrizations, or save plain_state(model) or a baked model"
        raise ConfigError(f"the saved '{name}' is parametrised and the model's is plain", why=why, fix=fix)
    magnitude, direction = (state.pop(inside[key]) for key in ("original0", "original1"))
    kept = [dim for dim, size in enumerate(magnitude.shape) if size == direction.size(dim) and size > 1]
    norm = direction.norm() if magnitude.dim() == 0 else direction.norm(2, [d for d in range(direction.dim()) if d not in kept], True)
    if magnitude.dim() and (len(kept) > 1 or norm.shape != magnitude.shape):
        raise ConfigError(f"the saved '{name}' is not weight norm's", fix="give the model the same parametrizations")
    return direction * (magnitude / norm)


def _inverse(weight: Weight, value: Tensor) -> tuple[Weight, Tensor]:
    if value.shape != weight.value.shape:
        raise ConfigError(f"the saved '{weight.path}' has shape {tuple(value.shape)} and the model's {tuple(weight.value.shape)}")
    for part in weight.module.parametrizations[weight.name]:  # type: ignore[index]
        if not hasattr(part, "right_inverse"):
            what = f"the saved '{weight.path}' is plain and the model's is parametrised"
            fix = "load before parametrising, or give the class a right_inverse"
            raise ConfigError(what, why=f"{type(part).__name__} has no right_inverse", fix=fix)
    return weight, value.to(weight.value)


def _assign(weight: Weight, value: Tensor) -> None:
    try:
        setattr(weight.module, weight.name, value)
    except Exception as error:
        why = describe_failure(error)
        raise ConfigError(f"the saved '{weight.path}' cannot be what its parametrization gives", where=weight.path, why=why) from error


def _settle(weight: Weight) -> None:
    """Bring spectral norm's vectors to the weight that was assigned, with as many iterations as when it is put on."""
    for part in weight.module.parametrizations[weight.name]:  # type: ignore[index]
        if isinstance(part, _SpectralNorm) and weight.value.dim() > 1:
            original = weight.module.parametrizations[weight.name].original  # type: ignore[index, union-attr]
            part._power_method(part._reshape_weight_to_matrix(original), ITERATIONS)


def _check(model: nn.Module, state: Mapping[str, Tensor], assigned: set[str], missing: set[str]) -> None:
    own = model.state_dict()
    missing -= assigned
    unknown = sorted(set(state) - set(own))
    other = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in state
        if name in own and state[name].shape != own[name].shape
    ]
    found = (("missing", sorted(missing)), ("unknown", unknown), ("other shape", other))
    if missing or unknown or other:
        why = "; ".join(f"{word}: {', '.join(names[:5])}" for word, names in found if names)
        raise ConfigError("the weights are of another model", why=why, fix="load them into the model they were saved from")
