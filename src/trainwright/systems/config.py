"""The `model:` section of a supervised run; imports no torch."""

from __future__ import annotations

from trainwright.config.choice import choice
from trainwright.config.model import ConfigModel


class SupervisedConfig(ConfigModel):
    """Encoders → combiner → decoders; encoders and decoders are set per column in `columns`, the defaults here."""

    combiner: choice("combiner") = "auto"  # type: ignore[valid-type]
    """What joins the encoded columns into one vector."""
    encoders: dict[str, choice("encoder")] = {}  # type: ignore[valid-type]
    """Encoder by column type (`number: periodic`), for columns that name none."""
    tied: dict[str, list[str]] = {}
    """Columns that share one encoder, by a name of your own: `{who: [sender, receiver]}`."""

    model_config = {"validate_default": True}
