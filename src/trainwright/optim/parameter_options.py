"""Options that name parameters: groups with settings of their own, freezing, clipping and gradient hooks."""

from __future__ import annotations

from pydantic import Field, model_validator

from trainwright.config.choice import choice
from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal
from trainwright.config.name_patterns import Pattern, Patterns, as_list


class ParameterRule(ConfigModel):
    """Settings of the parameters that `match` or `types` name (both given: that both name).

    Rules are read in order; a later one overrides an earlier one, setting by setting.
    """

    match: Patterns = []
    """Parameters by full name, or all under a module path: globs (`encoder`, `*.bias`; `*` crosses dots) or `re:` and an expression."""
    types: list[Pattern] = []
    """All parameters in modules of these classes or derived from them: `Linear`, `LayerNorm`, `BatchNorm*`."""
    learning_rate: float | None = Field(default=None, ge=0)
    """Learning rate of its own, which the schedule multiplies as it does the optimizer's; `layer_decay` leaves it as it is."""
    learning_rate_scale: float | None = Field(default=None, ge=0)
    """Learning rate as a multiple of the optimizer's; replaces the `learning_rate` of an earlier rule, and it this."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Weight decay of its own; parameters that `no_decay` names, or that are marked `_no_weight_decay` in code, stay without."""
    schedule: choice("schedule") | None = None  # type: ignore[valid-type]
    """A schedule of its own, in place of `trainer.schedule`."""
    freeze: Duration | bool | None = None
    """`true` is for good, `5 epochs` until then; batch-norm layers so named keep their running statistics as well. `false` undoes it."""
    freeze_from: Duration | None = None
    """Train until then and freeze from there on; with `freeze: 2 epochs` it trains in between."""

    @model_validator(mode="after")
    def _says_whom_and_what(self) -> ParameterRule:
        if not self.match and not self.types:
            fix = "give match (names of parameters or modules) or types (classes of modules)"
            raise as_refusal(ConfigError("the rule names no parameters", fix=fix))
        settings = set(type(self).model_fields) - {"match", "types"}
        if all(getattr(self, name) is None for name in settings):
            raise as_refusal(ConfigError("the rule sets nothing", fix=f"give one of {', '.join(sorted(settings))}"))
        if self.learning_rate is not None and self.learning_rate_scale is not None:
            raise as_refusal(ConfigError("learning_rate and learning_rate_scale exclude each other", fix="keep one of them"))
        if self.freeze is True and self.freeze_from is not None:
            raise as_refusal(ConfigError("freeze: true and freeze_from exclude each other", fix="leave out freeze to freeze later"))
        return self

    @property
    def label(self) -> str:
        """How the rule is called in tables and logs: its patterns."""
        return " ".join(filter(None, (" ".join(as_list(self.match)), "".join(f"[{each}]" for each in self.types))))


class ParameterOptions(ConfigModel):
    """Settings that differ between parameters.

    Parameters that the code marks with `_no_weight_decay`, or that a module's `no_weight_decay()` names, never decay.
    """

    rules: list[ParameterRule] = []
    """Read in order: a later rule overrides an earlier one, setting by setting."""
    no_decay: bool | list[Pattern] = False
    """No weight decay on biases, norm layers and tensors of at most one dimension (`true`), or on those named as in `match`."""
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    """Learning rate times this for every layer further from the output; layers are numbered blocks in ModuleLists and Sequentials."""


class Clipping(ConfigModel):
    """Limits on the gradient before the update; several are applied in the order value, per_parameter, adaptive, norm."""

    norm: float | None = Field(default=None, gt=0)
    """Largest global 2-norm."""
    value: float | None = Field(default=None, gt=0)
    """Largest absolute value of an element."""
    per_parameter: float | None = Field(default=None, gt=0)
    """Largest 2-norm of each parameter's gradient on its own."""
    adaptive: float | None = Field(default=None, gt=0)
    """Largest norm of each unit's gradient as a share of the norm of its weights (Brock et al. 2021); 0.01 is usual."""

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return any(getattr(self, name) is not None for name in type(self).model_fields)


class GradientHookOptions(ConfigModel):
    """Done with some gradients once per step, before clipping: scale, clip_norm, clip_value, function, log, in this order."""

    match: Patterns
    """Parameters by full name, or all under a module path: globs, or `re:` and an expression."""
    scale: float | None = None
    """Multiply the gradients by this."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest 2-norm of these gradients together."""
    clip_value: float | None = Field(default=None, gt=0)
    """Largest absolute value of an element."""
    function: str | None = None
    """Your own, `package.module:name` or `./file.py:name`, called as f(name, gradient); what it returns replaces the gradient."""
    log: bool = False
    """Log the 2-norm of these gradients together as `gradient_norm/<match>`, after what else this hook does."""

    @model_validator(mode="after")
    def _does_something(self) -> GradientHookOptions:
        if self.scale is None and self.clip_norm is None and self.clip_value is None and not self.log and self.function is None:
            raise as_refusal(ConfigError("the gradient hook does nothing", fix="give one of scale, clip_norm, clip_value, function, log"))
        return self

    @property
    def label(self) -> str:
        """How the hook is called in logs: its patterns."""
        return " ".join(as_list(self.match))
