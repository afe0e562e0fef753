"""Options of passes over a graph of operations; no torch is imported."""

from __future__ import annotations

from pydantic import model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal


class PassOptions(ConfigModel):
    """One pass: a function of your own over the graph, or a pattern and what takes its place."""

    function: str | None = None
    """Your own, `./passes.py:swap`, called with the `torch.fx.GraphModule`; it changes that in place or returns another."""
    pattern: str | None = None
    """Your own, `./passes.py:pattern`, a function whose operations are looked for in the graph."""
    replacement: str | None = None
    """Your own, `./passes.py:replacement`, a function of the same arguments whose operations take their place."""

    @model_validator(mode="after")
    def _one_of_two(self) -> PassOptions:
        if (self.function is None) == (self.pattern is None) or (self.pattern is None) != (self.replacement is None):
            fix = "write {function: ./passes.py:swap} or {pattern: ./passes.py:pattern, replacement: ./passes.py:replacement}"
            raise as_refusal(ConfigError("a pass is a function, or a pattern with its replacement", fix=fix))
        return self


def read_pass(text: str) -> PassOptions:
    """`./passes.py:swap`, or `./passes.py:pattern=./passes.py:replacement`."""
    pattern, found, replacement = text.partition("=")
    return PassOptions(pattern=pattern, replacement=replacement) if found else PassOptions(function=text)
