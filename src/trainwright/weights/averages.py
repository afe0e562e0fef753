"""One of several averages of the weights that a run kept: `ema=0.999`, `swa`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from trainwright.checkpoint.manifest import MANIFEST, read_manifest
from trainwright.checkpoint.names import FOLDER
from trainwright.checkpoint.pointers import follow_pointer
from trainwright.config.errors import RequestError, did_you_mean
from trainwright.weights.sources import AVERAGED, AVERAGES, Weights, open_checkpoint, read_weights

NAMED = re.compile(r"ema=(.*)|swa")
EMA, POWER, SWA = "ema_", "sigma_rel_", "swa"


def names_average(text: str) -> bool:
    """Whether a text names an average: `ema=0.999` or `swa`."""
    return NAMED.fullmatch(text) is not None


def evaluated_average(decays: Sequence[float], evaluate: bool) -> str:
    """The name of the average that stands for the weights of a run with these options of `trainer.ema`; empty where none does."""
    return f"{EMA}{decays[0]!r}" if decays and evaluate else ""


def choose_average(text: str, checkpoint: str, evaluated: str = "") -> str:
    """The name of the average of a checkpoint that `ema=0.999` or `swa` means; `evaluated` is the one that is evaluated.

    Raises RequestError where it holds none of that decay, naming those that it does.
    """
    there = averages_in(checkpoint, evaluated)
    wanted = SWA if text == SWA else f"{EMA}{_decay(text)!r}"
    if wanted not in there:
        shown = [each.replace(EMA, "ema=", 1).replace(POWER, "sigma_rel=", 1) for each in there]
        why = f"it kept {', '.join(shown)}" if there else "it kept none"
        fix = did_you_mean(text, shown) if there else "leave --weights out; trainer.ema=[0.99, 0.999] keeps two from the start of a run"
        raise RequestError(f"this run has no average '{text}'", where=f"--weights {text}", why=why, fix=fix)
    return wanted


def averages_in(checkpoint: str, evaluated: str = "") -> list[str]:
    """The names of the averages of a checkpoint, the evaluated one first: `ema_0.999`, …, `swa`. Raises RunError for a damaged one."""
    found = open_checkpoint(follow_pointer(Path(checkpoint)))
    kept = {each.partition("/")[0].partition(":")[0] for each in found.tensors(AVERAGES)}
    first = [evaluated] if evaluated and found.has(AVERAGED) else []
    return [*first, *sorted(kept - set(first))]


def read_average(module: nn.Module, checkpoint: str, name: str, evaluated: str = "") -> Weights:
    """The weights of a checkpoint with the parameters of one of its averages, under each of the names that `module` has for them."""
    if name == evaluated:
        return read_weights(checkpoint)[0]
    found = _of_average(Path(checkpoint), name)
    return _with_parameters(module, checkpoint, found, f"the average {name.replace(EMA, 'ema=', 1)} was taken")


def kept_averages(folder: Path, prefix: str) -> list[tuple[int, str, Path]]:
    """Step, name and checkpoint of every average in a folder of checkpoints whose name begins so, in order of steps.

    Raises RunError for a damaged checkpoint.
    """
    steps = [each for each in folder.iterdir() if FOLDER.fullmatch(each.name) and (each / MANIFEST).is_file()] if folder.is_dir() else []
    found = []
    for path in steps:
        checkpoint = open_checkpoint(path)
        if not checkpoint.has(AVERAGES):
            continue
        names = {key.partition("/")[0] for key in checkpoint.tensors(AVERAGES)}
        found += [(read_manifest(path).step, name, path) for name in names if name.startswith(prefix)]
    return sorted(found)


def read_sum(module: nn.Module, checkpoint: str, terms: Sequence[tuple[float, str, Path]], note: str) -> Weights:
    """The weights of a checkpoint with the sum of averages, each with a coefficient, for parameters; summed in float64."""
    total: dict[str, Tensor] = {}
    for coefficient, name, path in terms:
        for key, each in _of_average(path, name).items():
            wide = each.to(torch.complex128 if each.is_complex() else torch.float64) * coefficient
            total[key] = wide if key not in total else total[key] + wide
    kinds = {key: each.dtype for key, each in _of_average(terms[-1][2], terms[-1][1]).items()}
    return _with_parameters(module, checkpoint, {key: each.to(kinds[key]) for key, each in total.items()}, note)


def _of_average(checkpoint: Path, name: str) -> dict[str, Tensor]:
    kept = open_checkpoint(follow_pointer(checkpoint)).tensors(AVERAGES)
    return {key.partition("/")[2]: each for key, each in kept.items() if key.startswith((f"{name}/", f"{name}:buffer/"))}


def _with_parameters(module: nn.Module, checkpoint: str, found: Mapping[str, Tensor], note: str) -> Weights:
    """The weights of a checkpoint with these in place of its own, under each of the names that `module` has for a parameter."""
    weights, _ = read_weights(checkpoint, averaged=False)
    by_parameter = {id(each): found[key] for key, each in module.named_parameters(remove_duplicate=False) if key in found}
    tied = {key: by_parameter[id(each)] for key, each in module.named_parameters(remove_duplicate=False) if id(each) in by_parameter}
    known = {key: each for key, each in found.items() if key in weights.tensors}
    return replace(weights, tensors={**weights.tensors, **known, **tied}, notes=[*weights.notes, note])


def _decay(text: str) -> float:
    try:
        return float(text.partition("=")[2])
    except ValueError:
        raise RequestError(f"'{text}' names no decay", where=f"--weights {text}", fix="write a number: --weights ema=0.999") from None
