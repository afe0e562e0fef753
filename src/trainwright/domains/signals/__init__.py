"""Signals and sound: recordings of the body and of what can be heard, each a column of a table."""

from __future__ import annotations

from trainwright.config.domain import ColumnKind, Domain
from trainwright.config.part import Part
from trainwright.domains.signals.losses import PARTS as LOSSES
from trainwright.domains.signals.metrics import PARTS as METRICS
from trainwright.domains.signals.models import BLOCKS
from trainwright.domains.signals.models import PARTS as ENCODERS
from trainwright.domains.signals.processing import PARTS as TRANSFORMS
from trainwright.domains.signals.sources import PARTS as SOURCES
from trainwright.domains.signals.synth import SYNTH
from trainwright.domains.signals.viewing import BLOCKS as TOLD
from trainwright.domains.signals.viewing import VIEWS

_HERE = "trainwright.domains.signals"

FEATURES: dict[str, Part] = {
    "signal": Part(f"{_HERE}.feature:SignalFeature", f"{_HERE}.options:SignalOptions", "a recording with named leads for each row"),
    "audio": Part(f"{_HERE}.feature:AudioFeature", f"{_HERE}.options:AudioOptions", "a sound for each row"),
}
COLUMNS = {
    name: ColumnKind(encoder=f"{_HERE}.models.auto:for_signals", by_column=True, missing="the mean recording, or an empty one")
    for name in FEATURES
}

DOMAIN = Domain(
    "signals",
    "Recordings of the body (ECG and others) and sounds, each a column of a table.",
    parts={
        "source": SOURCES,
        "transform": TRANSFORMS,
        "feature": FEATURES,
        "encoder": ENCODERS,
        "block": BLOCKS,
        "metric": METRICS,
        "loss": LOSSES,
    },
    columns=COLUMNS,
    synth=SYNTH,
    views=VIEWS,
    blocks=TOLD,
    claims=f"{_HERE}.claims:claims",
    claimed="WFDB records (.hea), EDF recordings (.edf, .bdf), sounds (.wav, .flac, .mp3), films (.mp4, .mov)",
)
