"""The options that losses share: where a loss finds what it needs, what is joined, class weights. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from trainwright.config.class_weights import check_class_weights
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, refusal

Balanced = Literal["balanced"]
_BY_CLASS = ("the weights of a column go by its classes", "write class_weights of the column: auto, or {a class: its weight, …}")
NOT_OF_COLUMNS: dict[str, tuple[str, str]] = {
    "inputs": ("a column has one output and one truth", "leave inputs out"),
    "check_values": ("the decoder of a column gives what its loss takes", "leave check_values out"),
    "class_weight": _BY_CLASS,
    "pos_weight": _BY_CLASS,
    "ignore_index": ("rows without a truth are left out", "leave ignore_index out, or filter the rows"),
}
"""Options of losses that mean nothing for a column: why, and what to do instead."""
GONE_FROM_TORCH = ("size_average", "reduce", "weight")
"""Arguments of torch's losses that a signature still shows, and that say nothing when they are None."""


def _weights(given: Any) -> Any:
    """Weights as they were given (`auto` is `balanced`), when each is a finite number of 0 or more and not all are 0."""
    if given == "auto":
        return "balanced"
    if isinstance(given, list | tuple):
        check_class_weights(given)
    return given


Weight = Annotated[float, Field(ge=0)]
Weights = Annotated[list[Weight] | None, BeforeValidator(refusal(_weights))]
"""A weight for each class, 0 or more and not all 0."""
BalancedWeights = Annotated[list[Weight] | Balanced | None, BeforeValidator(refusal(_weights))]
"""The same, or weights by the training targets."""


def _reduction(given: Any) -> Any:
    """`mean` and `batchmean` pass; torch's `sum` and `none` are refused with what to write."""
    if given == "sum":
        why = "a sum grows with the rows of a step, so that pieces of a step could not be joined into the same update"
        raise ConfigError("reduction 'sum' is not offered", why=why, fix="use reduction: batchmean, the sum over what is in a row")
    if given == "none":
        raise ConfigError("reduction 'none' gives no single number to minimise", fix="leave reduction out, or use batchmean")
    return given


class CriterionOptions(PartConfig):
    """What every loss has."""

    one_per_class: ClassVar[bool] = False
    """Whether a target of two classes has one output for each of them, and not one for both."""

    inputs: dict[str, str | int] = {}
    """Where the loss finds an argument: its name → a key or place in the model's output, or a key of the batch."""
    reduction: Annotated[Literal["mean", "batchmean"], BeforeValidator(refusal(_reduction))] = "mean"
    """`mean`: as torch's mean. `batchmean`: the sum over what is in a row, averaged over rows."""
    check_values: bool = True
    """Refuse values that look like a mistake (probabilities where logits belong, …); false says they are meant."""

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, data: Any) -> Any:
        """Options without those of torch that say nothing."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in GONE_FROM_TORCH}

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for options that mean nothing for a column."""
        for name, (why, fix) in NOT_OF_COLUMNS.items():
            field, given = type(self).model_fields.get(name), getattr(self, name, None)
            if field is None or given == field.default or (name == "ignore_index" and given == -100):  # torch's way to say none
                continue
            raise ConfigError(f"{name} of the loss '{self.type}' has no meaning for a column", why=why, fix=fix)


class WeightedOptions(CriterionOptions):
    """What losses with class weights have; torch's word `weight`, and `class_weights`, are understood too."""

    other_words: ClassVar[dict[str, str]] = {"weight": "class_weight", "class_weights": "class_weight"}

    class_weight: BalancedWeights = None
    """A weight for each class, or `balanced`: rows / (classes · rows of the class), of the training targets."""


class LabelWeightedOptions(WeightedOptions):
    """What losses over labels that do not exclude each other have."""

    class_weight: Weights = None
    """A weight for each label (dimension 1 of the output); torch's `weight`."""


class FunctionOptions(CriterionOptions):
    """A function or a module of one's own: `loss(output, target)`; further options are its keyword arguments."""

    type: str
    options: dict[str, Any] = {}
    """Keyword arguments of the function, or of the class."""
