"""How networks of pictures are trained where nothing is said: few long falls of the learning rate, and decay of the weights.

Measured on hands, digits and drawn pictures (docs/image-models.md).
"""

from __future__ import annotations

from typing import Any

from trainwright.config.model import PartConfig
from trainwright.features.spec import InputGroup

SAMPLES, FEWEST, MOST = 25_000, 15, 60
"""Pictures that are seen in training, within these passes over them."""
FEW_ROWS, SMALL_BATCH = 5_000, 32
"""With fewer training rows than this steps are of so many pictures, so that there are enough steps."""
OF_MASKS, SMALLEST_BATCH = 16_000, 16
"""The same where every pixel has an answer: fewer pictures and smaller steps, since each teaches thousands of times."""
RATE, CONVOLUTIONS = 1e-3, 3e-3
"""The highest learning rate; networks of convolutions with batch norm take a higher one."""
PRETRAINED = 0.2
"""The rate of networks that begin with weights, of that of those that do not."""


def for_pictures(group: InputGroup, encoder: PartConfig, rows: int) -> dict[str, Any]:
    """The options of `trainer` for an encoder of pictures, its options, and a number of training rows."""
    rate = CONVOLUTIONS if encoder.type in ("small_cnn", "image_resnet") else RATE
    begun = getattr(encoder, "weights", None) is not None or getattr(encoder, "pretrained", False)
    rate *= PRETRAINED if begun else 1
    samples, small = (OF_MASKS, SMALLEST_BATCH) if group.extras.get("maps") else (SAMPLES, SMALL_BATCH)
    return {
        "max_epochs": min(max(round(samples / max(rows, 1)), FEWEST), MOST),
        **({"batch_size": small} if rows < FEW_ROWS else {}),
        "optimizer": {"type": "adamw", "learning_rate": rate, "weight_decay": 0.05},
        "schedule": {"type": "cosine", "warmup": "0.2 run"},
        "parameters": {"no_decay": True},
        "early_stopping": None,
    }
