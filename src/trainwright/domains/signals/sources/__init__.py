"""Where recordings come from. Imports nothing that reads them."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.signals.sources"


def _part(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "wfdb": _part("wfdb:WFDBRecords", "WFDBOptions", "WFDB records with age, sex and diagnoses of their headers"),
    "wfdb_beats": _part("beats:WFDBBeats", "WFDBBeatsOptions", "a row for each annotated beat of WFDB records"),
    "ptbxl": _part("ptbxl:PTBXL", "PTBXLOptions", "PTB-XL as it lies"),
    "sound_folder": _part("sound_folder:SoundFolder", "SoundFolderOptions", "sounds in a folder for each class, or named by what they are"),
    "signal_folder": _part(
        "signal_folder:SignalFolder", "SignalFolderOptions", "EDF, MATLAB, HDF5, NumPy or CSV recordings in a folder for each class"
    ),
    "sound_list": _part("sound_sets:SoundList", "SoundListOptions", "text lists with label/file.wav in each line"),
    "esc50": _part("sound_sets:ESC50", "ESC50Options", "ESC-50 as it lies"),
    "urbansound8k": _part("sound_sets:UrbanSound8K", "UrbanSound8KOptions", "UrbanSound8K as it lies"),
    "speech_commands": _part("sound_sets:SpeechCommands", "SpeechCommandsOptions", "Speech Commands as it lies"),
    "recordings_table": _part("tables:RecordingsTable", "RecordingsTableOptions", "a CSV table whose rows name recordings"),
    "hdf5_records": _part("tables:HDF5Records", "HDF5RecordsOptions", "recordings or features in HDF5 files, in the order of a table"),
    "av_folder": _part("sound_folder:AVFolder", "AVFolderOptions", "films with sound in a folder for each class"),
}
