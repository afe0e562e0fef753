"""One number for each of thousands of values, or one score for each row and class, is refused before memory is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainwright.baselines import BoostingOptions, ConstantOptions
from trainwright.baselines.run import MAX_SCORES, BaselineTarget, run_baselines
from trainwright.config.errors import ConfigError
from trainwright.domains.tables.encoders import MOST_ONES, check_one_hot
from trainwright.features.spec import DataSpec, InputGroup
from trainwright.systems.run_config import check_config, compose_config


def spec(*sizes: int) -> DataSpec:
    columns = [f"c{place}" for place in range(len(sizes))]
    return DataSpec([InputGroup("category", "category", columns, None, {"index": (len(sizes),)}, list(sizes))], [], 100)


@pytest.mark.parametrize(
    ("encoder", "sizes", "refused"),
    [
        ("one_hot", (30_001,), "one_hot"),
        ("one_hot", (3000, 3000), "one_hot"),
        ("{type: embedding, one_hot_up_to: 5000}", (4500, 10), "one_hot_up_to=5000"),
        ("one_hot", (4000, 96), ""),
        ("{type: embedding, one_hot_up_to: 100}", (30_000, 10), ""),
        ("embedding", (30_000,), ""),
    ],
)
def test_a_number_for_every_value_is_refused_where_there_are_thousands(encoder: str, sizes: tuple[int, ...], refused: str) -> None:
    config: Any = check_config(compose_config(None, ["data.source=builtin:iris", f"model.encoders.category={encoder}"]))
    if not refused:
        check_one_hot(config, spec(*sizes))
        return
    with pytest.raises(ConfigError) as caught:
        check_one_hot(config, spec(*sizes))
    assert refused in caught.value.what and "model.encoders.category=embedding" in caught.value.fix and f"{MOST_ONES:,}" in caught.value.why
    named = check_config(compose_config(None, ["data.source=builtin:iris", "model.encoders.category=embedding"]))
    check_one_hot(named, spec(*sizes))


def test_baselines_of_very_many_classes_say_why_they_are_not_run() -> None:
    rows = {"train": np.arange(20), "test": np.arange(1000)}
    width = MAX_SCORES // len(rows["test"]) + 1
    truth = {name: each % 5 for name, each in rows.items()}

    def read(numbers: np.ndarray, columns: list[str]) -> Any:
        import pyarrow as pa

        return pa.table({"x": numbers.astype(float)})

    target = BaselineTarget("y", "category", width, truth)
    found = run_baselines([ConstantOptions(type="constant"), BoostingOptions(type="boosting")], read, {"x": "number"}, [target], rows)
    assert all("classes have more scores" in each.note and not each.outcomes for each in found.values())
