"""The base of every config class: unknown keys forbidden, no silent coercion, frozen, `-` read as `_`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticUndefined, core_schema

from trainwright.config.attribute_docs import attribute_docs
from trainwright.config.config_classes import MISSING
from trainwright.config.errors import RequestError

T = TypeVar("T")


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Fields(ModelMetaclass):
    """Takes the string below a field as its description; and lets `@dataclass` stand above a Config that derives from a ConfigModel, as
    code written for OmegaConf has it.

    The fields are read already, those of `dataclasses.field(…)` too; the methods that the decorator brings know nothing of the bases'.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> type:
        cls = cast(Any, super().__new__(mcs, name, bases, namespace, **options))
        undescribed = [(key, field) for key, field in cls.__pydantic_fields__.items() if field.description is None]
        found = attribute_docs(name, namespace["__module__"]) if undescribed else {}
        for key, field in undescribed:
            field.description = found.get(key)
        return cast(type, cls)

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__dataclass_params__":
            # The decorator looks at every attribute, and one that is not built yet would be built meanwhile.
            cast(Any, cls).model_rebuild(raise_errors=False)
            cls._decorated = True
        elif not (cls.__dict__.get("_decorated") and name in OF_DATACLASSES):
            super().__setattr__(name, value)


OF_DATACLASSES = {
    f"__{name}__"
    for name in ("dataclass_fields", "init", "repr", "eq", "hash", "match_args", "replace", "lt", "le", "gt", "ge", "setattr", "delattr")
}
"""What `dataclasses.dataclass` sets on a class."""


class ConfigModel(BaseModel, metaclass=_Fields):
    """A section of the configuration; give every field a type, a default where there is one, and a description."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        validate_default=False,
        defer_build=True,  # most parts are never chosen in a run, and building their checks takes milliseconds each
    )

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of options of which only one may be given; in a later layer one replaces another."""
    short: ClassVar[dict[str, tuple[str, ...]]] = {}
    """System → those of its options that may stand at the top of a configuration, in place of `system:`; the first is the default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        for field in cls.model_fields.values():
            if isinstance(field.default, str) and field.default == MISSING:
                field.default = PydanticUndefined

    @classmethod
    def section_at(cls, name: str, values: Any) -> type[ConfigModel] | None:
        """The section under a key whose shape follows from the other values here; None where its annotation says it."""
        return None

    @model_validator(mode="before")
    @classmethod
    def _as_python_has_it(cls, data: Any) -> Any:
        """`-` read as `_`, a YAML list where a tuple is wanted, and a part without `type` taken as the default one."""
        if not isinstance(data, dict):
            return data
        data = {_fold_name(key, cls.model_fields): value for key, value in data.items()}
        return {key: _fit_value(cls.model_fields.get(key), value) for key, value in data.items()}

    @model_validator(mode="after")
    def _one_alternative(self) -> Self:
        for group in self.alternatives:
            given = [name for name in group if getattr(self, name) is not None]
            if len(given) > 1:
                raise PydanticCustomError("alternatives", "{what}", {"what": f"{' and '.join(given)} exclude each other"})
        return self


WRITTEN = "_written"
"""Where options that keep their places have the node that they were read from; no field, so that no comparison and no dump sees it."""


class PartConfig(ConfigModel):
    """The options of one registered part; `type` is its registry name, a dotted path or `file.py:Class`."""

    other_words: ClassVar[dict[str, str]] = {}
    """What an option is called elsewhere → the option."""
    of_others: ClassVar[dict[str, str]] = {}
    """Options that parts of this kind do not have, while others do → what to do instead."""
    keeps_places: ClassVar[bool] = False
    """Whether what was written is kept beside the options, as `WRITTEN`, for mistakes that are found when the part runs."""
    takes_columns: ClassVar[bool] = False
    """Whether a system with these options is trained on columns with types; every other is trained on splits."""
    predicts_columns: ClassVar[bool] = False
    """Whether it predicts some of them from others: what is measured of it is of targets, and its options stand at the top of a file."""

    type: str

    @model_validator(mode="before")
    @classmethod
    def _words_of_others(cls, data: Any) -> Any:
        """Options by the names that they have elsewhere; one that is given by both names is refused as unknown by the other."""
        if not isinstance(data, dict) or not cls.other_words:
            return data
        words = {key: cls.other_words.get(str(key).replace("-", "_"), key) for key in data}
        return {(key if words[key] in data else words[key]): value for key, value in data.items()}

    def check_target(self, kind: str, width: int | None = None) -> None:
        """Raises ConfigError for options that mean nothing for targets of this kind, with so many classes where that is known."""


def with_options_of(added: type[PartConfig], options: type[PartConfig]) -> type[PartConfig]:
    """The options of a class of one's own with those that `added` declares, unless it takes these, or anything, by itself."""
    own = added.model_fields.keys() - PartConfig.model_fields.keys()
    if own & options.model_fields.keys() or options.model_config.get("extra") == "allow":
        return options
    make: Any = create_model
    found: type[PartConfig] = make(options.__name__, __base__=(options, added), __doc__=options.__doc__)
    vars_of: Any = found
    vars_of.plain = getattr(options, "plain", options)  # what the class itself is given
    return found


def _fold_name(key: Any, fields: dict[str, FieldInfo]) -> Any:
    return key.replace("-", "_") if isinstance(key, str) and key not in fields and key.replace("-", "_") in fields else key


def _fit_value(field: FieldInfo | None, value: Any) -> Any:
    if field is None:
        return value
    if isinstance(value, list) and _is_tuple(field.annotation):
        return tuple(value)
    if (
        isinstance(value, dict)
        and "type" not in value
        and isinstance(field.default, str)
        and getattr(field.annotation, "__name__", "") == "PartConfig"
    ):
        return {"type": field.default, **value}
    return value


def _is_tuple(annotation: Any) -> bool:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType, Annotated) else ()
    return any(
        get_origin(each) is tuple or (get_origin(each) is Annotated and get_origin(get_args(each)[0]) is tuple)
        for each in (annotation, *options)
    )


def as_refusal(error: RequestError) -> PydanticCustomError:
    """The same refusal as pydantic collects it: its what, why and fix come out again with the place in the file."""
    return PydanticCustomError("refused", "{what}", {"what": error.what, "why": error.why, "fix": error.fix})


def refusal(parse: Callable[[Any], T]) -> Callable[[Any], T]:
    """`parse` as a pydantic validator: a RequestError it raises is collected with all the others."""

    @wraps(parse)
    def validate(value: Any) -> T:
        try:
            return parse(value)
        except RequestError as error:
            raise as_refusal(error) from error

    return validate


def text_schema(parse: Callable[[Any], Any]) -> CoreSchema:
    """How pydantic reads a class that `parse` makes from text, and writes it as its text."""
    return core_schema.no_info_plain_validator_function(refusal(parse), serialization=core_schema.to_string_ser_schema())
