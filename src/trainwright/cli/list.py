"""`trainwright list`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import Parser
from trainwright.cli.style import bold, two_columns, wrap
from trainwright.config.domain import NAMED
from trainwright.config.domains import OURS, owner, package_of, register
from trainwright.config.errors import RequestError, did_you_mean
from trainwright.config.options import options_of
from trainwright.config.part import load_named
from trainwright.config.registry import KINDS, RENAMED_KINDS, aliases, options_class, parts, registered_name

if TYPE_CHECKING:
    from trainwright.config.domain import Domain
    from trainwright.config.domains import Installed

DOMAIN = "domain"


def run(words: Sequence[str]) -> int:
    """Show the kinds of parts, the parts of a kind, or the options of one part."""
    arguments = parser().parse(words)
    kind, dot, name = (arguments.what or "").partition(".")
    kind = _singular(kind)
    for each in register().warnings():
        print(f"warning: {each}", file=sys.stderr)
    listed = library_of(kind, name)
    if not listed and (arguments.pattern or arguments.pretrained):
        given = "--pretrained" if arguments.pretrained else f"'{arguments.pattern}'"
        fix = f"name a library: trainwright list model.{' or model.'.join(libraries())} 'resnet*' --pretrained"
        raise RequestError(f"{given} chooses among the models of a library", where="trainwright list", fix=fix)
    if listed:
        print(library_models(name, listed, arguments))
    elif arguments.json:
        print(json.dumps(as_data(kind, name), indent=2, ensure_ascii=False))
    elif kind == DOMAIN:
        print(one_domain(name) if dot else all_domains())
    else:
        print(one_part(kind, name) if dot else one_kind(kind) if kind else all_kinds())
    return 0


def all_kinds() -> str:
    """The kinds, and the names of their parts."""
    rows = [(kind, ", ".join(parts(kind))) for kind in KINDS]
    rows.append((DOMAIN, ", ".join(register().domains)))
    return f"{two_columns(rows)}\n\n`trainwright list KIND` tells what they are; `trainwright list KIND.NAME` shows the options of one."


def one_kind(kind: str) -> str:
    """The parts of a kind and what they are."""
    rows = [(name, f"{part.summary}{_other_names(kind, name)}{_origin(kind, name)}") for name, part in parts(kind).items()]
    more = "Or a class of your own: `type: package.module.Class` or `./file.py:Class`."
    if not rows:
        return f'None of Trainwright\'s; those that @tw.register("name") names in files under `imports`. {more}'
    return f"{two_columns(rows)}\n\n{more} Options: `trainwright list {kind}.{rows[0][0]}`."


def _other_names(kind: str, name: str) -> str:
    """`; also mae, …`: what else a part is called."""
    words = [word for word, standard in aliases(kind).items() if standard == name]
    return f"; also {', '.join(words)}" if words else ""


def _origin(kind: str, name: str) -> str:
    """`(domain sounds)` for a part of an installed package."""
    found = owner(kind, name)
    return f" (domain {found})" if found and package_of(found) != OURS else ""


def libraries() -> list[str]:
    """Encoders that are models of a library, each by its name there."""
    return [name for name in parts("encoder") if getattr(options_class("encoder", name), "listed", "")]


def library_of(kind: str, name: str) -> str:
    """The function that lists the models of `model.NAME`; empty where that is no library."""
    return getattr(options_class("encoder", name), "listed", "") if kind == "model" and name in parts("encoder") else ""


def library_models(library: str, listed: str, arguments: Any) -> str:
    """The names of a library's models, one a line."""
    found = load_named(listed)(arguments.pattern or "", arguments.pretrained)
    if arguments.json:
        return json.dumps(found, indent=2)
    tell = f"{len(found):,} models; train one: model={library}/{found[0]}; its options: trainwright list encoder.{library}"
    return "\n".join([*found, "", tell])


def all_domains() -> str:
    """The domains and what they are."""
    rows = [(name, f"{each.domain.about} ({each.package})") for name, each in register().domains.items()]
    return f"{two_columns(rows)}\n\nWhat one brings: `trainwright list {DOMAIN}.{rows[0][0]}`. Others come with packages that you install."


def one_domain(name: str) -> str:
    """What a domain brings, by kind."""
    found = _domain(name)
    rows = [(kind, ", ".join(names)) for kind, names in brings(found.domain).items()]
    head = [bold(f"{DOMAIN}.{found.domain.name}"), wrap(f"{found.domain.about} Package: {found.package}.", 2)]
    return "\n".join([*head, "", two_columns(rows)])


def brings(domain: Domain) -> dict[str, list[str]]:
    """What a domain brings, by kind: its parts, what else has names, the types of column and the sections that it sets by default."""
    named = {each: getattr(domain, each) for each in NAMED}
    found = {kind: list(table) for kind, table in {**domain.parts, **named}.items() if table}
    return {
        **found,
        **({"defaults of": list(domain.columns)} if domain.columns else {}),
        **({"config": list(domain.config)} if domain.config else {}),
    }


def _domain(name: str) -> Installed:
    """The domain of a name; raises RequestError when there is none."""
    if name not in register().domains:
        failed = "; ".join(str(each) for each in register().broken)
        raise RequestError(f"unknown domain '{name}'", why=failed, fix=did_you_mean(name, register().domains))
    return register().domains[name]


def one_part(kind: str, name: str) -> str:
    """What a part is, and its options with type, default and meaning."""
    from trainwright.cli.settings import describe_option

    options = options_class(kind, name)
    known = registered_name(kind, name)
    summary = options.__doc__ or (parts(kind)[known].summary if known else "")
    lines = [f"{bold(f'{kind}.{known or name}')}{_origin(kind, known)}", wrap(summary, 2), ""]
    return "\n".join([*lines, *([describe_option(each) for each in options_of(options)] or ["  no options"])])


def as_data(kind: str, name: str) -> object:
    """What is shown, as plain values."""
    if kind == DOMAIN:
        shown = {name: _domain(name)} if name else register().domains
        found = {each: {"about": one.domain.about, "package": one.package, "brings": brings(one.domain)} for each, one in shown.items()}
        return found[name] if name else found
    if name:
        return {
            "kind": kind,
            "name": registered_name(kind, name) or name,
            "domain": owner(kind, registered_name(kind, name)),
            "options": [each.to_dict() for each in options_of(options_class(kind, name))],
        }
    if kind:
        return {each: part.summary for each, part in parts(kind).items()}
    return {**{each: list(parts(each)) for each in KINDS}, DOMAIN: list(register().domains)}


def _singular(kind: str) -> str:
    """`encoders` is `encoder`; raises RequestError for no kind at all."""
    folded = kind.replace("-", "_").lower()
    if folded in RENAMED_KINDS:
        folded = RENAMED_KINDS[folded]
        print(f"the kind '{kind}' is now called '{folded}'", file=sys.stderr)
    found = next((each for each in (folded, folded.removesuffix("s"), folded.removesuffix("es")) if each in (*KINDS, DOMAIN)), "")
    if kind and not found:
        owners = [each for each in KINDS if folded in parts(each)]
        fix = "did you mean " + " or ".join(f"{each}.{folded}" for each in owners) + "?" if owners else did_you_mean(kind, [*KINDS, DOMAIN])
        raise RequestError(f"unknown kind '{kind}'", fix=fix)
    return found


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "list",
        "Show the kinds of parts a configuration can name, the parts of a kind, or the options of one part (type, default, meaning).",
        "[KIND | KIND.NAME | model.LIBRARY [PATTERN] [--pretrained]] [--json]",
        [
            "trainwright list",
            "trainwright list encoder",
            "trainwright list encoder.piecewise_linear",
            "trainwright list domain",
            "trainwright list optimizer.torch.optim.RMSprop",
            "trainwright list model.timm 'resnet*' --pretrained",
        ],
    )
    made.add_argument("what", metavar="KIND", nargs="?", help="a kind, or KIND.NAME, or KIND.import.path.Class")
    made.add_argument("pattern", metavar="PATTERN", nargs="?", help="of a library's models, those that fit: 'resnet*'")
    made.add_argument("--pretrained", action="store_true", help="of a library's models, those with published weights, by their tags")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made
