"""How names of tables end."""

from __future__ import annotations

COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
EXTENSIONS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".data": "csv", ".dat": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".pack": "pack",
}  # fmt: skip
"""How a file's name ends → the source that reads it."""
