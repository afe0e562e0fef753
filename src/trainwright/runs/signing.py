"""Signing the runs of a person who names code of their own, so that only what others made or changed asks for consent."""

from __future__ import annotations

import logging
from pathlib import Path

from trainwright.config.signature import FILE, NoKey, sign_files
from trainwright.config.trust import uses_code
from trainwright.files.text import write_json

log = logging.getLogger("trainwright.runs")


def sign(folder: Path) -> None:
    """Write `signature.json` over the files of a run that name parts, where they name code; without a key it is said what that costs."""
    if not uses_code():
        return
    try:
        write_json(folder / FILE, sign_files(folder))
    except NoKey as error:
        later = "resume, test, predict and the like will ask for --trust-code"
        log.warning("this run names code of your own and could not be signed: %s; %s", error, later)
