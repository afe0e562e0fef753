"""Handwritten digits as pictures: the set that scikit-learn carries, read where it lies."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data.source import TableSource
from trainwright.data.sources.builtin import DIGITS, carried_file, read_digits


def digits_images(name: str) -> TableSource:
    """1,797 gray pictures of 8 × 8 as `image`, and `digit`, which is to be predicted (UCI: Optical Recognition of Handwritten Digits).

    Pictures are references to rows of scikit-learn's own file: nothing is written. Raises DataError where it is not there.
    """
    path = carried_file(DIGITS)
    digits = read_digits(path)[:, 64].astype(np.int64)
    numbers = pa.array(np.arange(len(digits))).cast(pa.string())
    table = pa.table({"image": pc.binary_join_element_wise(f"{path}#row=", numbers, ""), "digit": digits})
    declared = {"image": {"type": "image"}, "digit": {"type": "category"}}
    return TableSource(table, f"builtin:{name}", default_targets=["digit"], files=[path], columns=declared)
