"""Options that say how weights begin, by class of module and by name."""

from __future__ import annotations

from pydantic import ConfigDict, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal
from trainwright.config.name_patterns import Patterns


class InitFunction(ConfigModel):
    """A function that fills a tensor, with its arguments beside `type`: `{type: xavier_uniform, gain: 1.4}`."""

    model_config = ConfigDict(extra="allow")

    type: str
    """A function of torch.nn.init (with or without its last `_`), `lecun_normal`, `lecun_uniform`, or your own, `./init.py:name`."""


Init = float | str | InitFunction
"""A number (constant), the name of a function, or a function with its arguments."""


class InitRule(ConfigModel):
    """How the weights that `modules` and `names` name begin; rules are applied in order, and a later one overrides an earlier."""

    modules: Patterns = []
    """Modules by class (`Linear`, `Conv*`, derived classes too) or by dotted name (`encoder.*`); only what they hold themselves."""
    names: Patterns = []
    """Weights by full name, or all under a module path: globs (`head`, `*.weight`; `*` crosses dots) or `re:` and an expression."""
    weight: Init | None = None
    """For weights whose own name has `weight` in it (`weight`, `weight_ih_l0`, `in_proj_weight`)."""
    bias: Init | None = None
    """For weights whose own name has `bias` in it."""
    parameters: dict[str, Init] = {}
    """For other weights, by a glob on their own name: `{class_token: zeros, "weight_hh*": orthogonal}`; goes before weight and bias."""
    function: str | None = None
    """Your own, `./init.py:name`, called with each module that `modules` and `names` name, the innermost first, as Module.apply does."""

    @model_validator(mode="after")
    def _says_what(self) -> InitRule:
        if self.weight is None and self.bias is None and not self.parameters and self.function is None:
            raise as_refusal(ConfigError("the rule sets nothing", fix="give one of weight, bias, parameters, function"))
        return self
