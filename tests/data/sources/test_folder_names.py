"""Values that stand in the names of folders alone are said to be in no column."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from trainwright.data.files import folder_columns
from trainwright.data.sources import from_object


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("pattern", ["data/*/*/*.{}", "data/**/*.{}"])
def test_columns_in_folder_names_are_named_as_absent(form: str, pattern: str, tmp_path: Path) -> None:
    for year in (2020, 2021):
        folder = tmp_path / "data" / f"year={year}" / "code=007"
        folder.mkdir(parents=True)
        if form == "csv":
            (folder / "part.csv").write_text("x,code\n1,7\n2,7\n")
        else:
            pyarrow.parquet.write_table(pa.table({"x": [1, 2], "code": ["007", "007"]}), folder / "part.parquet")
    source = from_object(str(tmp_path / pattern.format(form)))
    assert source.schema.names == ["x", "code"] and len(source) == 4
    said = "the names of the folders hold values that are in no column and are not read: 'year' (2020, 2021); write them into the files"
    assert any(note.startswith(said) for note in source.notes)


def test_a_file_without_such_folders_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a=b.csv").write_text("x,y\n1,2\n")
    assert folder_columns([tmp_path / "a=b.csv", Path("=x/a.csv"), Path("y=/a.csv")]) == {}
    assert not from_object(tmp_path / "a=b.csv").notes
