"""An artifact with all that stands beside it, written into a folder: kept only where it answers as the run does."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.description import describe_trained
from trainwright.deploy.model_card import write_card
from trainwright.deploy.parity.proof import Parity, prove, some_rows
from trainwright.files.text import write_json, write_text

log = logging.getLogger("trainwright.export")
PARITY, CARD, LOADER, COLUMNS = "parity.json", "MODEL_CARD.md", "load_model.py", "columns.json"


def names_beside(exporter: Exporter) -> list[str]:
    """The files that come to lie beside an artifact."""
    if not exporter.opens:
        return []
    return [PARITY, CARD, *([LOADER] if exporter.loader else []), *([] if exporter.describes_itself else [COLUMNS])]


def deliver(trained: Trained, exporter: Exporter, target: Path, data: Any = None) -> Parity | None:
    """Write the artifact at `target` and prove it on rows of the run, or of `data`; where it fails the report alone stays.

    None for a format that holds no network that could answer.
    """
    if exporter.may_lose is not None and not some_rows(trained, data, 1):
        why = "rounded weights are kept for what they lose on rows, and the run has none of its own"
        fix = "name some that were not trained on: --rows FILE"
        raise RequestError("this file can be judged on no rows", where="--int8", why=why, fix=fix)
    log.info("the model is traced and written, which takes seconds to minutes")
    exporter.write(trained, target)
    if not exporter.opens:
        return None
    log.info("%s is asked the same as the run's model", target.name)
    parity = prove(trained, exporter, target, data)
    write_json(target.parent / PARITY, parity.as_json())
    if not parity.passed:
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        return parity
    write_text(target.parent / CARD, write_card(trained, exporter, parity))
    if exporter.loader:
        write_text(target.parent / LOADER, (Path(__file__).parent / "loading" / exporter.loader).read_text(encoding="utf-8"))
    if not exporter.describes_itself:
        write_json(target.parent / COLUMNS, describe_trained(trained, fixed=exporter.fixed))
    return parity
