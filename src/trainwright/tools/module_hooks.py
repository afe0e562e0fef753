"""Hooks on the modules of a model by name or class: record, replace what passes, plot it, or call one's own; and taken off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.config.foreign import found_at
from trainwright.config.name_patterns import as_list
from trainwright.config.own_code import describe_failure
from trainwright.files.text import write_text
from trainwright.nn.module_names import find_modules
from trainwright.tools.histogram import histogram_svg
from trainwright.tools.module_hook_options import ModuleHookOptions

Sink = Callable[[str, Tensor], Any]
"""record(name, value): a number as a tensor without dimensions, on the device of what it measures; `session.log` is one."""


@dataclass
class Hooked:
    """Hooks that are on, and what they kept."""

    kept: dict[str, Any] = field(default_factory=dict)
    """`<on>/<module>` → the last value there, of hooks with `keep`; detached."""
    plots: list[Path] = field(default_factory=list)
    """Pictures that were written, in order."""
    handles: list[RemovableHandle] = field(default_factory=list)
    step: Callable[[], int] | None = None
    """The step of the run; without one the calls of each module are counted."""
    _calls: dict[tuple[int, str], int] = field(default_factory=dict)

    def remove(self) -> None:
        """Take all hooks off; a second time does nothing."""
        while self.handles:
            self.handles.pop().remove()

    def due(self, hook: int, name: str, every: int) -> int | None:
        """The step, or the number of this call of a module from 0, when something is to be done at it."""
        number = self._calls.get((hook, name), 0) if self.step is None else self.step()
        self._calls[hook, name] = number + 1
        return number if number % every == 0 else None


@contextmanager
def module_hooks(
    model: nn.Module,
    options: Sequence[ModuleHookOptions],
    record: Sink,
    folder: Path | None = None,
    step: Callable[[], int] | None = None,
    where: str = "hooks",
) -> Iterator[Hooked]:
    """The model with hooks on, for the length of a `with` block; pictures are written below `folder`.

    `step` tells the step of the run, by which `every` is counted and pictures are named, so that a resumed run goes on as it was.

    Raises ConfigError for a pattern that names no module (with the nearest name), a function that cannot be had, and `plot` without a
    folder. A hook that fails raises TrainwrightError with the name of the module.
    """
    hooked = Hooked(step=step)
    try:
        for number, each in enumerate(options):
            _put_on(model, number, each, hooked, record, folder, f"{where}.{number}")
        yield hooked
    finally:
        hooked.remove()


def _put_on(
    model: nn.Module, number: int, options: ModuleHookOptions, hooked: Hooked, record: Sink, folder: Path | None, where: str
) -> None:
    act = _action(number, options, hooked, record, folder, where)
    for name, module in find_modules(model, as_list(options.modules), f"{where}.modules").items():
        hooked.handles.append(_register(module, options.on, _guard(name or type(model).__name__, options, act, where)))


def _register(module: nn.Module, on: str, hook: Callable[..., Any]) -> RemovableHandle:
    if on == "forward":
        return module.register_forward_hook(hook)
    if on == "forward_pre":
        return module.register_forward_pre_hook(hook)
    if on == "backward":
        return module.register_full_backward_hook(hook)
    return module.register_full_backward_pre_hook(hook)


Action = Callable[[str, nn.Module, tuple[Any, ...]], Any]
"""act(name of the module, module, the arguments that torch gives) → what goes on in place, or None."""


def _guard(name: str, options: ModuleHookOptions, act: Action, where: str) -> Callable[..., Any]:
    """torch's hook: works in the mode that was asked for, and says whose hook fails."""

    def hook(module: nn.Module, *values: Any) -> Any:
        if options.during != "always" and module.training != (options.during == "training"):
            return None
        try:
            return act(name, module, values)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            why = describe_failure(error)
            raise TrainwrightError(f"the {options.on} hook '{_label(options)}' fails on '{name}'", where=where, why=why) from error

    return hook


def _label(options: ModuleHookOptions) -> str:
    return options.function or options.do


def check_functions(options: Sequence[ModuleHookOptions], where: str = "hooks") -> None:
    """Raise ConfigError for a function that cannot be had."""
    for number, each in enumerate(options):
        if each.do not in ("record", "plot"):
            _own_function(each, f"{where}.{number}")


def _own_function(options: ModuleHookOptions, where: str) -> Callable[..., Any]:
    return _function(_label(options), where, "function" if options.function else "do")


def _action(number: int, options: ModuleHookOptions, hooked: Hooked, record: Sink, folder: Path | None, where: str) -> Action:
    if options.do == "record":
        return _recording(number, options, hooked, record)
    if options.do == "plot":
        if folder is None:
            raise ConfigError("there is no folder for the pictures of a hook", where=where, fix="give module_hooks a folder")
        return _plotting(number, options, hooked, folder)
    function = _own_function(options, where)
    if options.do == "replace":
        return _replacing(options, function)
    return lambda name, module, values: function(module, *values)


def _function(path: str, where: str, key: str) -> Callable[..., Any]:
    try:
        return found_at(path)[0]
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{where}.{key}", why=error.why, fix=error.fix) from error


def _recording(number: int, options: ModuleHookOptions, hooked: Hooked, record: Sink) -> Action:
    @torch.no_grad()
    def act(name: str, module: nn.Module, values: tuple[Any, ...]) -> None:
        value = _passing(options.on, values)
        if options.keep:
            hooked.kept[f"{options.on}/{name}"] = _detach(value)
        if hooked.due(number, name, options.every) is None:
            return
        for place, tensor in floating(value):
            for statistic in options.statistics:
                record(f"{options.on}/{name}{place}/{statistic}", measure_tensor(tensor, statistic))

    return act


def _plotting(number: int, options: ModuleHookOptions, hooked: Hooked, folder: Path) -> Action:
    @torch.no_grad()
    def act(name: str, module: nn.Module, values: tuple[Any, ...]) -> None:
        moment = hooked.due(number, name, options.every)
        if moment is None:
            return
        word = "call" if hooked.step is None else "step"
        folder.mkdir(parents=True, exist_ok=True)
        for place, tensor in floating(_passing(options.on, values)):
            file = folder / f"{options.on}-{name}{place.replace('/', '-')}-{moment:08d}.svg"
            write_text(file, histogram_svg(tensor, f"{options.on} {name}{place}, {word} {moment}"))
            hooked.plots.append(file)

    return act


def _replacing(options: ModuleHookOptions, function: Callable[..., Any]) -> Action:
    def act(name: str, module: nn.Module, values: tuple[Any, ...]) -> Any:
        old = values[0] if options.on in ("backward", "backward_pre", "forward_pre") else values[1]
        alone = isinstance(old, tuple) and len(old) == 1 and options.on != "forward"
        new = function(name, old[0] if alone else old)
        if new is None:
            raise TrainwrightError(
                f"'{options.function}' gave nothing in place of what passes '{name}'", why="do: replace needs a value", fix="return it"
            )
        if "backward" in options.on:
            _check_gradients(options, name, old, (new,) if alone else new)
        return (new,) if alone else new

    return act


def _check_gradients(options: ModuleHookOptions, name: str, old: Any, new: Any) -> None:
    def shapes(value: Any) -> list[Any]:
        values = value if isinstance(value, tuple) else (value,)
        return [tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__ for each in values]

    if shapes(old) != shapes(new):
        what = f"'{options.function}' gave a gradient of another shape at '{name}'"
        raise TrainwrightError(what, why=f"it is {shapes(new)}, not {shapes(old)}", fix="return one like the gradient it is given")


def _passing(on: str, values: tuple[Any, ...]) -> Any:
    """What is measured: the output, the inputs, the gradients of the inputs, or those of the output; one alone without its tuple."""
    value = values[1] if on == "forward" else values[0]
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def floating(value: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every floating tensor with elements inside tuples, lists and mappings, with its place (`/0`, `/h`)."""
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.numel():
            yield place, value.detach()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from floating(each, f"{place}/{key}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from floating(each, f"{place}/{number}")


def measure_tensor(tensor: Tensor, statistic: str) -> Tensor:
    """One number of a floating tensor of any shape, in float32 or wider, on its device; the deviation is over n, not n − 1."""
    if statistic == "zeros":
        return (tensor == 0).float().mean()
    wide = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    if statistic == "std":
        return wide.std(correction=0)
    found: Tensor = getattr(wide, statistic)()
    return found


def _detach(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detach(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_detach(each) for each in value)
    return value
