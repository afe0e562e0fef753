"""The options of a part as flags of a command: declared by the part, checked with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from trainwright.config.durations import Duration
from trainwright.config.model import PartConfig
from trainwright.config.part_options import check_options
from trainwright.config.places import Place
from trainwright.config.reading import literal


def add_flags(parser: ArgumentParser, options: type[PartConfig], names: Collection[str] = ()) -> None:
    """Add a flag for each option, or for those named; a flag that is there already, of another part, is left as it is."""
    for name, info in options.model_fields.items():
        if name != "type" and name in (names or (name,)) and flag(name) not in parser._option_string_actions:
            _add_flag(parser, name, info)


def _add_flag(parser: ArgumentParser, name: str, info: FieldInfo) -> None:
    """An option as a flag; without a value where it says yes or no. What is given is checked with the options."""
    if info.annotation is bool:
        parser.add_argument(flag(name), action="store_true", default=None, dest=name, help=info.description)
        return
    told = not info.is_required() and info.default not in (None, "", {}, [])
    default = f" (default: {info.default})" if told else ""
    parser.add_argument(flag(name), metavar=_show_value(name, info), dest=name, help=f"{info.description}{default}")


def _show_value(name: str, info: FieldInfo) -> str:
    """What a flag takes, as the help shows it: what the option says, the words there are, or a kind of value."""
    extra = info.json_schema_extra
    if isinstance(extra, dict) and "metavar" in extra:
        return str(extra["metavar"])
    kinds = {info.annotation, *get_args(info.annotation)}
    words = [str(each) for kind in (info.annotation, *get_args(info.annotation)) if get_origin(kind) is Literal for each in get_args(kind)]
    if words:
        return "|".join(words)
    if Duration in kinds:
        return "LENGTH"
    return ("FILE" if name == "file" else "NAME") if kinds <= {str, type(None)} else "N"


def check_flags(options: type[PartConfig], type: str, arguments: Namespace) -> PartConfig:
    """The options that were given; raises RequestError or ManyErrors with every one that is refused."""
    given = {name: each for name in options.model_fields if name != "type" and (each := getattr(arguments, name, None)) is not None}
    given = {name: each if each is True else literal(each, Place("command line")).plain() for name, each in given.items()}
    return check_options(options, type, given, where="command line", spell=flag)


def flag(name: str) -> str:
    """An option as it is written on a command line; a name that Python keeps for itself has a `_` at its end there: `class_`."""
    return f"--{name.rstrip('_').replace('_', '-')}"
