"""The `trainer.sample_metrics:` section. Imports no torch."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from trainwright.config.choice import choice, choose
from trainwright.config.durations import Duration, above_zero
from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import ConfigModel, PartConfig, refusal
from trainwright.metrics import label

MEASURES = ("fid", "kid", "mmd", "prdc", "inception_score", "nearest")
"""Metrics that compare two sets of rows by features."""
PARTS_OF = {"prdc": ("precision", "recall", "density", "coverage")}
"""Metrics that give several numbers and none of their own name."""
NEAREST = "nearest"
"""Neither more nor less of it is better."""
AUTO = "auto"


class SampleMetricsOptions(ConfigModel):
    """Samples of the system are measured beside the real rows of a split at its evaluations, by features that both are given to."""

    metrics: list[choice("metric")] = Field(default=["fid", "kid"], min_length=1, validate_default=True)  # type: ignore[valid-type]
    """Of fid, kid, mmd, prdc, inception_score and nearest, by name or with options; their `features` are those below."""
    n: int = Field(default=1000, ge=2)
    """How many samples are measured."""
    features: Any = AUTO
    """What makes features: a part (`trainwright list feature_extractor`), or a module or function of your own by path; `auto` is
    `classifier` where rows have classes, else `pca`."""
    every: Duration | None = None
    """At the first evaluation after each so many steps or epochs; by default at every evaluation."""
    batch_size: int = Field(default=64, ge=1)
    """Samples that are made at once; of a system whose samples follow from their number, it changes none."""
    seed: int = Field(default=0, ge=0)
    """What the samples follow from; the same at every evaluation, so that two can be compared."""
    reference: str = ""
    """A file (.safetensors) in which statistics of the real rows are kept: made where it is not there, refused where it is of other data,
    features or size; by default they are kept in the cache folder."""

    @field_validator("metrics")
    @classmethod
    def _compare_sets(cls, value: list[PartConfig]) -> list[PartConfig]:
        wrong = next((each.type for each in value if each.type not in MEASURES), None)
        if wrong is not None:
            raise ValueError(f"{wrong} does not compare two sets of rows: {did_you_mean(wrong, MEASURES)}")
        named = next((each.type for each in value if getattr(each, "features", "")), None)
        if named is not None:
            raise ValueError(f"{named} has features of its own, and all are measured by the same: write sample_metrics.features")
        twice = [name for name, count in Counter(map(label, value)).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} is asked for twice")
        return value

    @field_validator("features")
    @classmethod
    def _is_there(cls, value: Any) -> Any:
        if value == AUTO or callable(value):
            return value
        return refusal(found_at)(value)[1] if isinstance(value, str) and is_path(value) else choose("feature_extractor", value)

    @field_validator("every")
    @classmethod
    def _in_steps(cls, value: Duration | None) -> Duration | None:
        if value is None:
            return None
        if value.kind == "time":
            raise ValueError("samples are measured at evaluations, of which a time would pick others in each run: write steps or epochs")
        return above_zero(value)

    @field_validator("reference")
    @classmethod
    def _a_file(cls, value: str) -> str:
        if value and not value.endswith(".safetensors"):
            raise ValueError(f"'{value}' does not end in .safetensors")
        return value

    def by_name(self) -> dict[str, PartConfig]:
        """What is measured, by the name of its number: `fid`; of two of a kind with the options that tell them apart."""
        kinds = Counter(each.type for each in self.metrics)
        return {each.type if kinds[each.type] == 1 else label(each): each for each in self.metrics}

    def names(self) -> list[str]:
        """Numbers by which a checkpoint can be picked."""
        asked = self.by_name().items()
        parts = [f"{name}.{part}" for name, each in asked for part in PARTS_OF.get(each.type, ())]
        return [name for name, each in asked if each.type not in (*PARTS_OF, NEAREST)] + parts


def _by_names(value: Any) -> Any:
    """Names in a text or a list as the option `metrics`."""
    if isinstance(value, str):
        value = [each.strip() for each in value.split(",") if each.strip()]
    return {"metrics": value} if isinstance(value, list) else value


Form = str | list[choice("metric")] | SampleMetricsOptions  # type: ignore[misc, valid-type]
SampleMetrics = Annotated[SampleMetricsOptions, BeforeValidator(_by_names, json_schema_input_type=Form)]
"""Names (`fid,kid`, `[fid, kid]`), or a mapping."""


def refuse_unmeasured(options: SampleMetricsOptions, monitor: str) -> None:
    """Raise ConfigError where checkpoints wait for a number that some evaluations have not."""
    if options.every is not None and monitor in options.names():
        why = f"it is measured every {options.every}, and checkpoints are picked at every evaluation"
        fix = "leave trainer.sample_metrics.every out, and set evaluate_every"
        raise ConfigError(f"'{monitor}' cannot be the monitor", where="trainer.monitor", why=why, fix=fix)
