"""`BaseModule`, `BaseObject` and `Updateable` as threestudio's parts use them: told of steps by epoch and number."""

from __future__ import annotations

from typing import Any

from trainwright.adapters.threestudio.calls import FOLLOWING, adapt
from trainwright.systems import configurable, updating


class Updateable(updating.Updateable):
    """A part with `update_step(self, epoch, global_step, on_load_weights=False)`, or with ours."""

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        adapt(cls, FOLLOWING)

    def update_step(self, *place: Any, **named: Any) -> None:
        """Called before every step and evaluation."""

    def update_step_end(self, *place: Any, **named: Any) -> None:
        """Called after every step."""


class BaseObject(Updateable, configurable.BaseObject):
    """A part that is no module: a guidance, a prompt processor."""


class BaseModule(Updateable, configurable.BaseModule):
    """A module with options: a geometry, a material, a renderer."""
