"""The model that the options of a plain system describe, made in order: extensions, layers, first values, parametrizations, weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.parameter import is_lazy as waits

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.registry import build
from trainwright.engine.settings import keep_error
from trainwright.nn.modes import eval_mode
from trainwright.nn.parametrization_options import ParametrizationOptions
from trainwright.systems.plain_options import PlainOptions

if TYPE_CHECKING:
    from trainwright.engine.session import Session
    from trainwright.systems.given import GivenOptions
    from trainwright.tools.module_hook_options import ModuleHookOptions

log = logging.getLogger("trainwright.systems")

_parametrised: WeakKeyDictionary[nn.Module, list[ParametrizationOptions]] = WeakKeyDictionary()
"""What was put on a model; the same object may be trained again, or go on with its run."""


def make_model(options: PlainOptions) -> nn.Module:
    """The model with the values its layers begin with; raises ConfigError when what is named is no module."""
    if options.extensions:
        from trainwright.nn.extensions import build_extensions

        build_extensions(options.extensions)
    from trainwright.tools.graph.dry import rows_decide

    with rows_decide():
        made = build("model", options.model)
    if isinstance(made, nn.Module):
        return made
    fix = "name a class of torch.nn.Module, or a function that gives one"
    raise ConfigError(f"'{options.model.type}' gives a {type(made).__name__}, not a model", where="model", fix=fix)


def finish_model(model: nn.Module, options: PlainOptions, call: Callable[[], Any]) -> None:
    """Lazy layers settled by `call`, a forward pass of some rows; then init rules, parametrizations and weights, as the options say."""
    settle_shapes(model, call)
    begin_weights(model, options)
    if options.weights:
        from trainwright.weights.loading import begin_with

        begin_with(model, options.weights, options.weights_ignore)


def check_beside(options: PlainOptions) -> list[RequestError]:
    """What is wrong with everything beside the model itself: files, functions and weights that are not there."""
    from trainwright.nn.extensions import check_extensions
    from trainwright.nn.init_rules import check_rules
    from trainwright.nn.parametrizations import check_parametrizations
    from trainwright.tools.module_hooks import check_functions
    from trainwright.weights.loading import check_source

    errors: list[RequestError] = []
    keep_error(errors, lambda: check_extensions(options.extensions))
    keep_error(errors, lambda: check_rules(options.init, "system.init"))
    keep_error(errors, lambda: check_parametrizations(options.parametrizations, "system.parametrizations"))
    keep_error(errors, lambda: check_functions(options.hooks, "system.hooks"))
    if options.weights:
        keep_error(errors, partial(check_source, options.weights))
    return errors


def settle_shapes(model: nn.Module, call: Callable[[], Any]) -> None:
    """Let lazy layers know their sizes by `call`, a forward pass of some rows."""
    if is_lazy(model):
        with torch.no_grad(), eval_mode(model):
            call()


def begin_weights(model: nn.Module, options: PlainOptions | GivenOptions, where: str = "system.{}") -> None:
    """Fill the weights by the rules of `init`, and put the `parametrizations` on; once for each model, however often it is trained."""
    if options.init:
        from trainwright.nn.init_rules import apply_init, report

        log.info("%s", report(apply_init(model, options.init, where.format("init"))))
    if options.parametrizations and _parametrised.get(model) != options.parametrizations:
        from trainwright.nn.parametrizations import parametrise

        log.info("parametrised: %s", ", ".join(parametrise(model, options.parametrizations, where.format("parametrizations"))))
        _parametrised[model] = options.parametrizations


def is_lazy(model: nn.Module) -> bool:
    """Whether some parameter or buffer waits for a first batch to know its shape."""
    return any(waits(each) for each in (*model.parameters(), *model.buffers()))


@contextmanager
def hooks_on(model: nn.Module, hooks: Sequence[ModuleHookOptions], session: Session, where: str) -> Iterator[None]:
    """Module hooks, for as long as a run trains."""
    from trainwright.tools.module_hooks import module_hooks

    folder = session.folder / "media" / "hooks"
    with module_hooks(model, hooks, session.log, folder, step=lambda: session.step, where=where):
        yield
