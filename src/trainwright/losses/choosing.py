"""What a person writes for a loss, as validated options: a name, a mapping, a path, or a list of them with weights. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError, WithJsonSchema, model_serializer
from pydantic_core import PydanticCustomError

from trainwright.config.class_options import own_options
from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import ConfigModel, PartConfig, refusal
from trainwright.config.scheduled import Scheduled
from trainwright.losses import ALIASES, PARTS, announce_name, find_name
from trainwright.losses.names import is_functional
from trainwright.losses.shared_options import CriterionOptions, FunctionOptions

EXAMPLE = "write a name, {type: name, option: value}, or a list [{type: mse, weight: 1.0}, …]"


class Term(ConfigModel):
    """One loss of a weighted sum."""

    loss: SerializeAsAny[PartConfig]
    """The loss with its options."""
    weight: Scheduled = Scheduled((1.0,))
    """Its weight, which may change over the run."""
    name: str = ""
    """What it is called in the log; its type where it has none."""

    @model_serializer(mode="plain")
    def _write(self) -> dict[str, Any]:
        named = {"name": self.name} if self.name else {}
        return {**self.loss.model_dump(), "weight": self.weight.written(), **named}


def criterion_options(given: Any) -> PartConfig:
    """The options of one loss; raises ConfigError for an unknown one."""
    if isinstance(given, PartConfig):
        return given
    written = {"type": given} if isinstance(given, str) else given
    if not isinstance(written, Mapping) or not isinstance(written.get("type"), str):
        raise ConfigError(f"{given!r} names no loss", fix=EXAMPLE)
    written = {key.replace("-", "_") if isinstance(key, str) else key: value for key, value in written.items()}
    name = announce_name(written["type"])
    if name in PARTS:
        if is_functional(written["type"]):
            written = _of_function(written, PARTS[name].config)
        return PARTS[name].config.model_validate({**written, "type": name})
    if is_path(name):
        return _at_path(name, written)
    raise _refuse_unknown(name)


def _of_function(written: Mapping[str, Any], part: type[PartConfig]) -> dict[str, Any]:
    """The options of one of torch's functions as its loss has them: with torch's defaults, and none of them inside `options`."""
    inside = written.get("options") or {}
    defaults = {"ignore_index": -100} if "ignore_index" in part.model_fields else {}
    found = {**defaults, **inside, **{key: value for key, value in written.items() if key != "options"}}
    return {key: value for key, value in found.items() if (key, value) != ("reduction", "none")}  # a step is the mean of what it gives


def _refuse_unknown(name: str) -> ConfigError:
    short = [*PARTS, *(each for each in ALIASES if each.islower() and "." not in each)]
    return ConfigError(f"unknown loss '{name}'", fix=f"{did_you_mean(name, short)}; or a function of (output, target)")


def _at_path(name: str, written: Mapping[str, Any]) -> PartConfig:
    made_from, path = found_at(name)
    own = own_options(made_from)
    if own is not None:
        return own.model_validate({**written, "type": path})
    if isinstance(written.get("options", {}), Mapping):
        rest = {**written.get("options", {}), **{key: value for key, value in written.items() if key not in ("type", "options")}}
    kept = {key: rest.pop(key) for key in ("inputs", "check_values") if key in rest}
    return FunctionOptions(type=path, options=rest, **kept)


def choose_loss(given: Any) -> Any:
    """The options of a loss, or the terms of a weighted sum; raises ConfigError or pydantic's errors."""
    if isinstance(given, list | tuple):
        if not given:
            raise ConfigError("the list of losses is empty", fix=EXAMPLE)
        terms = [_term(each) for each in given]
        check_term_weights([(each.loss.type, each.weight) for each in terms])
        return terms
    if isinstance(given, Mapping) and "weight" in given and not _is_class_weight(given):
        return choose_loss([given])
    return criterion_options(given)


def check_term_weights(terms: Sequence[tuple[str, Scheduled]]) -> None:
    """Raises ConfigError for a named loss that would be maximised, which has no end, and for a sum in which nothing weighs anything."""
    for name, weight in terms:
        if find_name(name) in PARTS and weight.least < 0:
            why = "a loss of a weight below 0 is maximised, and grows without end"
            fix = "give it a weight of 0 or more; a reward of your own is a function, whose weight may be any number"
            raise ConfigError(f"the loss '{name}' has the weight {weight}", why=why, fix=fix)
    if not any(weight.least or weight.most for _, weight in terms):
        raise ConfigError("the weights of the losses are all 0", why="nothing would be learnt", fix="give a loss a weight above 0")


def _is_class_weight(written: Mapping[str, Any]) -> bool:
    """Whether `weight` of a loss that stands alone is torch's, one for each class."""
    known = PARTS.get(find_name(str(written.get("type", ""))))
    takes = known is None or "class_weight" in known.config.model_fields
    return takes and not isinstance(written["weight"], int | float)


def _term(given: Any) -> Term:
    if isinstance(given, Term):
        return given
    if not isinstance(given, Mapping):
        return Term(loss=criterion_options(given))
    written = dict(given)
    if isinstance(written.get("loss"), PartConfig):
        return Term(**written)
    weight, name = Scheduled.parse(written.pop("weight", 1.0)), str(written.pop("name", ""))
    return Term(loss=criterion_options(written), weight=weight, name=name)


def loss_options(given: Any, where: str = "loss") -> Any:
    """`choose_loss` for a call from Python: raises ConfigError or ManyErrors naming the place and each option that is wrong."""
    try:
        return choose_loss(given)
    except ConfigError as error:
        raise ConfigError(error.what, where=error.where or where, why=error.why, fix=error.fix) from error
    except (ValidationError, PydanticCustomError) as error:
        raise _explain(error, given, where) from error


def _explain(error: ValidationError | PydanticCustomError, given: Any, where: str) -> RequestError:
    if isinstance(error, PydanticCustomError):
        return ConfigError(error.message(), where=where, fix=str((error.context or {}).get("fix", "")))
    found: list[RequestError] = []
    for each in error.errors(include_url=False):
        key, context = ".".join(str(part) for part in each["loc"]), each.get("ctx", {})
        if each["type"] == "extra_forbidden":
            found.append(_no_option(key, given, where))
        elif each["type"] == "missing":
            found.append(ConfigError(f"the loss needs '{key}'", where=where, fix=f"give {key}"))
        elif each["type"] == "refused":
            found.append(ConfigError(context["what"], where=where, why=context["why"], fix=context["fix"]))
        else:
            found.append(ConfigError(f"{key} of the loss is {each['input']!r}", where=where, why=each["msg"]))
    return found[0] if len(found) == 1 else ManyErrors(found)


def _no_option(key: str, given: Any, where: str = "") -> ConfigError:
    """For a key that none of the losses written has: the options of the one it stands in."""
    name = key.rpartition(".")[2]
    terms = given if isinstance(given, list | tuple) else [given]
    term = next((each for each in terms if isinstance(each, Mapping) and name in each), given)
    return ConfigError(f"the loss has no option '{name}'", where=where, fix=did_you_mean(name, _fields(term)))


def _choose_in_words(given: Any) -> Any:
    """`choose_loss`; raises ConfigError for an option that the loss has not, since what it has follows from its name."""
    try:
        return choose_loss(given)
    except ValidationError as error:
        unknown = [str(each["loc"][-1]) for each in error.errors(include_url=False) if each["type"] == "extra_forbidden"]
        if not unknown:
            raise
        raise _no_option(unknown[0], given) from None


def _fields(given: Any) -> list[str]:
    """The options of the loss that was written."""
    name = find_name(str(given.get("type", ""))) if isinstance(given, Mapping) else find_name(str(given))
    part = PARTS.get(name)
    fields = part.config.model_fields if part is not None else CriterionOptions.model_fields
    return [each for each in fields if each != "type"]


LossChoice = Annotated[
    Any,
    BeforeValidator(refusal(_choose_in_words)),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}]}
    ),
]
"""The annotation of a field that picks a loss or a weighted sum of losses."""
