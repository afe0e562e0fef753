"""Data that were only in memory, written beside their run; and whether data are those that a run was started with."""

from __future__ import annotations

from typing import Any

from trainwright.config.errors import RunError
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.files import fingerprint_of
from trainwright.data.number_source import NumberSource
from trainwright.data.source import Source
from trainwright.files.whole import whole_file
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import Config

KEPT = "data.parquet"


def keep_data(source: Source, config: Config, run: RunDirectory) -> Config:
    """Write rows that were only in memory beside the run, so that it can be continued and repeated; the configuration that reads them."""
    import pyarrow.parquet as pq

    path = run.path / KEPT
    while isinstance(source, SelectedSource | NumberSource):
        source = source.source
    with whole_file(path) as temporary:
        pq.write_table(source.read(), temporary)
    options = config.data.source.model_copy(update={"path": str(path.absolute())})
    return config.model_copy(update={"data": config.data.model_copy(update={"source": options})})


def describe_kept(described: dict[str, Any], run: RunDirectory) -> dict[str, Any]:
    """The content of data.json with the sha256 of what was written, by which the rows are known again when they are read from there."""
    fingerprint = {**described["source"]["fingerprint"], "kept_sha256": fingerprint_of([run.path / KEPT])["sha256"]}
    return {**described, "source": {**described["source"], "fingerprint": fingerprint}}


def ensure_same_data(source: Source, found: RunDirectory) -> None:
    """Raise RunError where the data have another sha256 than when the run was started, and are not those that were kept either."""
    saved = (found.read_json("data.json") or {}).get("source", {}).get("fingerprint", {})
    known = [each for each in (saved.get("sha256"), saved.get("kept_sha256")) if each is not None]
    now = source.fingerprint().get("sha256")
    if known and now not in known:
        why = f"sha256 of {source.name} was {str(known[0])[:12]}…, is {str(now)[:12]}…"
        fix = "put the data back as they were, or start a new run"
        raise RunError("the data have changed since this run was started", where=str(found.path), why=why, fix=fix)
