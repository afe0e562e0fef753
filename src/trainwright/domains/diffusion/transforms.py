"""What is done to batches of columns on the device, such as the normalisation of pictures."""

from __future__ import annotations

from trainwright.features.spec import DataSpec
from trainwright.systems.batch_transforms import SupervisedTransforms


class ColumnTransforms(SupervisedTransforms):
    """The chains of columns, which the engine applies before every step and evaluation."""

    in_network = False


def transforms_of(spec: DataSpec) -> ColumnTransforms | None:
    """The chains of these columns; None where there are none."""
    made = ColumnTransforms(spec)
    return made if made.any else None
