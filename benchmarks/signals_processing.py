"""Filters, resampling and mel spectrograms of a batch against loops over scipy and librosa, at equal threads: paired ratios.

python -m benchmarks.signals_processing [--records 1000] [--threads 1] [--rounds 5]

1,000 recordings of 12 leads and 5,000 samples at 500 Hz, float32: a bandpass of 0.5 to 40 Hz of order 3 forwards and backwards, then 250
Hz, against scipy called for each recording, and for each lead; the FIR of an ECG (151 taps, 3 to 45 Hz, forwards and backwards) against
scipy for each recording; log-mel spectrograms (64 bands, 400 / 160) of 1,000 clips of one second at 16 kHz against librosa for each clip,
where librosa is installed. Both of a pair are timed in turn, in processor time, and compared in what they give.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.signal
import torch
from torch import Tensor

from trainwright.domains.signals.processing import bandpass, decibel, fir, mel, resample

RATE, LEADS, SAMPLES = 500, 12, 5000
CLIP, CLIP_RATE = 16_000, 16_000


def compare(what: str, ours: Callable[[], Tensor], theirs: Callable[[], np.ndarray], rounds: int, count: int, wanted: float) -> None:
    """Print milliseconds for each of `count` recordings of both, the median of the ratios of rounds, and how far their results differ."""
    found, expected = ours().numpy(), theirs()
    difference = float(abs(found - expected).max() / abs(expected).max())
    del found, expected
    pairs = [(processor(ours), processor(theirs)) for _ in range(rounds)]
    ratios = sorted(theirs_took / ours_took for ours_took, theirs_took in pairs)
    mine, other = (statistics.median(each) / count * 1000 for each in zip(*pairs, strict=True))
    shown = ", ".join(f"{each:.2f}" for each in ratios)
    print(f"  {what}: {mine:.3f} ms, theirs {other:.3f} ms: {statistics.median(ratios):.1f} times ({shown}; asked {wanted:g})", flush=True)
    print(f"    largest difference {difference:.1e} of the largest value", flush=True)


def processor(call: Callable[[], object]) -> float:
    """Seconds of processor time of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def compare_filters(records: int, rounds: int) -> None:
    """Filters and resampling of ECG recordings."""
    x = torch.randn(records, LEADS, SAMPLES, generator=torch.Generator().manual_seed(0))
    values = x.numpy()
    sections = scipy.signal.butter(3, [0.5, 40], "bandpass", fs=RATE, output="sos")
    taps = scipy.signal.firwin(151, [3, 45], pass_zero=False, fs=RATE)

    def scipy_resampled(signal: np.ndarray) -> np.ndarray:
        return np.asarray(scipy.signal.resample_poly(scipy.signal.sosfiltfilt(sections, signal), 1, 2, axis=-1), np.float32)

    def filtered() -> Tensor:
        return bandpass(x, 0.5, 40, order=3, rate=RATE)

    def resampled() -> Tensor:
        return resample(filtered(), 250, rate=RATE)

    print(f"{records} recordings of {LEADS} leads, {SAMPLES} samples; processor ms a recording")
    compare(
        "filter + resample, scipy for each recording", resampled, lambda: np.stack(list(map(scipy_resampled, values))), rounds, records, 1.5
    )
    by_lead = lambda: np.stack([[scipy_resampled(lead) for lead in record] for record in values])  # noqa: E731
    compare("filter + resample, scipy for each lead", resampled, by_lead, rounds, records, 5)
    each_filtered = lambda: np.stack([scipy.signal.sosfiltfilt(sections, record).astype(np.float32) for record in values])  # noqa: E731
    compare("filter alone, scipy for each recording", filtered, each_filtered, rounds, records, 1)
    each_fir = lambda: np.stack([scipy.signal.filtfilt(taps, [1.0], record).astype(np.float32) for record in values])  # noqa: E731
    compare("FIR, scipy for each recording", lambda: fir(x, low=3, high=45, rate=RATE), each_fir, rounds, records, 8)
    one_by_one = lambda: torch.stack([resample(bandpass(each, 0.5, 40, order=3, rate=RATE), 250, rate=RATE) for each in x])  # noqa: E731
    compare(
        "filter + resample one by one, as in a worker", one_by_one, lambda: np.stack(list(map(scipy_resampled, values))), rounds, records, 1
    )


def compare_mels(clips: int, rounds: int) -> None:
    """Log-mel spectrograms of clips of a second."""
    try:
        import librosa
    except ImportError:
        print("librosa is not installed: mel spectrograms are not compared")
        return
    x = torch.randn(clips, 1, CLIP, generator=torch.Generator().manual_seed(0)) * 0.1
    options = {"n_fft": 512, "win_length": 400, "hop_length": 160}

    def ours() -> Tensor:
        return decibel(mel(x, 64, rate=CLIP_RATE, mel_scale="slaney", norm="slaney", **options))

    def theirs() -> np.ndarray:
        found = []
        for (clip,) in x.numpy():
            power = librosa.feature.melspectrogram(y=clip, sr=CLIP_RATE, n_mels=64, pad_mode="reflect", **options)
            found.append(librosa.power_to_db(power)[None])
        return np.stack(found)

    print(f"{clips} clips of a second at {CLIP_RATE} Hz; processor ms a clip")
    compare("log-mel of 64 bands, librosa for each clip", ours, theirs, rounds, clips, 5)


def main() -> None:
    """Print what is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals_processing", description=__doc__)
    parser.add_argument("--records", type=int, default=1000, help="recordings, and clips")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; scipy and librosa have one for a call")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of which the median is told")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    compare_filters(arguments.records, arguments.rounds)
    compare_mels(arguments.records, arguments.rounds)


if __name__ == "__main__":
    main()
