"""Parts that follow the run: told before and after every step where it is, those inside before those around them."""

from __future__ import annotations

from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.engine.following import INSIDE, followers, tell
from trainwright.engine.system import StepContext


class Updateable:
    """Something that follows the run; override `update_step`, `update_step_end`, or both.

    Parts of it that are updateable are registered by being assigned to an attribute, or by `register_part`: modules as torch has them,
    others in a list of their own. Nothing is scanned for.
    """

    registrations = 0
    """Counts every registration in this process, so that a tree is walked again only when it may have changed."""

    def update_step(self, context: StepContext) -> None:
        """Called before every step, and before an evaluation."""

    def update_step_end(self, context: StepContext) -> None:
        """Called after every step, with the context that `update_step` had."""

    def register_part(self, name: str, part: Any) -> None:
        """Register a part that is no attribute. Raises ConfigError when it cannot be told anything."""
        if not isinstance(part, Updateable | nn.Module):
            what = f"part '{name}' is a {type(part).__name__}, which does not follow the run"
            raise ConfigError(what, where=type(self).__name__, fix="derive its class from trainwright.Updateable")
        list_registered(self)[name] = part
        Updateable.registrations += 1

    def __setattr__(self, name: str, value: Any) -> None:
        inside = self.__dict__.get(INSIDE)
        if isinstance(value, Updateable) and not isinstance(value, nn.Module):
            list_registered(self)[name] = value
            Updateable.registrations += 1
        elif inside is not None:
            inside.pop(name, None)
        if isinstance(value, nn.Module):
            Updateable.registrations += 1
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__.get(INSIDE, {}).pop(name, None)
        Updateable.registrations += 1
        super().__delattr__(name)


def list_registered(part: Any) -> dict[str, Any]:
    """The parts registered with one that are no modules of torch's tree."""
    found: dict[str, Any] = part.__dict__.setdefault(INSIDE, {})
    return found


def overrides(part: Any, method: str) -> bool:
    """Whether a class says anything of its own in `method`."""
    return getattr(type(part), method, getattr(Updateable, method)) is not getattr(Updateable, method)


class Tree:
    """The parts of a system that follow the run, as calls in their order; walked again when something was registered since."""

    def __init__(self, root: Any, without: frozenset[int] = frozenset()) -> None:
        """`without`: the ids of parts that are told elsewhere."""
        self._root, self._seen, self._without = root, -1, without
        self._before: list[tuple[str, Any]] = []
        self._after: list[tuple[str, Any]] = []

    def update_step(self, context: StepContext) -> None:
        """Tell all parts below the root, those inside first; an error names the part."""
        self._refresh()
        tell(self._before, "update_step", context)

    def update_step_end(self, context: StepContext) -> None:
        """Tell them that the step was made."""
        self._refresh()
        tell(self._after, "update_step_end", context)

    def _refresh(self) -> None:
        if self._seen == Updateable.registrations:
            return
        self._seen = Updateable.registrations
        below = [(path, part) for path, part in followers(self._root) if part is not self._root and id(part) not in self._without]
        self._before = [pair for pair in below if overrides(pair[1], "update_step")]
        self._after = [pair for pair in below if overrides(pair[1], "update_step_end")]
