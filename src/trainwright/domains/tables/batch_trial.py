"""The transforms of batches of a supervised system, tried on a few training rows before a run is begun."""

from __future__ import annotations

from trainwright.data.rows import Rows
from trainwright.data.transforms.batch_checks import few_rows, try_batch_transforms
from trainwright.systems.batch_transforms import SupervisedTransforms
from trainwright.systems.supervised import SupervisedSystem


def try_supervised_batches(system: SupervisedSystem, rows: Rows) -> None:
    """Raise ConfigError or DataError, with the place in the configuration, for transforms of batches that cannot be trained with."""
    transforms = system.batch_transforms
    if isinstance(transforms, SupervisedTransforms):
        example = few_rows(rows)
        transforms.ensure_mixable(example)
        where = next((chain.where for chain in transforms.columns.values()), "data.transform")
        transforms.ensure_fits(example, try_batch_transforms(transforms, example, where))
