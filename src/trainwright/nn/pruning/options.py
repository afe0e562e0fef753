"""Options of the pruning methods; no torch is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from trainwright.config.errors import RequestError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.nn.pruning.amounts import Amount


class IdentityOptions(PartConfig):
    """Nothing is pruned: every mask is of ones, as torch's `identity` makes them."""

    type: str = "identity"


class AmountOptions(PartConfig):
    """What methods that prune an amount have in common."""

    amount: Amount = Field(default=0.5, json_schema_extra={"metavar": "A"})
    """How much is zero at the end: `0.5` or `50 %` is half of the weights, `1` one weight, `1.0` all of them."""


class RandomOptions(AmountOptions):
    """Weights drawn at random, in each parameter by itself; drawn from the seed of the run."""

    type: str = "random"


class L1Options(AmountOptions):
    """The weights of least magnitude, in each parameter by itself; of equal ones the last go first."""

    type: str = "l1"


class GlobalL1Options(AmountOptions):
    """The weights of least magnitude of all parameters together, so that layers keep different shares; of equal ones the last go first."""

    type: str = "global_l1"


class GlobalRandomOptions(AmountOptions):
    """Weights drawn at random from all parameters together."""

    type: str = "global_random"


class StructuredOptions(AmountOptions):
    """What methods that prune whole slices of a weight have in common: the amount counts slices."""

    dim: int = 0
    """Along which dimension slices are pruned: 0 is outputs (rows, filters), 1 inputs (columns, channels)."""


class RandomStructuredOptions(StructuredOptions):
    """Whole slices (rows, columns, channels), drawn at random."""

    type: str = "random_structured"


class LnStructuredOptions(StructuredOptions):
    """Whole slices (rows, columns, channels) of least norm."""

    type: str = "ln_structured"
    n: float = Field(default=2.0, allow_inf_nan=True)
    """Which norm: 1, 2, … (`inf` the largest magnitude of a slice, `-inf` the least)."""

    @field_validator("n", mode="before")
    @classmethod
    def _as_norm(cls, value: Any) -> Any:
        """`inf`, `-inf` and `fro`, as torch and YAML write them."""
        words = {"inf": float("inf"), ".inf": float("inf"), "-inf": float("-inf"), "-.inf": float("-inf"), "fro": 2.0}
        return words.get(value, value) if isinstance(value, str) else float(value) if isinstance(value, int) else value

    @field_validator("n")
    @classmethod
    def _a_norm(cls, value: float) -> float:
        if value != value:
            raise ValueError("a norm is a number, inf or -inf")
        if value == 0:
            why, fix = "it counts what is not zero, so that all slices of a trained weight tie", "write 1, 2 or inf"
            raise as_refusal(RequestError("a norm of order 0 tells no slices apart", why=why, fix=fix))
        return value


class SemiStructuredOptions(PartConfig):
    """Of each few consecutive input weights the largest are kept (2:4), a pattern that GPUs multiply faster; of equal ones the first stay.

    Convolutions are grouped along their input channels. A weight whose inputs are no multiple of `of` is left as it is, and named.
    """

    type: str = "semi_structured"
    keep: int = Field(default=2, ge=1)
    """Weights of a group that stay."""
    of: int = Field(default=4, ge=2)
    """Weights of a group."""

    @model_validator(mode="after")
    def _fewer(self) -> SemiStructuredOptions:
        if self.keep >= self.of:
            fix = f"keep at most {self.of - 1} of {self.of}"
            raise as_refusal(RequestError(f"keep is {self.keep} of {self.of}: nothing would be pruned", fix=fix))
        return self


class MaskOptions(PartConfig):
    """Masks from a file, by the names of the weights: 1 keeps a weight, 0 prunes it."""

    type: str = "mask"
    file: str = Field(min_length=1)
    """`.safetensors` or `.npz` (NumPy) with an array for each weight, shaped as it."""

    @field_validator("file")
    @classmethod
    def _from_any_folder(cls, file: str) -> str:
        """A file is found from any folder later."""
        return str(Path(file).expanduser().absolute())
