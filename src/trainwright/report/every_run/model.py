"""The model that was trained, as model.json has it."""

from __future__ import annotations

from trainwright.config.errors import RunError
from trainwright.files.text import read_json
from trainwright.report.blocks.model import Model
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.markup import note
from trainwright.report.material import Material

FILE = "model.json"


def model(material: Material) -> ReportSection | None:
    """The tree of layers and the picture; None for a run without model.json."""
    try:
        kept = read_json(material.path / FILE)
    except RunError as error:
        return ReportSection("model", "Model", None, [note(f"{FILE} cannot be read: {error.why or error.what}.")])
    return ReportSection("model", "Model", None, [Model(model=kept, file=FILE)]) if isinstance(kept, dict) else None
