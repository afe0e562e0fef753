"""Where sounds come from."""

import wave
from pathlib import Path

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.source import TableSource
from trainwright.features.npy import Unreadable


class WavFolder(TableSource):
    """`FOLDER/CLASS/*.wav` as rows of two columns: the path `sound`, and `label`, the name of the folder it lies in."""

    def __init__(self, options, memory_limit):
        files = sorted(Path(options.path).resolve().glob("*/*.wav"))
        if not files:
            raise DataError(f"no WAV file in folders of '{options.path}'", where="data.source", fix="lay them out as FOLDER/CLASS/*.wav")
        table = pa.table({"sound": [str(each) for each in files], "label": [each.parent.name for each in files]})
        super().__init__(table, options.path, default_targets=["label"], files=files)


def read_wav(path):
    """The samples of a file (t), −1 to 1, the mean of its channels. Raises Unreadable."""
    count, channels, content = open_wav(path, read=True)
    samples = np.frombuffer(content, "<i2").reshape(-1, channels)
    if len(samples) < count:
        raise Unreadable(f"it is cut off: {len(samples):,} of {count:,} samples are there")
    return samples.mean(axis=1, dtype=np.float32) / 32_768


def wav_shape(path):
    """The shape of what `read_wav` gives, from the head of the file. Raises Unreadable."""
    return (open_wav(path)[0],)


def open_wav(path, read=False):
    """Samples, channels, and with `read` the content of a file. Raises Unreadable."""
    try:
        with wave.open(path, "rb") as file:
            if file.getsampwidth() != 2:
                raise Unreadable(f"it has {8 * file.getsampwidth()} bits a sample, not 16")
            return file.getnframes(), file.getnchannels(), file.readframes(file.getnframes()) if read else b""
    except (OSError, EOFError, wave.Error) as error:
        raise Unreadable(str(error)) from error
