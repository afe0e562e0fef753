"""Built-in data: those of domains, and the sets that scikit-learn carries, read from its files without importing it (2 s)."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa

from trainwright.config.domains import every, load_of_domain
from trainwright.config.errors import DataError
from trainwright.data.source import Source, TableSource
from trainwright.data.sources import BuiltinOptions
from trainwright.data.sources.memory import table_of

DIGITS = "digits.csv.gz"
TARGET = "target"
"""What scikit-learn calls the column to be predicted."""

WINE_COLUMNS = (
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids", "nonflavanoid_phenols",
    "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline",
)  # fmt: skip
IRIS_COLUMNS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
DIABETES_COLUMNS = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


def open_builtin(options: BuiltinOptions, memory_limit: int) -> Source:
    """The rows of a built-in set of any domain; raises DataError where what its function gives are no rows."""
    name = options.name
    found = load_of_domain("builtin", name, every("builtin")[name])(name)
    if hasattr(found, "batches"):
        source: Source = found
        return source
    return TableSource(table_of(found, False), f"builtin:{name}")


def carried_set(name: str) -> TableSource:
    """A real data set that scikit-learn carries: its values, column names and class names, with its target as the last columns."""
    readers = {"digits": _digits, "diabetes": _diabetes, "linnerud": _linnerud}
    columns, targets, files = readers[name]() if name in readers else _read_labelled(name)
    arrays = [values if isinstance(values, pa.Array) else pa.array(values) for values in columns.values()]
    return TableSource(pa.Table.from_arrays(arrays, names=list(columns)), f"builtin:{name}", default_targets=targets, files=files)


Columns = dict[str, np.ndarray | pa.Array]
Read = tuple[Columns, list[str], list[Path]]


def carried_file(name: str) -> Path:
    """A data file of the installed scikit-learn; raises DataError where there is none."""
    found = importlib.util.find_spec("sklearn")
    places = list(found.submodule_search_locations or ()) if found else []
    path = Path(places[0]) / "datasets" / "data" / name if places else Path(name)
    if not path.exists():
        raise DataError("scikit-learn's data files were not found", where="data.source", why=f"no '{path}'", fix="pip install scikit-learn")
    return path


def _read_labelled(name: str) -> Read:
    """Iris, wine and breast cancer: a first line `rows,columns,class names…`, then values with the class number last."""
    path = carried_file("wine_data.csv" if name == "wine" else f"{name}.csv")
    with path.open(newline="", encoding="utf-8") as opened:
        rows = csv.reader(opened)
        _, width, *classes = next(rows)
        values = np.array(list(rows), dtype=np.float64)
    names = {"iris": IRIS_COLUMNS, "wine": WINE_COLUMNS, "breast_cancer": _breast_cancer_columns()}[name]
    columns: Columns = {column: np.ascontiguousarray(values[:, position]) for position, column in enumerate(names)}
    labels = values[:, int(width)].astype(np.int64)
    columns[TARGET] = pa.array(classes).take(pa.array(labels))
    return columns, [TARGET], [path]


def _breast_cancer_columns() -> tuple[str, ...]:
    return tuple([f"mean {each}" for each in MEASURES] + [f"{each} error" for each in MEASURES] + [f"worst {each}" for each in MEASURES])


def read_digits(path: Path) -> np.ndarray:
    """Rows of 64 pixels of 0 to 16 and the digit, float64 (n, 65). Raises OSError, EOFError or ValueError for another file."""
    with gzip.open(path, "rt", encoding="utf-8") as opened:
        values = np.array([line.split(",") for line in opened], dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 65:
        raise ValueError("it has no rows of 64 pixels and a digit")
    return values


def _digits() -> Read:
    """8 × 8 pixels of 0…16 in 64 columns, and the digit."""
    path = carried_file(DIGITS)
    values = read_digits(path)
    columns: Columns = {f"pixel_{index // 8}_{index % 8}": np.ascontiguousarray(values[:, index]) for index in range(64)}
    columns[TARGET] = values[:, 64].astype(np.int64)
    return columns, [TARGET], [path]


def _diabetes() -> Read:
    """Ten measurements, centred and scaled to unit length as scikit-learn gives them, and the progression a year later."""
    data, target = carried_file("diabetes_data_raw.csv.gz"), carried_file("diabetes_target.csv.gz")
    with gzip.open(data, "rt", encoding="utf-8") as opened:
        raw = np.array([line.split() for line in opened], dtype=np.float64)
    with gzip.open(target, "rt", encoding="utf-8") as opened:
        progression = np.array([float(line) for line in opened])
    scaled = (raw - raw.mean(axis=0)) / raw.std(axis=0) / len(raw) ** 0.5
    columns: Columns = {name: np.ascontiguousarray(scaled[:, position]) for position, name in enumerate(DIABETES_COLUMNS)}
    columns[TARGET] = progression
    return columns, [TARGET], [data, target]


def _linnerud() -> Read:
    """Three exercises, and the three physiological measurements to be predicted from them."""
    exercise, body = carried_file("linnerud_exercise.csv"), carried_file("linnerud_physiological.csv")
    columns: Columns = {}
    names: list[list[str]] = []
    for path in (exercise, body):
        with path.open(encoding="utf-8") as opened:
            names.append(next(opened).split())
            values = np.array([line.split() for line in opened], dtype=np.float64)
        columns |= {name: np.ascontiguousarray(values[:, position]) for position, name in enumerate(names[-1])}
    return columns, names[1], [exercise, body]
