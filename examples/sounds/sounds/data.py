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
        raise Unreadable(str(error) or "it is cut off") from error


def claims(path):
    """A folder with folders of WAV files is one of sounds."""
    count = len(list(path.glob("*/*.wav"))) if path.is_dir() else 0
    return (80, f"{count} WAV files in folders") if count else None


def write_tones(folder, seed):
    """120 sounds of an eighth of a second, 8,000 samples a second: low, middle and high tones in noise."""
    rng, times = np.random.default_rng(seed), np.arange(1000) / 8000
    for label, pitch in {"low": 200, "middle": 500, "high": 900}.items():
        (folder / label).mkdir()
        for number in range(40):
            tone = np.sin(2 * np.pi * (pitch + 50 * rng.normal()) * times + rng.uniform(0, 6))
            samples = np.clip(0.3 * tone + 0.1 * rng.normal(size=1000), -1, 1)
            with wave.open(str(folder / label / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((samples * 32_767).astype("<i2").tobytes())
