import logging

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.choice import choose
from trainwright.data.source import TableSource
from trainwright.domains.tables.tally import say_counts
from trainwright.features.encoding import TableEncoder


def table(missing: int, whole_missing: int = 0) -> pa.Table:
    numbers = np.arange(100.0)
    return pa.table(
        {"age": pa.array(numbers, mask=numbers < missing), "fare": pa.array(np.sin(numbers), mask=numbers < whole_missing), "y": numbers}
    )


@pytest.mark.parametrize(
    ("missing", "whole_missing", "said"),
    [
        (20, 0, []),
        (40, 0, []),
        (41, 0, ["note: column 'age': 41 of 100 values are missing (20.0% in training)"]),
        (0, 1, ["note: column 'fare': 1 of 100 values are missing (0.0% in training)"]),
    ],
)
def test_missing_values_are_said_where_training_had_none_or_less_than_half_as_many(
    missing: int, whole_missing: int, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    columns = {name: choose("feature", "number") for name in ("age", "fare", "y")}
    encoder = TableEncoder(columns, ["age", "fare"], ["y"], {}).fit(TableSource(table(20), "old"), np.arange(100))
    new = TableSource(table(missing, whole_missing), "new")
    with caplog.at_level(logging.INFO, "trainwright"):
        say_counts(new, encoder.encode(new))
    assert caplog.messages == said
