"""Tables: rows of a file with columns that have types."""

from __future__ import annotations

from trainwright.config.domain import ColumnKind, Domain, SystemKind
from trainwright.data.datasets import PARTS as DATASETS
from trainwright.data.sources import BUILTIN
from trainwright.data.sources import PARTS as SOURCES
from trainwright.features import PARTS as FEATURES

_BCE, _ENCODERS, _HERE = "bce_with_logits", "trainwright.nn.encoders.auto", "trainwright.domains.tables"

COLUMNS = {
    "number": ColumnKind(
        encoder=f"{_ENCODERS}:for_numbers",
        made_with={"scale": "standard"},
        missing="median",
        loss="mse",
        metrics=("r2", "rmse", "mae"),
        monitor="rmse",
    ),
    "binary": ColumnKind(
        missing="halfway",
        loss=_BCE,
        metrics=("accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss"),
        monitor="roc_auc",
    ),
    "category": ColumnKind(
        encoder=f"{_ENCODERS}:for_categories",
        missing="a category of their own, where training rows have them",
        loss="cross_entropy",
        metrics=("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"),
    ),
    "set": ColumnKind(
        encoder=f"{_ENCODERS}:for_sets",
        by_column=True,
        missing="empty set",
        loss=_BCE,
        metrics=("jaccard", "f1", "hamming", "subset_accuracy", "log_loss"),
    ),
    "vector": ColumnKind(missing="mean", loss="mse", metrics=("r2", "rmse", "mae", "cosine"), monitor="rmse"),
    "bag": ColumnKind(encoder=f"{_ENCODERS}:for_sets", by_column=True, missing="empty bag"),
    "sequence": ColumnKind(encoder="rnn", missing="empty sequence"),
    "text": ColumnKind(encoder="pooled", missing="empty text"),
    "date": ColumnKind(missing="zero"),
    "timeseries": ColumnKind(encoder="conv", missing="empty series"),
    "file": ColumnKind(encoder=f"{_ENCODERS}:for_arrays", by_column=True, missing="the mean array, or an empty sequence"),
}
"""Type of column → what it gets by default."""

DOMAIN = Domain(
    "tables",
    "Rows of a file with columns that have types.",
    parts={
        "source": SOURCES.own,
        "dataset": {name: DATASETS[name] for name in ("columns", "table")},
        "feature": {name: FEATURES[name] for name in COLUMNS},
    },
    columns=COLUMNS,
    systems={
        "supervised": SystemKind(
            "trainwright.domains.tables.prepared:PreparedTable",
            "trainwright.domains.tables.predictor:open_table",
            "table",
            calibrate="trainwright.domains.tables.recalibrated:CalibratedTable",
        )
    },
    builtin=dict.fromkeys(BUILTIN, "trainwright.data.sources.builtin:carried_set"),
    synth={"rings": "trainwright.domains.tables.made:write_rings"},
    claims="trainwright.domains.tables.claims:claims",
)
