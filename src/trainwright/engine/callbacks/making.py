"""The callbacks that a configuration names, made."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.config.errors import ConfigError
from trainwright.config.every_rank import build
from trainwright.config.model import PartConfig
from trainwright.engine.callbacks.base import Callback, check_signatures
from trainwright.engine.callbacks.foreign import instead_of, library_of


def make_callbacks(options: Sequence[PartConfig], given: Sequence[Callback] = ()) -> list[Callback]:
    """The callbacks of a configuration. Raises ConfigError for one, there or among those `given`, that is none."""
    made = [build("callback", each) for each in options]
    places = [*(f"trainer.callbacks.{place}" for place in range(len(made))), *("callbacks" for _ in given)]
    for place, each in zip(places, [*made, *given], strict=True):
        if not isinstance(each, Callback):
            what = f"the class {each.__name__}" if isinstance(each, type) else f"a {type(each).__name__}"
            library = library_of(each)
            fix = instead_of(each) or "derive it from trainwright.Callback, and give an instance"
            raise ConfigError(f"{what} is {f'a callback of {library}' if library else 'no callback'}", where=place, fix=fix)
        check_signatures(each, place)
    return made
