"""The `model:` section of a supervised run; imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import is_path
from trainwright.config.model import ConfigModel, PartConfig, refusal
from trainwright.config.registry import parts


def column_type(name: str) -> str:
    """The name of a type that columns can have; raises ConfigError naming the nearest."""
    known = [each for each in parts("feature") if each not in ("auto", "ignore")]
    if name not in known and not is_path(name):
        raise ConfigError(f"no column type is called '{name}'", fix=did_you_mean(name, known))
    return name


ColumnType = Annotated[str, AfterValidator(refusal(column_type))]
Tied = Annotated[list[str], Field(min_length=2)]


class SupervisedConfig(ConfigModel):
    """Encoders → combiner → decoders; encoders and decoders are set per column in `columns`, the defaults here."""

    combiner: choice("combiner") = "auto"  # type: ignore[valid-type]
    """What joins the encoded columns into one vector."""
    encoders: dict[ColumnType, choice("encoder")] = {}  # type: ignore[valid-type]
    """Encoder by column type (`number: periodic`), for columns that name none."""
    tied: dict[str, Tied] = {}
    """Two or more columns that share one encoder, by a name of your own: `{who: [sender, receiver]}`."""

    model_config = {"validate_default": True}


def as_list(value: Any) -> Any:
    """One name as a list of it."""
    return [value] if isinstance(value, str) else value


class SupervisedOptions(PartConfig):
    """Columns predicted from columns: one encoder for each input, a combiner, one decoder for each target."""

    other_words: ClassVar[dict[str, str]] = {"target": "targets"}
    takes_columns: ClassVar[bool] = True
    predicts_columns: ClassVar[bool] = True

    type: str = "supervised"
    targets: Annotated[list[str], BeforeValidator(as_list, json_schema_input_type=list[str] | str)] = []
    """Columns to predict, or one; `--target a,b` on the command line. Built-in sets know their own."""
    inputs: list[str] | str = "auto"
    """Columns to predict from; `auto` takes every usable column that is not a target."""
    ignore: list[str] = []
    """Columns to leave out."""
    columns: dict[str, choice("feature")] = {}  # type: ignore[valid-type]
    """What is known of single columns: `age: number`, or `age: {type: number, missing: median, scale: quantile}`."""
    model: SupervisedConfig = SupervisedConfig()
    """Encoders, a combiner and decoders."""
    loss: choice("loss") | None = None  # type: ignore[valid-type]
    """The loss of every target whose column names none; default: the usual one for its type."""
    metrics: list[choice("metric")] = []  # type: ignore[valid-type]
    """The metrics of every target whose column names none; default: the usual ones for its type."""
