"""`BaseLift3DSystem`: the shape of threestudio's systems that lift pictures to 3-D, their parts found by name."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from trainwright.adapters.threestudio.system import BaseSystem, BaseSystemOptions
from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal
from trainwright.config.own_parts import find


class BaseLift3DOptions(BaseSystemOptions):
    """Which part is used for what, by its name, and its options."""

    geometry_type: str = ""
    geometry: dict[str, Any] = Field(default={})
    geometry_convert_from: str | None = None
    """Must be empty: `geometry: {weights: runs/coarse:geometry}` begins with the weights of another run."""
    geometry_convert_inherit_texture: bool = False
    geometry_convert_override: dict[str, Any] = Field(default={})
    material_type: str = ""
    material: dict[str, Any] = Field(default={})
    background_type: str = ""
    background: dict[str, Any] = Field(default={})
    renderer_type: str = ""
    renderer: dict[str, Any] = Field(default={})
    guidance_type: str = ""
    guidance: dict[str, Any] = Field(default={})
    prompt_processor_type: str = ""
    prompt_processor: dict[str, Any] = Field(default={})
    exporter_type: str = ""
    exporter: dict[str, Any] = Field(default={})

    @field_validator("geometry_convert_from")
    @classmethod
    def _is_not_converted(cls, value: str | None) -> str | None:
        if value:
            why = "no geometry is made into another kind here"
            raise as_refusal(ConfigError(f"'{value}' cannot be converted", why=why, fix="geometry: {weights: runs/coarse:geometry}"))
        return value


class BaseLift3DSystem(BaseSystem):
    """A system with a geometry, a material, a background, and a renderer that is given the three.

    Guidance and prompt processor are made by the system itself, in `on_fit_start`, as there.
    """

    Config = BaseLift3DOptions

    def configure(self) -> None:
        """Makes the four parts; raises ConfigError for a name that is not registered."""
        options: Any = self.config
        self.geometry = self._make("geometry", options)
        self.material = self._make("material", options)
        self.background = self._make("background", options)
        given = {"geometry": self.geometry, "material": self.material, "background": self.background}
        self.renderer = self._make("renderer", options, **given)

    def _make(self, part: str, options: Any, **given: Any) -> Any:
        name = getattr(options, f"{part}_type")
        if not name:
            fix = f'write {part}_type: NAME, of a class with @threestudio.register("NAME"); or write configure(self) without it'
            raise ConfigError(f"the system has no {part}", where=f"system.{part}_type", why="it is empty", fix=fix)
        return find(name)(getattr(options, part), **given)
