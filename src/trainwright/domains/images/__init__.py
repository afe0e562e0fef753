"""Images: photographs and other pictures, each a column of a table."""

from __future__ import annotations

from trainwright.config.domain import ColumnKind, Domain
from trainwright.config.part import Part
from trainwright.domains.images.classical import BASELINES
from trainwright.domains.images.classical import PARTS as CLASSICAL
from trainwright.domains.images.masks import DECODERS
from trainwright.domains.images.models import BLOCKS
from trainwright.domains.images.models import PARTS as ENCODERS
from trainwright.domains.images.models.libraries import PARTS as OF_LIBRARIES
from trainwright.domains.images.sources import PARTS as SOURCES
from trainwright.domains.images.synth import SYNTH
from trainwright.domains.images.transforms import PARTS as TRANSFORMS
from trainwright.domains.images.viewing import BLOCKS as TOLD
from trainwright.domains.images.viewing import VIEWS

_HERE = "trainwright.domains.images"

FEATURES: dict[str, Part] = {
    "image": Part(f"{_HERE}.feature:ImageFeature", f"{_HERE}.options:ImageOptions", "a picture for each row"),
    "mask": Part(f"{_HERE}.masks.feature:MaskFeature", f"{_HERE}.masks.options:MaskOptions", "the class of every pixel of a picture"),
}
COLUMNS = {
    "image": ColumnKind(
        encoder=f"{_HERE}.models.auto:for_images",
        by_column=True,
        deep=True,
        training=f"{_HERE}.training:for_pictures",
        missing="the mean of each channel",
        made_with={"normalize": "inception", "augment": "none", "largest": 64},
        baselines=BASELINES,
        views=f"{_HERE}.views:make_views",
    ),
    "mask": ColumnKind(
        target="category",
        decoder="unet",
        loss={"type": "dice", "cross_entropy": 1.0, "absent": "skip"},
        metrics=("iou", "dice", "accuracy", "balanced_accuracy"),
        monitor="iou",
    ),
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
        "decoder": DECODERS,
        "baseline": CLASSICAL,
    },
    builtin={"digits_images": f"{_HERE}.sources.digits:digits_images"},
    columns=COLUMNS,
    views=VIEWS,
    blocks=TOLD,
    synth=SYNTH,
    claims=f"{_HERE}.claims:claims",
    infers=f"{_HERE}.claims:infers",
    adopts=f"{_HERE}.sources.adopting:adopt",
    claimed="pictures (.jpg, .png, .webp, .tif, .gif, .bmp)",
)
