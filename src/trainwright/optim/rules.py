"""What the rules of the configuration come to for each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trainwright.config.durations import Duration
from trainwright.config.model import PartConfig
from trainwright.config.name_patterns import as_list
from trainwright.optim.matching import SystemNames
from trainwright.optim.parameter_options import ParameterRule


@dataclass
class Settings:
    """What rules say of one parameter or module; None where they say nothing."""

    learning_rate: float | None = None
    scale: float | None = None
    weight_decay: float | None = None
    schedule: PartConfig | None = None
    freeze: bool | Duration | None = None
    freeze_from: Duration | None = None
    labels: list[str] = field(default_factory=list)
    """Of the rules that changed something."""

    def override(self, rule: ParameterRule) -> None:
        """Take what the rule sets; a learning rate replaces a scale and the other way round, and freeze replaces freeze_from."""
        if rule.learning_rate is not None or rule.learning_rate_scale is not None:
            self.learning_rate, self.scale = rule.learning_rate, rule.learning_rate_scale
        if rule.weight_decay is not None:
            self.weight_decay = rule.weight_decay
        if rule.schedule is not None:
            self.schedule = rule.schedule
        if rule.freeze is not None:
            self.freeze, self.freeze_from = rule.freeze, None
        if rule.freeze_from is not None:
            self.freeze_from = rule.freeze_from
        if rule.freeze is not False or any(
            each is not None for each in (rule.learning_rate, rule.learning_rate_scale, rule.weight_decay, rule.schedule, rule.freeze_from)
        ):
            self.labels.append(rule.label)

    @property
    def for_good(self) -> bool:
        """Whether it is never trained."""
        return self.freeze is True


def of_parameters(rules: Sequence[ParameterRule], names: SystemNames, where: str) -> dict[str, Settings]:
    """Parameter name → settings. Raises ConfigError for a rule that names no parameter."""
    found = {name: Settings() for name in names.params}
    for place, rule in enumerate(rules):
        for name in names.parameters(as_list(rule.match), rule.types, f"{where}.rules.{place}"):
            found[name].override(rule)
    return found


def of_modules(rules: Sequence[ParameterRule], names: SystemNames) -> dict[str, Settings]:
    """Module path → settings, for what is done to modules as such."""
    found = {path: Settings() for path in names.modules}
    for rule in rules:
        for path in names.find_modules(as_list(rule.match), rule.types):
            found[path].override(rule)
    return found
