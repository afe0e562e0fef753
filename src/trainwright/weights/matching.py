"""Weights laid beside a model: what fits, what is missing, what is left over; nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.weights.adaptation import Adapter, find_heads
from trainwright.weights.names import matches, pair_names, rename, under
from trainwright.weights.options import AdaptationOptions
from trainwright.weights.report import Misfit, WeightReport, list_names
from trainwright.weights.sources import Weights


@dataclass
class Match:
    """A report of what would be loaded, and the tensors to load by the model's names."""

    report: WeightReport
    values: dict[str, Tensor]
    own: dict[str, Tensor]
    """The model's tensors, parameters as parameters."""
    theirs: dict[str, Tensor]
    """The source's tensors by the name that was looked for."""
    adapter: Adapter | None = None
    """What makes tensors of another shape fit."""


def match(
    module: nn.Module,
    weights: Weights,
    *,
    submodule: str = "",
    ignore: Sequence[str] = (),
    renames: Mapping[str, str] | None = None,
    partial: bool = False,
    adapt: AdaptationOptions | None = None,
) -> Match:
    """Find the place of every tensor, made to fit by the rules of `adapt`.

    Raises ConfigError while lazy layers have no shapes, or for two tensors in one place.
    """
    own = own_tensors(module)
    report = WeightReport(weights.where, step=weights.step, epoch=weights.epoch, notes=list(weights.notes))
    report.architecture = weights.architecture
    tensors = _name_tensors(weights, own)
    inside = under(tensors, submodule, weights.where)
    names, unused = rename(inside, renames or {})
    report.notes += [f"no name begins with '{each}' or fits it, which was to be renamed" for each in unused]
    held = {names[name]: tensors[name] for name in inside}
    _refuse_doubles(names, weights.where)
    unbaked = _unbake(module, held, own)
    report.notes += [f"carried back through the parametrisation: {list_names(list(unbaked))}"] if unbaked else []
    held |= unbaked
    shapes = {name: (name, tuple(value.shape)) for name, value in held.items()}
    places, said = pair_names(shapes, {name: tuple(value.shape) for name, value in own.items()}, guess=partial)
    report.notes += [said] if said else []
    adapter = None if adapt is None else Adapter(module, own, held, places, adapt)
    found = Match(report, {}, own, {}, adapter)
    origin = {new: old for old, new in names.items()}
    used: set[str] = set()
    for name, value in held.items():
        _place(found, origin.get(name, name), places[name], value, ignore, used, partial)
    _close(found, ignore, used)
    return found


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module's state; raises ConfigError while lazy layers have no shapes."""
    own = {name: value for name, value in module.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    lazy = [name for name, value in own.items() if is_lazy(value)]
    if lazy:
        why = f"{list_names(lazy)} of lazy layers have no shapes yet"
        raise ConfigError("weights cannot be loaded yet", why=why, fix="run the module once on a batch first, then load")
    if not own:
        raise ConfigError(f"{type(module).__name__} has no weights to load", why="it has no parameters and no buffers that are saved")
    return own


def _name_tensors(weights: Weights, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The source's tensors; the one of an .npy file, which has no name, gets that of the model's one tensor."""
    if set(weights.tensors) != {""}:
        return weights.tensors
    if len(own) != 1:
        fix = "load it into the part that it belongs to, or save all of them: np.savez(file, **arrays)"
        raise ConfigError("an .npy file holds one tensor without a name", where=weights.where, why=f"the model has {len(own)}", fix=fix)
    return {next(iter(own)): weights.tensors[""]}


def _refuse_doubles(names: Mapping[str, str], where: str) -> None:
    seen: dict[str, str] = {}
    for source, name in names.items():
        if name in seen:
            why = f"{seen[name]} and {source} both become {name}"
            raise ConfigError("two tensors of these weights get one name", where=where, why=why, fix="rename only one of them")
        seen[name] = source


def _unbake(module: nn.Module, held: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For weights that the model parametrises and the source holds plain: what the parametrisation needs to give them."""
    found: dict[str, Tensor] = {}
    for path, part in module.named_modules():
        before, mark, name = path.rpartition("parametrizations.")
        plain = f"{before}{name}"
        if not isinstance(part, ParametrizationList) or not mark or plain not in held:
            continue
        value = _invert(part, plain, held[plain])
        parts = [value] if isinstance(value, Tensor) else list(value)
        ends = ["original"] if part.is_tensor else [f"original{number}" for number in range(len(parts))]
        found |= {f"{path}.{end}": each for end, each in zip(ends, parts, strict=True) if f"{path}.{end}" in own}
    return found


def _invert(part: ParametrizationList, name: str, value: Tensor) -> Any:
    """The weight carried back through every parametrisation, the last one first."""
    with torch.no_grad():
        original = next(part.parameters(recurse=False), value)
        found: Any = value.to(device=value.device if original.is_meta else original.device, dtype=original.dtype)
        for each in reversed(list(part)):
            if not hasattr(each, "right_inverse"):
                fix = "load weights of a model with the same parametrisation, or give it a right_inverse"
                why = f"{type(each).__name__} has no right_inverse"
                raise ConfigError(f"'{name}' is parametrised here and plain in the source", why=why, fix=fix)
            inverse: Callable[[Any], Any] = each.right_inverse  # type: ignore[assignment]
            found = inverse(found)
    return found


def _place(found: Match, source: str, name: str, value: Tensor, ignore: Sequence[str], used: set[str], partial: bool) -> None:
    report = found.report
    pattern = matches(source, ignore) or matches(name, ignore)
    if pattern:
        used.add(pattern)
        report.ignored.append(name)
        return
    if name not in found.own:
        if not any(each.startswith(f"{_parametrised_name(name)}.") for each in found.own):
            report.unexpected.append(source)
            found.theirs[source] = value
        return
    if name in found.values:
        raise ConfigError("two tensors of these weights have one place", where=report.source, why=f"one of them is {source}, for {name}")
    ours = found.own[name]
    misfit = Misfit(name, tuple(value.shape), tuple(ours.shape), unfit_type(value, ours))
    if misfit.why or (misfit.theirs != misfit.ours and not _same_but_ones(misfit, partial)):
        adapted = None if misfit.why or found.adapter is None else found.adapter.fit(name, value, ours)
        if adapted is None:
            report.dropped.append(misfit)
            return
        value = adapted.value
        report.adapted.append(adapted.said)
    elif misfit.theirs != misfit.ours:
        report.reshaped.append(misfit)
    if source != name:
        report.renamed[source] = name
    report.loaded.append(name)
    found.values[name] = value.reshape(ours.shape)


def _parametrised_name(name: str) -> str:
    before, _, last = name.rpartition(".")
    return f"{before}.parametrizations.{last}" if before else f"parametrizations.{last}"


def _same_but_ones(misfit: Misfit, partial: bool) -> bool:
    """Whether only dimensions of size 1 differ; a single number always fits."""
    theirs, ours = ([size for size in shape if size != 1] for shape in (misfit.theirs, misfit.ours))
    return theirs == ours and (partial or not ours)


def unfit_type(value: Tensor, ours: Tensor) -> str:
    """Why a tensor cannot become one of our type, or nothing: values would be lost that are no rounding."""
    if value.is_complex() and not ours.is_complex():
        return f"{_name(value)} does not fit {_name(ours)}"
    whole = not (ours.is_floating_point() or ours.is_complex())
    if whole and value.dtype != ours.dtype and not torch.equal(value.to(ours.dtype).to(value.dtype), value):
        return f"values of {_name(value)} that {_name(ours)} cannot hold"
    return ""


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _close(found: Match, ignore: Sequence[str], used: set[str]) -> None:
    """Sort what is left of the model's tensors: tied to one that was loaded, ignored, or missing; and say what was rounded."""
    report = found.report
    loaded = {id(found.own[name]) for name in found.values}
    dropped = {each.name for each in report.dropped}
    for name, tensor in found.own.items():
        if name in found.values or name in dropped or name in report.ignored:
            continue
        pattern = matches(name, ignore)
        if id(tensor) in loaded:
            report.loaded.append(name)
        elif pattern:
            used.add(pattern)
            report.ignored.append(name)
        else:
            report.missing.append(name)
    names = [*found.own, *found.theirs]
    for each in ignore:
        if each not in used:
            report.notes.append(
                f"no name matches '{each}', which was to be ignored; {did_you_mean(each, sorted({n.partition('.')[0] for n in names}))}"
            )
    report.heads = {} if found.adapter is None else find_heads(report.dropped, found.own)
    report.numbers = sum({id(found.own[name]): found.own[name].numel() for name in report.loaded}.values())
    report.notes += _note_rounding(found)


def _note_rounding(found: Match) -> list[str]:
    """Notes on casts that changed values."""
    kinds: dict[tuple[str, str], list[str]] = {}
    lost: list[str] = []
    for name, value in found.values.items():
        ours = found.own[name]
        if value.dtype == ours.dtype:
            continue
        cast = value.to(ours.dtype)
        if not _same(cast.to(value.dtype), value):
            kinds.setdefault((_name(value), _name(ours)), []).append(name)
        if value.is_floating_point() and bool((cast.isinf() & value.isfinite()).any()):
            lost.append(name)
    notes = [f"{len(names)} tensors were rounded from {old} to {new}: {list_names(names)}" for (old, new), names in kinds.items()]
    return notes + ([f"values too large for the model's type became infinite in {list_names(lost)}"] if lost else [])


def _same(first: Tensor, second: Tensor) -> bool:
    return bool(((first == second) | ((first != first) & (second != second))).all())
