"""Which encoders can read a group of columns, and what to say when another was chosen."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.config.places import spell_key
from trainwright.features.spec import InputGroup


def fitting(group: InputGroup) -> list[str]:
    """The registered encoders that can read the group."""
    if "index" in group.parts:
        return ["one_hot", "embedding"]
    if "length" in group.parts:
        return ["rnn", "transformer", "conv", "pooled"]
    if len(group.parts.get("value", ())) == 1:
        return ["passthrough", "dense", "periodic", *(["piecewise_linear"] if "quantiles" in group.extras else [])]
    return ["passthrough", "dense", *(["embedding_bag"] if group.kind in ("set", "bag") else [])]


def unfit(group: InputGroup, said: str) -> ConfigError:
    """The error for a group whose encoder cannot read it, at the key that names the encoder; `said` tells of the columns."""
    keys = [spell_key(("columns", column, "encoder")) for column in group.columns] if group.encoder else [f"model.encoders.{group.kind}"]
    what = f"columns of type '{group.kind}' {said}"
    return ConfigError(what, where=", ".join(keys), fix=f"choose an encoder that fits them: {', '.join(fitting(group))}")
