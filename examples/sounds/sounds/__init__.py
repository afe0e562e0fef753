"""Sounds: WAV files in folders that are named after what is heard in them. What it brings, and its options; no torch is imported."""

from trainwright.data.transforms import TransformConfig
from trainwright.domains import ColumnKind, Domain, MetricPart, Part, PartConfig
from trainwright.features import FileOptions


class FolderOptions(PartConfig):
    """A folder with a folder of WAV files for each class."""

    type: str = "wav_folder"
    path: str
    """The folder."""


class SoundOptions(FileOptions):
    """Paths of WAV files of 16 bits; each is read when its row is needed."""

    type: str = "sound"


class LoudnessOptions(TransformConfig):
    """Louder or softer, by another number of decibels in every epoch."""

    type: str = "loudness"
    decibels: float = 6.0
    """How much at most."""
    applies_in: str = "train"
    """`train`: training rows alone; `always`: every row."""


class SpectrumOptions(PartConfig):
    """The power in bands of equal width, as logarithms."""

    type: str = "spectrum"
    bands: int = 32
    """How many."""


class WorstRecallOptions(PartConfig):
    """The share of rows found of the class that is found least."""

    type: str = "worst_recall"


class WeightsOptions(PartConfig):
    """The weights as `.npz`."""

    type: str = "npz"


DOMAIN = Domain(
    "sounds",
    "WAV files in folders that are named after what is heard in them.",
    parts={
        "source": {"wav_folder": Part("sounds.data:WavFolder", FolderOptions, "a folder of WAV files for each class")},
        "transform": {"loudness": Part("sounds.model:Loudness", LoudnessOptions, "louder or softer, at random")},
        "feature": {"sound": Part("sounds.model:Sound", SoundOptions, "a WAV file for each row, read when it is needed")},
        "encoder": {"spectrum": Part("sounds.model:Spectrum", SpectrumOptions, "the power in bands, as logarithms")},
        "exporter": {"npz": Part("sounds.report:WeightsExporter", WeightsOptions, "the weights alone, for programs without torch")},
        "metric": {
            "worst_recall": MetricPart(
                "sounds.model:WorstRecall", WorstRecallOptions, "recall of the class that is found least", ("binary", "category")
            )
        },
    },
    columns={"sound": ColumnKind(encoder="spectrum")},
    synth={"tones": "sounds.data:write_tones"},
    blocks={"spectra": "sounds.report:spectra"},
    config={"columns": {"sound": {"type": "sound", "transform": [{"type": "loudness", "decibels": 3}]}}},
    claims="sounds.data:claims",
    claimed="folders of WAV files (.wav)",
)
