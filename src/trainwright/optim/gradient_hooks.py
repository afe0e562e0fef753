"""What is done with the gradients of some parameters, once per step on the whole gradient and before clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.config.foreign import found_at
from trainwright.config.name_patterns import as_list
from trainwright.config.own_code import describe_failure
from trainwright.optim.clipping import clip_norm, clip_value, gradient_norm, gradients
from trainwright.optim.matching import SystemNames
from trainwright.optim.parameter_options import GradientHookOptions
from trainwright.optim.parts import Part, part_of, parts_of

WHERE = "trainer.gradient_hooks"

Function = Callable[[str, Tensor], Tensor | None]
"""f(name of the parameter, its gradient) → what replaces the gradient, or None to leave it (changed in place or not)."""


@dataclass
class Hook:
    """One entry: its options, or only a function, with the parameters that it names."""

    label: str
    options: GradientHookOptions | None
    named: list[tuple[str, nn.Parameter]]
    function: Function | None
    norm: Tensor | None = None
    """2-norm of these gradients at the last step that measured it, on the device."""


class Handle:
    """Takes a hook out again."""

    def __init__(self, hooks: list[Hook], hook: Hook) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook out; a second time does nothing."""
        self._hooks[:] = [each for each in self._hooks if each is not self._hook]


class GradientHooks:
    """Hooks on gradients by name pattern, in the order of the configuration, then those added from code."""

    def __init__(self, options: Sequence[GradientHookOptions], system: nn.Module, where: str = WHERE) -> None:
        """Raises ConfigError for a pattern that names no parameter, or a function that cannot be had."""
        self._names = SystemNames(system)
        self._hooks: list[Hook] = []
        for place, each in enumerate(options):
            here = f"{where}.{place}"
            self._hooks.append(Hook(each.label, each, self._find_parameters(as_list(each.match), here), _function(each.function, here)))

    def __bool__(self) -> bool:
        """Whether there is any hook."""
        return bool(self._hooks)

    def add(self, match: str | list[str], function: Function) -> Handle:
        """Call `function(name, gradient)` at every step for the parameters that `match` names; `remove()` of what is returned ends it."""
        patterns = as_list(match)
        hook = Hook(" ".join(patterns), None, self._find_parameters(patterns, "GradientHooks.add"), function)
        self._hooks.append(hook)
        return Handle(self._hooks, hook)

    def apply(self, measure: bool = True) -> None:
        """Run the hooks on the gradients there are; `measure` false leaves out the norms, where nothing will be logged."""
        if self._hooks:
            self._run(measure)

    @torch.no_grad()
    def _run(self, measure: bool) -> None:
        for hook in list(self._hooks):
            options = hook.options
            params = [param for _, param in hook.named]
            if options is not None:
                _limit(gradients(params), options, parts_of(params))
            if hook.function is not None:
                _call(hook.function, hook)
            if measure and options is not None and options.log:
                hook.norm = gradient_norm(gradients(params), parts_of(params))

    def collect_norms(self) -> dict[str, Tensor]:
        """`gradient_norm/<match>` → the last norm measured, on the device."""
        return {f"gradient_norm/{hook.label}": hook.norm for hook in self._hooks if hook.norm is not None}

    def load(self, logged: dict[str, Tensor]) -> None:
        """Take back what `logged` gave, for a continued run whose next row is the same to the bit."""
        for hook in self._hooks:
            hook.norm = logged.get(f"gradient_norm/{hook.label}")

    def _find_parameters(self, patterns: list[str], where: str) -> list[tuple[str, nn.Parameter]]:
        found = self._names.parameters(patterns, (), where)
        return [(name, param) for name, param in self._names.params.items() if name in found]


def _limit(grads: list[Tensor], options: GradientHookOptions, parts: Sequence[Part]) -> None:
    if options.scale is not None and grads:
        torch._foreach_mul_(grads, options.scale)
    if options.clip_norm is not None:
        clip_norm(grads, options.clip_norm, parts)
    if options.clip_value is not None:
        clip_value(grads, options.clip_value)


def _call(function: Function, hook: Hook) -> None:
    for name, param in hook.named:
        grad = param.grad
        if grad is None:
            continue
        part = part_of(param)
        if part is not None:
            _call_with_whole(function, hook, name, grad, part)
            continue
        new = _answer(function, hook, name, grad)
        if new is not None and new is not grad:
            param.grad = new.to(grad.device, grad.dtype)


def _call_with_whole(function: Function, hook: Hook, name: str, grad: Tensor, part: Part) -> None:
    """A function is shown the gradient of the whole parameter, by every process; each takes its part of what it makes of it."""
    whole = part.whole(grad).clone()
    new = _answer(function, hook, name, whole)
    grad.copy_(part.own(whole if new is None else new))


def _answer(function: Function, hook: Hook, name: str, grad: Tensor) -> Tensor | None:
    try:
        new = function(name, grad)
    except FOREIGN as error:
        why = describe_failure(error)
        fix = "it is called as f(name of the parameter, its gradient)"
        raise TrainwrightError(f"the function of the gradient hook '{hook.label}' fails", where=WHERE, why=why, fix=fix) from error
    if new is not None and (not isinstance(new, Tensor) or new.shape != grad.shape):
        found = f"of shape {tuple(new.shape)}" if isinstance(new, Tensor) else f"a {type(new).__name__}"
        raise TrainwrightError(
            f"the gradient hook '{hook.label}' gave {found} for '{name}'",
            why=f"the gradient has shape {tuple(grad.shape)}",
            fix="return a tensor like the gradient, or None to leave it",
        )
    return new


def check_functions(options: Sequence[GradientHookOptions], where: str = WHERE) -> None:
    """Raise ConfigError for a function that cannot be had."""
    for place, each in enumerate(options):
        _function(each.function, f"{where}.{place}")


def _function(path: str | None, where: str) -> Function | None:
    """The function at a path; raises ConfigError with its place in the configuration when it cannot be had."""
    try:
        return None if path is None else found_at(path)[0]
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{where}.function", why=error.why, fix=error.fix) from error
