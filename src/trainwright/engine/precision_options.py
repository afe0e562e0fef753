"""The `trainer.precision:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal

Kind = Literal["fp32", "tf32", "bf16", "fp16"]


class PrecisionOptions(ConfigModel):
    """In which number format the forward pass and the loss are computed; weights and their updates stay in their own."""

    type: Kind = "fp32"
    """`fp32`; `tf32` (float32 with 10-bit mantissas inside matrix products, on cards that have it); `bf16` or `fp16` autocast."""
    full: list[str] = []
    """Name patterns of submodules that are computed in float32 all the same (`norm*`, `decoders.*`)."""
    evaluate: Literal["fp32", "same"] = "fp32"
    """Evaluation in float32, so that what is measured is what is shipped, or in the same format as training."""
    initial_scale: float = Field(default=65536.0, gt=0)
    """fp16: what the loss is multiplied by at first, so that small gradients do not vanish."""
    growth_interval: int = Field(default=2000, ge=1)
    """fp16: steps without an overflow after which the scale doubles; an overflow halves it and the step is made again."""

    @model_validator(mode="after")
    def _settings_fit_the_type(self) -> PrecisionOptions:
        for name in ("initial_scale", "growth_interval"):
            if self._differs(name) and self.type != "fp16":
                why = f"{self.type} has the range of float32 and needs no loss scaling"
                raise as_refusal(ConfigError(f"{name} belongs to fp16", why=why, fix=f"leave it out, or set type: fp16, not {self.type}"))
        for name in ("full", "evaluate"):
            if self._differs(name) and self.type not in ("bf16", "fp16"):
                why = f"with {self.type} everything is float32 already"
                raise as_refusal(ConfigError(f"{name} belongs to bf16 and fp16", why=why, fix="leave it out"))
        return self

    def _differs(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


def _by_name(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Precision = Annotated[PrecisionOptions, BeforeValidator(_by_name, json_schema_input_type=Kind | PrecisionOptions)]
"""A name, or a mapping with `type`."""
