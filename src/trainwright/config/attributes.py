"""Mappings of a Config whose keys are attributes too, as OmegaConf has them."""

from __future__ import annotations

from typing import Any

from trainwright.config.errors import did_you_mean


class Attributes(dict[str, Any]):
    """A mapping with `cfg.loss.lambda_x` beside `cfg["loss"]["lambda_x"]`; an unknown name is answered with the nearest."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"no option '{name}': {did_you_mean(name, map(str, self))}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]


def with_attributes(value: Any) -> Any:
    """A value whose mappings, within lists too, have their keys as attributes."""
    if type(value) is dict:
        return Attributes({key: with_attributes(each) for key, each in value.items()})
    return [with_attributes(each) for each in value] if type(value) is list else value
