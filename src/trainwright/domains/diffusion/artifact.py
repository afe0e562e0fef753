"""A trained diffusion model as files: weights, the columns as they were fitted, and options; nothing that executes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from trainwright.config.errors import RunError
from trainwright.config.received import damage, ensure_right
from trainwright.config.trust import reading
from trainwright.domains.diffusion.layout import find_layout
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.diffusion.system import DiffusionSystem
from trainwright.domains.diffusion.transforms import transforms_of
from trainwright.domains.diffusion.units import Units
from trainwright.features.encoding import TableEncoder
from trainwright.files.download import sha256_of
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.files.text import read_json, write_json
from trainwright.files.whole import whole_file
from trainwright.runs.ways_on import to_its_end
from trainwright.systems.base import build_system

FORMAT = 1
WEIGHTS, FEATURES, ABOUT = "model.safetensors", "features.json", "model.json"


class Artifact:
    """A system with the columns that it was trained on."""

    def __init__(self, encoder: TableEncoder, system: DiffusionSystem, made: list[str], told: list[str]) -> None:
        self.encoder, self.system, self.made, self.told = encoder, system, made, told

    def save(self, folder: Path) -> str:
        """Write the files into `folder`; returns the sha256 of the weights."""
        folder.mkdir(exist_ok=True)
        with whole_file(folder / WEIGHTS) as temporary:
            save_tensors(temporary, self.system.state_dict(), {"format": "pt"})
        write_json(folder / FEATURES, self.encoder.state(), indent=None)
        options = self.system.config.model_dump(mode="json", exclude={"columns", "weights", "weights_ignore"})
        write_json(folder / ABOUT, {"format": FORMAT, "system": "diffusion", "options": options, "made": self.made, "told": self.told})
        return sha256_of(folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path, received: Path | None = None) -> Artifact:
        """Read the files; raises RunError for files that are absent, damaged or of a newer format, ConfigError for code it may not name."""
        with reading(received or folder.parent):
            return cls._read(folder)

    @classmethod
    def _read(cls, folder: Path) -> Artifact:
        about = read_json(folder / ABOUT)
        if about is None:
            why = "training did not reach its end"
            raise RunError("this run has no model yet", where=str(folder), why=why, fix=to_its_end(folder.parent))
        if not isinstance(about, dict) or about.get("system") != "diffusion":
            raise damage(folder / ABOUT, "it does not hold a diffusion model")
        if about.get("format") != FORMAT:
            what = f"the model has format {about.get('format')}, this version reads {FORMAT}"
            raise RunError(what, where=str(folder), fix="pip install -U trainwright")
        try:
            made = make_system(TableEncoder.restore(read_json(folder / FEATURES)), about)
            made.system.load_state_dict(load_tensors(folder / WEIGHTS))
        except (OSError, KeyError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
            ensure_right(error, folder)
            why = " ".join(str(error).split())[:300] or type(error).__name__
            fix = "restore the folder from a copy, or train again"
            raise RunError("the model of this run is damaged", where=str(folder), why=why, fix=fix) from error
        made.system.eval()
        return made


def make_system(encoder: TableEncoder, about: dict[str, Any]) -> Artifact:
    """The system that the files describe, with weights that are not theirs yet."""
    made, told = [str(each) for each in about["made"]], [str(each) for each in about["told"]]
    system = DiffusionSystem(DiffusionOptions.model_validate(about["options"]))
    build_system(system, find_layout(encoder.spec, made, told))
    system.take_units(Units.of(encoder.features, made))
    system.batch_transforms = transforms_of(encoder.spec)
    return Artifact(encoder, system, made, told)
