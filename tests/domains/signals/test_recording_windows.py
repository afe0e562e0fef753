"""Records predicted from their windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from labelled_records import config_of, write_labelled

import trainwright as tw


def test_a_record_of_one_window_is_predicted_as_one_without(tmp_path: Path) -> None:
    table = write_labelled(tmp_path)
    answers = {}
    for name, data in (("plain", {}), ("window", {"window": {"length": 200, "stride": 100}})):
        run = tmp_path / name
        tw.train(config=config_of(table, [{"type": "standardize"}], data), run_dir=run)
        frame = tw.load(run).predict(str(table))
        answers[name] = {each: frame.column(each).to_pylist() for each in frame.column_names if "probabilit" in each}
    assert answers["plain"] and answers["plain"].keys() == answers["window"].keys()
    for name, values in answers["plain"].items():
        np.testing.assert_array_equal(np.array(values, object), np.array(answers["window"][name], object))
    longer = write_labelled(tmp_path, seconds=3.0)
    frame = tw.load(tmp_path / "window").predict(str(longer))
    assert len(frame) == 24
