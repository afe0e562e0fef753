"""Loading weights into a module: from a file, a run, a checkpoint or a URL, whole or in part, and always with an account of every name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.weights.begun import remember
from trainwright.weights.matching import match
from trainwright.weights.options import AdaptationOptions, WeightsOptions
from trainwright.weights.refusal import refusal
from trainwright.weights.report import WeightReport, list_names
from trainwright.weights.sources import WeightSource, read_weights, refuse_connection
from trainwright.weights.transfer import transfer

log = logging.getLogger("trainwright.weights")


def load_weights(
    module: nn.Module,
    source: WeightSource,
    *,
    submodule: str = "",
    ignore: Sequence[str] = (),
    partial: bool = False,
    digest: str | None = None,
    device: str | torch.device = "cpu",
    renames: Mapping[str, str] | None = None,
    averaged: bool = True,
    state_dict: str = "",
    download: bool = False,
    adapt: bool | AdaptationOptions | None = None,
    least: float = 0.0,
) -> WeightReport:
    """Load weights into a module, all of them or none, and return what became of every name.

    `source` is a file (.safetensors, what torch.save wrote, .npz, .npy), a run, a checkpoint, a URL with its sha256, a name on a hub
    (`timm/NAME`, `hf/ORG/NAME`; it, and a URL without a sha256, is fetched only with `download`), `path:submodule`, or a mapping of
    tensors; `state_dict` chooses one of several in a file. Of the source only names below `submodule` count; names that match `ignore` are
    left out on both sides; `renames` maps names, old → new. With `partial` whatever fits is loaded and the rest stays as it was, where at
    least the share `least` of the smaller side fits. `adapt` makes input channels, positions and vocabularies of other sizes fit, which
    `partial` does by itself. `digest` is the file's sha256. Tensors of the module on the meta device become real on `device`; others stay
    where they are. `averaged` takes a checkpoint's averaged weights where it has some.

    Raises ConfigError when something does not fit, and the module is untouched then, or when reading the source would run code; RunError
    when it is damaged or a download fails.
    """
    _refuse_no_module(module)
    weights, named = read_weights(source, digest, averaged, state_dict=state_dict, download=download)
    if submodule and named and submodule != named:
        raise ConfigError(f"two parts are named: '{named}' in the source and '{submodule}'", where=weights.where, fix="name one")
    ignore = [ignore] if isinstance(ignore, str) else list(ignore)
    rules = AdaptationOptions() if adapt is True or (adapt is None and partial) else adapt or None
    found = match(module, weights, submodule=submodule or named, ignore=ignore, renames=renames, partial=partial, adapt=rules)
    wrong = refusal(found, partial, least)
    if wrong is not None:
        raise wrong
    report = found.report
    empty = transfer(module, found.values, found.own, device)
    if empty:
        report.notes.append(f"{list_names(empty)} have no memory yet (meta device): give them values before the module is used")
    remember(module, report)
    log.info(report.summary())
    log.debug("%s", report.details())
    return report


def begin_with(module: nn.Module, options: WeightsOptions, ignore: Sequence[str] = ()) -> WeightReport:
    """Load what the option `weights` names, as far as it fits; raises as `load_weights` does, and for another architecture."""
    return load_weights(
        module,
        options.source,
        ignore=[*options.ignore, *ignore],
        partial=True,
        digest=options.sha256,
        renames=options.renames,
        averaged=options.averaged,
        state_dict=options.state_dict,
        download=options.download,
        adapt=options.adapt or False,
        least=options.least,
    )


def check_source(options: WeightsOptions) -> None:
    """Read the weights that an option names, to see whether they are there; what would be downloaded is not looked at."""
    if options.download:
        return
    if "://" in options.source:
        refuse_connection(options.source, options.sha256)
    else:
        read_weights(options.source, options.sha256, options.averaged, state_dict=options.state_dict)


def _refuse_no_module(module: object) -> None:
    if isinstance(module, nn.Module):
        return
    if isinstance(module, type):
        name, why = module.__name__, "the weights of a class belong to each module made of it"
        raise ConfigError(f"{name} is a class, not a module", where="load_weights", why=why, fix=f"make one first: module = {name}(…)")
    raise ConfigError(f"weights cannot be loaded into {type(module).__name__}", where="load_weights", fix="give a torch.nn.Module")
