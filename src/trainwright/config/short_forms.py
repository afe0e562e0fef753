"""Options of the system at the top of a configuration (`targets:`, `model:`, `loss:`), written out into `system:` before it is checked."""

from __future__ import annotations

from trainwright.config.errors import ConfigError, RequestError, nearest
from trainwright.config.layers import assign, merge
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath, Node
from trainwright.config.registry import divide_member, options_class, parts
from trainwright.config.structure import Section, below

ONE_FORM = "a file has either `system:` or `model:` at the top"


def write_out(root: Node, model: type[ConfigModel], problems: list[RequestError]) -> tuple[str, ...]:
    """Move the short forms that `model` knows into `system:`, places and all, and return the keys that were moved.

    Those of a later layer go on top of an earlier `system:`, and words of the command line on top of one that stands there too; beside one
    of the same layer they are added to `problems`.
    """
    if not model.short or not isinstance(root.value, dict):
        return ()
    system = root.value.get("system")
    _begin_encoder(root)
    kind = _system_of(root, model)
    given = _take_given(root, model.short.get(kind, _every_name(model)), _words_of(kind), problems)
    if system is not None and _has_name(system):
        return _set_named(root, system, given, model, problems)
    if not given:
        return ()
    place = next(iter(given.values())).place
    short = Node({"type": Node(kind, place), **given}, place)
    root.value["system"] = short if system is None else merge(short, system, below(Section(model), "system"))
    return tuple(given)


def name_encoder(value: Node) -> tuple[KeyPath, Node] | None:
    """`model: timm/resnet18` as the encoder of the type of column that it reads, and where that stands; None for any other model."""
    name = value if isinstance(value.value, str) else value.under("type")
    if name is None or not isinstance(name.value, str) or "/" not in name.value:
        return None
    family, member = divide_member("encoder", name.value)
    if not member:
        _refuse_near(name)
        return None
    rest = {key: each for key, each in value.value.items() if key != "type"} if isinstance(value.value, dict) else {}
    made = {"type": family, **member}
    options = {**{key: Node(each, name.place, name.key, name.layer) for key, each in made.items()}, **rest}
    kind = getattr(options_class("encoder", family), "for_columns", "")
    return ("model", "encoders", kind), Node(options, value.place, value.key, value.layer)


def _refuse_near(name: Node) -> None:
    """Raises ConfigError for `tim/resnet18`, which is nearly the name of a library."""
    before, _, after = name.value.partition("/")
    close = nearest(before, [each for each in parts("encoder") if before[:1] == each[:1]], alike=0.75) if before.isidentifier() else ""
    if close and divide_member("encoder", f"{close}/{after}")[1]:
        raise ConfigError(f"there is no library of models '{before}'", where=str(name.place), fix=f"did you mean {close}/{after}?")


def name_encoder_of(root: Node) -> Node:
    """A file or mapping whose `model` is the name of an encoder, with that written out."""
    model = root.value.get("model") if isinstance(root.value, dict) else None
    found = None if model is None else name_encoder(model)
    if model is not None and found is not None:
        root.value["model"] = nested(found[0][1:], found[1])
    return root


def nested(path: KeyPath, value: Node) -> Node:
    """The value below these keys, each in a mapping of its own."""
    for key in reversed(path):
        value = Node({str(key): value}, value.place, value.key, value.layer)
    return value


def _begin_encoder(root: Node) -> None:
    """Give `weights` at the top to the encoder that `model` names, where it is the only one of its kind."""
    encoders = root.value["model"].under("encoders") if "model" in root.value else None
    if "weights" not in root.value or encoders is None or not isinstance(encoders.value, dict):
        return
    able = [each for each in encoders.value.values() if isinstance(each.value, dict) and _has_members(each)]
    if len(able) == 1 and "weights" not in able[0].value:
        able[0].value["weights"] = root.value.pop("weights")


def _has_members(encoder: Node) -> bool:
    """Whether an encoder is one of a library's, by name."""
    kind = encoder.under("type")
    name = kind.value if kind is not None else ""
    return isinstance(name, str) and name in parts("encoder") and bool(getattr(options_class("encoder", name), "member", ""))


def _system_of(root: Node, model: type[ConfigModel]) -> str:
    """The system that is meant: the one named, else the default, or the one whose `model` has a name or a `type`."""
    system, written = root.under("system"), root.under("model")
    named = system if system is None or isinstance(system.value, str) else system.under("type")
    if named is not None:
        return str(named.value)
    return list(model.short)[-1 if written is not None and _has_name(written) else 0]


def _words_of(kind: str) -> dict[str, str]:
    """What options of a registered system are called too (`target` for `targets`)."""
    return options_class("system", kind).other_words if kind in parts("system") else {}


def _take_given(root: Node, names: tuple[str, ...], words: dict[str, str], problems: list[RequestError]) -> dict[str, Node]:
    """The short forms that are there, by the names that the system has for them, taken out of the top; the later layer wins."""
    found: dict[str, Node] = {}
    for name in (each for each in names if each in root.value):
        node, option = root.value.pop(name), words.get(name, name)
        other = found.get(option)
        if other is not None and other.layer == node.layer:
            what = f"'{name}' and '{option}' are both given"
            problems.append(ConfigError(what, where=str(node.key or node.place), fix=f"keep {option}"))
        if other is None or node.layer > other.layer:
            found[option] = node
    return found


def _has_name(node: Node) -> bool:
    return isinstance(node.value, str) or node.under("type") is not None


def _every_name(model: type[ConfigModel]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in model.short.values() for name in names))


def _is_word(node: Node) -> bool:
    """Whether it stands on the command line, where words come one after the other (`system=diffusion columns.image.size=32`)."""
    return node.place.name.startswith("command line: ")


def _set_named(root: Node, system: Node, given: dict[str, Node], model: type[ConfigModel], problems: list[RequestError]) -> tuple[str, ...]:
    fix = "put it under `system:`, or leave `system:` out and keep `model:`, `loss:` and their like at the top"
    named_alone = isinstance(system.value, str)  # `system: diffusion`, or system=diffusion: its options may stand beside its name
    for name, each in given.items():
        if each.layer > system.layer or named_alone or (_is_word(each) and _is_word(system)):
            assign(root, ("system", name), each, Section(model))
        else:
            what = f"'{name}' stands at the top beside `system`"
            problems.append(ConfigError(what, where=str(each.key or each.place), why=ONE_FORM, fix=fix))
    return tuple(given)
