"""Images: photographs and other pictures, each a column of a table."""

from __future__ import annotations

from trainwright.config.domain import ColumnKind, Domain
from trainwright.config.part import Part
from trainwright.domains.images.classical import BASELINES
from trainwright.domains.images.classical import PARTS as CLASSICAL
from trainwright.domains.images.models import BLOCKS
from trainwright.domains.images.models import PARTS as ENCODERS
from trainwright.domains.images.models.libraries import PARTS as OF_LIBRARIES
from trainwright.domains.images.sources import PARTS as SOURCES
from trainwright.domains.images.synth import SYNTH
from trainwright.domains.images.transforms import PARTS as TRANSFORMS
from trainwright.domains.images.viewing import BLOCKS as TOLD

_HERE = "trainwright.domains.images"

FEATURES: dict[str, Part] = {
    "image": Part(f"{_HERE}.feature:ImageFeature", f"{_HERE}.options:ImageOptions", "a picture for each row"),
}
COLUMNS = {
    "image": ColumnKind(
        encoder=f"{_HERE}.models.auto:for_images",
        by_column=True,
        deep=True,
        training=f"{_HERE}.training:for_pictures",
        missing="the mean of each channel",
        baselines=BASELINES,
    )
}

DOMAIN = Domain(
    "images",
    "Photographs and other pictures, each a column of a table.",
    parts={
        "source": SOURCES,
        "transform": TRANSFORMS,
        "feature": FEATURES,
        "encoder": {**ENCODERS, **OF_LIBRARIES},
        "block": BLOCKS,
        "baseline": CLASSICAL,
    },
    columns=COLUMNS,
    blocks=TOLD,
    synth=SYNTH,
    claims=f"{_HERE}.claims:claims",
    infers=f"{_HERE}.claims:infers",
    claimed="pictures (.jpg, .png, .webp, .tif, .gif, .bmp)",
)
