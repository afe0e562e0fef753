"""Options of sources of recordings. Imports nothing that reads them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from trainwright.config.model import PartConfig, refusal

Policy = Literal["error", "skip", "repair"]
Measure = Literal["rhythm", "hrv", "entropy", "quality", "ecg", "eda", "emg", "ppg", "rsp"]


def pattern(text: str) -> str:
    """A regular expression; raises ValueError for one that cannot be."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return text


Pattern = Annotated[str, AfterValidator(refusal(pattern))]


class MeasuredOptions(PartConfig):
    """Recordings beside which there can be numbers about them."""

    measures: list[Measure] = []
    """Numbers about each recording as columns beside it: `rhythm` (heart rate, intervals), `hrv` (heart-rate variability), `entropy` of the
    waveform, `quality` of the leads, `ecg` (intervals between waves, ST), `eda`, `emg`, `ppg`, `rsp`. Measured once and kept on disk;
    what a recording shows nothing of is missing."""


class RecordsOptions(PartConfig):
    """WFDB records, wherever they lie in a folder."""

    path: str
    """The folder, or one record."""
    patient: Pattern | None = None
    """The part of a record's path that is its patient: a regular expression with a group; default: a comment `Patient:`, or its folder."""
    unreadable: Policy = "error"
    """Records that cannot be read: stop with an `error`, `skip` them, or `repair` them: what is there is taken, the others are left out."""


class WFDBOptions(RecordsOptions, MeasuredOptions):
    """WFDB records with age, sex and diagnoses (`Dx`) from their headers, as in the sets of PhysioNet/CinC."""

    type: str = "wfdb"
    labels: str = "all"
    """Diagnoses that count: `all`, the 26 classes that the Challenge `scored`, or a CSV file of your own with code and class in a row."""
    min_count: int = Field(default=1, ge=1)
    """Diagnoses of fewer records are left out, and counted."""


class WFDBBeatsOptions(RecordsOptions):
    """A row for each beat that is annotated in WFDB records."""

    in_place_of: ClassVar[tuple[str, ...]] = ("wfdb",)
    """Sources that claim the same paths: later rows are read as those of training were."""
    type: str = "wfdb_beats"
    extension: str = "atr"
    """How the names of the annotations end."""
    classes: Literal["normal", "aami", "symbol"] = "normal"
    """What is predicted: whether a beat is `normal` (N) or other, its group of `aami` (N, S, V, F, Q), or its `symbol`."""
    blocks: int = Field(default=5, ge=2, le=100)
    """Parts of equal length that each record is divided into, in the order of time: folds."""


class PTBXLOptions(MeasuredOptions):
    """PTB-XL as it lies: `ptbxl_database.csv`, `scp_statements.csv` and the records."""

    type: str = "ptbxl"
    path: str
    """The folder."""
    task: Literal["all", "diagnostic", "subdiagnostic", "superdiagnostic", "form", "rhythm"] = "superdiagnostic"
    """Which statements are predicted, and how fine; records without one of them are left out, and counted."""
    min_likelihood: float = Field(default=0.0, ge=0, le=100)
    """Likelihood in percent from which a statement counts; 0 counts those of unknown likelihood too, as the published benchmark does."""
    rate: Literal[100, 500] = 100
    """Which of the two files of a record: samples a second."""
    min_count: int = Field(default=1, ge=1)
    """Statements of fewer records are left out, and counted."""


class SoundFolderOptions(PartConfig):
    """Sounds in a folder for each class, or with names that say what they are."""

    type: str = "sound_folder"
    path: str
    """The folder, or one sound."""
    pattern: Pattern | None = None
    r"""What names of files say: a regular expression whose named groups are columns: `(?P<digit>\d)_(?P<speaker>\w+)_(?P<take>\d+)`."""
    target: str | None = None
    """The column that is predicted; default: the folder, or the first group of the pattern."""
    group: str | None = None
    """The column whose sounds are never divided between splits, such as a speaker; default: `speaker` where the names of files have it."""


class SignalFolderOptions(SoundFolderOptions):
    """Recordings, a file each, in a folder for each class, or with names that say what they are."""

    type: str = "signal_folder"
    path: str
    """The folder, or one recording."""
    endings: list[str] | None = None
    """How names of recordings end, such as `[.npy, .csv]`; default: .edf and .bdf, or where none does, what most end in."""


class SoundListOptions(PartConfig):
    """Text lists with a sound in each line, `label/file.wav` or `file.wav label`."""

    type: str = "sound_list"
    path: str
    """The list with sounds to train on."""
    validation: str | None = None
    """The list with sounds for validation."""
    test: str | None = None
    """The list with sounds for the test."""
    root: str | None = None
    """The folder that paths are relative to; default: that of the list."""


class SpeechCommandsOptions(PartConfig):
    """Speech Commands as it lies: a folder for each word, `validation_list.txt`, `testing_list.txt`."""

    type: str = "speech_commands"
    path: str
    """The folder."""
    words: list[str] | None = None
    """Words that are classes; others are `_unknown_`. Default: all are classes."""
    split: Literal["lists", "hash"] = "lists"
    """Which sounds test and validate: those of the `lists`, or by the `hash` of the speaker, which gives the same for files of the set."""


class ESC50Options(PartConfig):
    """ESC-50 as it lies: `meta/esc50.csv` and `audio/`."""

    type: str = "esc50"
    path: str
    """The folder."""
    esc10: bool = False
    """Only the ten classes of ESC-10."""
    test_fold: int = Field(default=5, ge=1, le=5)
    """The fold that is tested on; the one after it (of 5: the first) picks the best epoch."""


class UrbanSound8KOptions(PartConfig):
    """UrbanSound8K as it lies: `metadata/UrbanSound8K.csv` and `audio/fold1` to `fold10`."""

    type: str = "urbansound8k"
    path: str
    """The folder."""
    test_fold: int = Field(default=10, ge=1, le=10)
    """The fold that is tested on; the one after it picks the best epoch."""


class RecordingsTableOptions(MeasuredOptions):
    """A CSV table whose rows name recordings, with the folder that these lie in."""

    type: str = "recordings_table"
    path: str
    """The table."""
    file_column: str | None = None
    """The column with names of files; default: the first one whose values are found as files."""
    root: str | None = None
    """The folder of the recordings; default: that of the table."""
    suffix: str = ""
    """What names lack at their end, such as `.wav`."""
    kind: Literal["auto", "signal", "audio"] = "auto"
    """What the recordings are; `auto` goes by how their names end."""
    target: list[str] = []
    """Columns that are predicted."""
    group: str | None = None
    """The column whose rows are never divided between splits, such as a patient."""
    missing: Literal["error", "skip"] = "error"
    """Rows whose file is not there."""


class HDF5RecordsOptions(MeasuredOptions):
    """Recordings or features in several HDF5 files: an array for each record by its name, or arrays whose rows an order file names."""

    type: str = "hdf5_records"
    path: str
    """The file, or a pattern such as `part*.h5`."""
    order: str | None = None
    """A CSV table with a row for each record: its name, or its place in arrays, and what else is known of it."""
    id_column: str | None = None
    """The column of the order file with the names that records have in the files; default: the rows are in the order of the arrays."""
    key: str | None = None
    """The array in each file; default: the only one."""
    target: list[str] = []
    """Columns that are predicted."""
    group: str | None = None
    """The column whose rows are never divided between splits, such as a patient."""
    kind: Literal["signal", "audio"] = "signal"
    """What the records are."""


class AVFolderOptions(PartConfig):
    """Films with sound in a folder for each class: the sound of each, and the film by its path (`av`)."""

    type: str = "av_folder"
    path: str
    """The folder."""
