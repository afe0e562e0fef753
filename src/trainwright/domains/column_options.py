"""The options of a column whose type was found in its values, and what is wrong with them in the words of a file."""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from trainwright.config.choice import choice
from trainwright.config.compose import compose
from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.config.registry import options_class
from trainwright.data.inference import Inferred
from trainwright.features import FeatureConfig


def raise_all(errors: list[RequestError]) -> None:
    """Raises the error, or all of them together when there are several."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ManyErrors(errors)


def quote_name(name: str) -> str:
    """How the command line names a column that has dots."""
    return f"for the column '{name}' write \"columns.'{name}'=…\" (in a file: '{name}' under `columns`)"


def column_options(given: Any, found: Inferred, columns: list[str]) -> tuple[FeatureConfig, bool]:
    """The options of a column, and whether its type was given rather than inferred."""
    inferred = options_class("feature", found.type)
    if given is None:
        return cast(FeatureConfig, inferred.model_validate({"type": found.type})), False
    if given.type != "auto":
        return given, True
    asked = given.model_dump(exclude_unset=True, exclude={"type"})
    known = [name for name in inferred.model_fields if name != "type"]
    unfit = [name for name in asked if name not in known and name not in inferred.other_words]
    if unfit:
        dotted = f"{found.name}.{unfit[0]}"
        nearby = quote_name(dotted) if dotted in columns else did_you_mean(unfit[0], known)
        raise ConfigError(
            f"column '{found.name}' was taken for {found.type}, which has no option '{unfit[0]}'",
            why=found.why,
            fix=f"{nearby}; or give its type: columns.{found.name}.type=…",
        )
    try:
        return cast(FeatureConfig, inferred.model_validate({**asked, "type": found.type})), False
    except ValidationError as error:
        raise _refuse_column(asked, found) from error


class _Columns(ConfigModel):
    columns: dict[str, choice("feature")]  # type: ignore[valid-type]


def _refuse_column(asked: dict[str, Any], found: Inferred) -> RequestError:
    """What is wrong with the options of a column once its type is known, in the words for options of a file."""
    taken = f"the column was taken for {found.type}: {found.why}"
    try:
        validate(_Columns, compose(_Columns, {"columns": {found.name: {**asked, "type": found.type}}}, environment={}))
    except ManyErrors as many:
        told = [ConfigError(each.what, why=f"{each.why}; {taken}" if each.why else taken, fix=each.fix) for each in many.errors]
        return ManyErrors(list(told)) if len(told) > 1 else told[0]
    return ConfigError(
        f"the options of column '{found.name}' do not fit",
        why=taken,
        fix=f"leave columns.{found.name} out",
    )
