"""`data.path` says where a source finds its data, whatever else is written of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainwright.config.errors import ManyErrors
from trainwright.systems.run_config import read_config


def test_a_path_is_that_of_the_source_and_keeps_its_options(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a;b\n1;2\n")
    (tmp_path / "c.yaml").write_text("data: {source: {type: csv, delimiter: ';'}}\ntargets: [b]\n")
    config = read_config(str(tmp_path / "c.yaml"), [f"data.path={table}"])
    assert config.data.source.path == str(table) and config.data.source.delimiter == ";"
    assert read_config({"data": {"path": str(table)}, "targets": ["b"]}).data.source.type == "csv"


def test_a_path_on_the_command_line_stands_over_that_of_the_file(tmp_path: Path) -> None:
    for name in ("one.csv", "other.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "c.yaml").write_text(f"data: {{source: {tmp_path / 'one.csv'}}}\ntargets: [b]\n")
    assert read_config(str(tmp_path / "c.yaml"), [f"data.path={tmp_path / 'other.csv'}"]).data.source.path == str(tmp_path / "other.csv")


def test_two_places_of_one_layer_are_refused() -> None:
    with pytest.raises(ManyErrors, match="both say where the data are"):
        read_config({"data": {"path": "a.csv", "source": "b.csv"}, "targets": ["b"]})
