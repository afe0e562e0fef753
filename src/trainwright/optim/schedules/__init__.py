"""Learning-rate schedules: what multiplies the base learning rate at each step."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.optim.schedules.options import (
    ChainedOptions,
    ConstantOptions,
    CosineOptions,
    ExponentialOptions,
    InverseOptions,
    InverseSqrtOptions,
    LambdaOptions,
    LinearOptions,
    MultiStepOptions,
    OneCycleOptions,
    PlateauOptions,
    PolynomialOptions,
    ProductOptions,
    ScheduleOptions,
    StepOptions,
    TanhOptions,
    WsdOptions,
)

__all__ = ["PARTS", "PlateauOptions", "ScheduleOptions"]

HERE = "trainwright.optim.schedules"

PARTS: dict[str, Part] = {
    "constant": Part(f"{HERE}.constant:Constant", ConstantOptions, "the same throughout"),
    "cosine": Part(f"{HERE}.cyclic:Cosine", CosineOptions, "half a cosine to the end of the run, or several"),
    "linear": Part(f"{HERE}.linear:Linear", LinearOptions, "a straight line to the end of the run"),
    "polynomial": Part(f"{HERE}.cyclic:Polynomial", PolynomialOptions, "a power of what is left of the run"),
    "tanh": Part(f"{HERE}.cyclic:Tanh", TanhOptions, "a hyperbolic tangent: high for long, then a steep fall"),
    "step": Part(f"{HERE}.step:Step", StepOptions, "falls by a factor at intervals"),
    "multi_step": Part(f"{HERE}.multi_step:MultiStep", MultiStepOptions, "falls by a factor at milestones"),
    "exponential": Part(f"{HERE}.exponential:Exponential", ExponentialOptions, "falls by the same ratio at every step"),
    "inverse_sqrt": Part(f"{HERE}.inverse_sqrt:InverseSqrt", InverseSqrtOptions, "falls with the square root of the step"),
    "inverse": Part(f"{HERE}.inverse:Inverse", InverseOptions, "falls with a power of the step"),
    "one_cycle": Part(f"{HERE}.one_cycle:OneCycle", OneCycleOptions, "rises to the base learning rate, then falls far below the start"),
    "wsd": Part(f"{HERE}.wsd:Wsd", WsdOptions, "warm-up, stable, decay"),
    "lambda": Part(f"{HERE}.function:Lambda", LambdaOptions, "what a function of your own says"),
    "plateau": Part(f"{HERE}.plateau:Plateau", PlateauOptions, "falls when a metric stops improving"),
    "chained": Part(f"{HERE}.chained:Chained", ChainedOptions, "schedules one after the other"),
    "product": Part(f"{HERE}.product:Product", ProductOptions, "schedules multiplied with each other"),
}

ALIASES = {"poly": "polynomial", "multistep": "multi_step", "rsqrt": "inverse_sqrt", "none": "constant"}
"""What timm calls schedules → their names here."""


def find_name(name: str) -> str:
    """The name here of a schedule that is called something else elsewhere; any other name as it is."""
    return ALIASES.get(name.lower().replace("-", "_"), name)
