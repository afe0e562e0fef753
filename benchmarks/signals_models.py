"""What encoders of recordings reach in the same processor time: macro AP on unseen rows, and seconds per epoch.

    trainwright synth ecg -o ECG && python -m benchmarks signals_models --ecg ECG --digits DIR --records DIR

Three sets: 12-lead records with diagnoses in their headers (patients are whole on one side), spoken digits `digit_speaker_take.wav` (takes
0 to 9 are tested), and beats of record 100, N against other, in five blocks of time that are pooled. One thread, the combiner and decoder
that a run takes by default, AdamW and one cycle; a training gets as many epochs as fit into `--limit` seconds, at most those of the set.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from trainwright.config.choice import choose
from trainwright.domains.signals.models.auto import for_signals
from trainwright.domains.signals.reading import probe, read
from trainwright.domains.signals.reading.annotations import read_annotations
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec
from trainwright.systems.base import build_system
from trainwright.systems.config import SupervisedConfig
from trainwright.systems.supervised import SupervisedSystem, resolve_options

WAVES = (
    "auto",
    "small_resnet1d",
    "xresnet1d",
    "resnet1d",
    "se_resnet1d",
    "resnet1d_wang",
    "fcn_wang",
    "inception_time",
    "convnext1d",
    "tcn",
    "patch_transformer1d",
    "state_space",
    "conv",
)
SOUNDS = ("auto", "spectrogram_conv", "crnn", "ast")
BATCH, RATE_PEAK, DECAY = 32, 5e-3, 0.01
MELS, FRAME, HOP, BINS = 40, 200, 80, 256
"""Of log-mels at 8 kHz."""


SAME = {"733534002": "164909002", "713427006": "59118001", "63593006": "284470004", "17338001": "427172004"}
"""Codes that PhysioNet/CinC 2021 takes for another."""


@dataclasses.dataclass(frozen=True)
class Folds:
    """Recordings, what is true of them, and the parts that are each tested with a model of the others."""

    name: str
    group: InputGroup
    parts: dict[str, Tensor]
    truth: Tensor
    target: TargetSpec
    folds: list[tuple[np.ndarray, np.ndarray]]
    epochs: int
    shift: int = 0
    """Training rows are rolled along time by at most this many positions."""


def make_group(kind: str, parts: dict[str, Tensor], rate: float) -> InputGroup:
    """The group that a column of these recordings would be."""
    return InputGroup(
        "x", kind, ["x"], None, {name: tuple(each.shape[1:]) for name, each in parts.items()}, extras={"rate": rate}, time_last=True
    )


def load_ecg(folder: Path) -> Folds:
    """Records with diagnoses; of each patient (the name up to the last `_`) all records are tested, or none."""
    files = sorted(folder.rglob("*.hea"))
    heads = [probe(str(each)) for each in files]
    rate, length = 100, min(int(each.length * 100 / each.rate) for each in heads)
    waves = [
        torch.as_tensor(read(str(file)).values)[:, :: round(head.rate / rate)][:, :length] for file, head in zip(files, heads, strict=True)
    ]
    value = torch.stack(waves).float().unsqueeze(1)
    found = [{SAME.get(code, code) for code in head.codes} for head in heads]
    codes = sorted(set().union(*found))
    truth = torch.tensor([[float(code in each) for code in codes] for each in found])
    keep = truth.sum(0) >= 20
    patients = np.unique([file.stem.rpartition("_")[0] or file.stem for file in files], return_inverse=True)[1]
    tested = patients % 4 == 0
    value = (value - value[~tested].mean()) / value[~tested].std()
    target = TargetSpec("y", "set", int(keep.sum()), [code for code, kept in zip(codes, keep, strict=True) if kept])
    folds = [(np.flatnonzero(~tested), np.flatnonzero(tested))]
    return Folds("ecg", make_group("signal", {"value": value}, rate), {"value": value}, truth[:, keep], target, folds, 12, shift=rate)


def load_digits(folder: Path, spectrogram: bool) -> Folds:
    """Spoken digits, all at the length of the longest, with their lengths; takes from 10 on train, and the others are tested."""
    files = sorted(folder.glob("*_*_*.wav"))
    waves = [torch.as_tensor(read(str(each)).values)[0] for each in files]
    arrays = [log_mel(each) if spectrogram else each.unsqueeze(0) for each in waves]
    longest = max(each.shape[-1] for each in arrays)
    value = torch.stack([torch.nn.functional.pad(each, (0, longest - each.shape[-1])) for each in arrays]).unsqueeze(1)
    value = value.unsqueeze(1) if spectrogram else value
    parts = {"value": value, "length": torch.tensor([[each.shape[-1]] for each in arrays])}
    tested = np.array([int(each.stem.split("_")[2]) < 10 for each in files])
    truth = torch.tensor([int(each.stem.split("_")[0]) for each in files])
    target = TargetSpec("y", "category", 10, [str(each) for each in range(10)])
    name = "digits, log-mel" if spectrogram else "digits, waveform"
    return Folds(
        name,
        make_group("audio", parts, 100 if spectrogram else 8000),
        parts,
        truth,
        target,
        [(np.flatnonzero(~tested), np.flatnonzero(tested))],
        14,
    )


def log_mel(wave: Tensor) -> Tensor:
    """Log-mels `(mels, frames)` of a waveform of 8 kHz, less their mean over time and bands."""
    wave = torch.nn.functional.pad(wave, (0, max(FRAME * 2 - len(wave), 0)))
    power = torch.stft(wave, BINS, HOP, FRAME, torch.hann_window(FRAME), return_complex=True).abs().square()
    edges = 700 * (10 ** (torch.linspace(0, 2595 * np.log10(1 + 4000 / 700), MELS + 2) / 2595) - 1) / 4000 * (BINS / 2)
    bins = torch.arange(BINS // 2 + 1)
    up, down = (
        (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None],
        (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None],
    )
    found = (torch.minimum(up, down).clamp_min(0) @ power + 1e-8).log()
    return (found - found.mean()) / 4


def load_beats(folder: Path) -> Folds:
    """Windows from 1.1 s before to 0.5 s behind each beat of record 100, at 180 Hz."""
    values = torch.as_tensor(read(str(folder / "100")).values)
    values = ((values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True))[:, ::2]
    marks = read_annotations(str(folder / "100"), "atr")
    beats = [(sample // 2, symbol) for sample, symbol in zip(marks.samples, marks.symbols, strict=True) if symbol in "NAV"]
    before, behind = int(1.1 * 180), int(0.5 * 180)
    beats = [(at, symbol) for at, symbol in beats if before <= at <= values.shape[1] - behind]
    value = torch.stack([values[:, at - before : at + behind] for at, _ in beats]).float().unsqueeze(1)
    truth = torch.tensor([float(symbol != "N") for _, symbol in beats])
    block = np.arange(len(beats)) * 5 // len(beats)
    folds = [(np.flatnonzero(block != each), np.flatnonzero(block == each)) for each in range(5)]
    target = TargetSpec("y", "binary", 1, ["N", "other"])
    return Folds("beats of 100", make_group("signal", {"value": value}, 180), {"value": value}, truth, target, folds, 6)


def build(name: str, data: Folds, rows: int) -> SupervisedSystem:
    """The system that a run with this encoder would train."""
    size = {"ast": {"size": "tiny", "depth": 4}}.get(name, {})
    options = for_signals(data.group, "auto", rows) if name == "auto" else choose("encoder", {"type": name, **size})
    spec = DataSpec([dataclasses.replace(data.group, encoder=options)], [data.target], rows)
    system = SupervisedSystem(resolve_options(SupervisedConfig(), spec))
    build_system(system, spec)
    return system


def batch_of(data: Folds, rows: np.ndarray, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """A batch; with a generator rolled along time."""
    parts = {f"x.{name}": each[rows] for name, each in data.parts.items()}
    if generator is not None and data.shift:
        shifts = torch.randint(-data.shift, data.shift + 1, (len(rows),), generator=generator).tolist()
        parts["x.value"] = torch.stack([each.roll(shift, -1) for each, shift in zip(parts["x.value"], shifts, strict=True)])
    return {**parts, "target.y": data.truth[rows]}


def orders(data: Folds, train: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The rows of batches for ever; of beats half are rare ones."""
    rng = np.random.default_rng(seed)
    rare = train[data.truth[train].numpy() == 1] if data.target.kind == "binary" else None
    while True:
        order = rng.permutation(train)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            yield rows if rare is None else np.concatenate([rows, rng.choice(rare, BATCH)])


def fit(name: str, data: Folds, fold: int, limit: float) -> tuple[np.ndarray, int, float, int]:
    """Scores of the tested rows, epochs, processor seconds of one, and parameters."""
    train, test = data.folds[fold]
    torch.manual_seed(fold)
    system = build(name, data, len(train))
    per_epoch, batches = len(train) // BATCH, orders(data, train, fold)
    optimizer = torch.optim.AdamW(system.parameters(), RATE_PEAK, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(fold)

    def step() -> None:
        batch = batch_of(data, next(batches), generator)
        loss = system.training_step(batch, None)  # type: ignore[arg-type]
        (loss.total / loss.count).backward()
        optimizer.step()
        optimizer.zero_grad()

    for group in optimizer.param_groups:
        group["lr"] = 0.0
    step()
    begun = time.thread_time()
    for _ in range(3):
        step()
    seconds = (time.thread_time() - begun) / 3 * per_epoch
    epochs = max(1, min(data.epochs, int(limit / len(data.folds) / seconds)))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE_PEAK * (0.2 if "transformer" in name or name == "ast" else 1), epochs * per_epoch
    )
    begun = time.thread_time()
    for _ in range(epochs * per_epoch):
        step()
        cycle.step()
    seconds = (time.thread_time() - begun) / epochs
    system.eval()
    pieces = np.array_split(test, -(-len(test) // 256))
    with torch.no_grad():
        scores = torch.cat([system.predict_step(batch_of(data, rows))["y.scores"] for rows in pieces])
    return scores.numpy(), epochs, seconds, sum(each.numel() for each in system.encoders.parameters())


def measure(name: str, data: Folds, limit: float) -> str:
    """A line of the table."""
    found = [fit(name, data, fold, limit) for fold in range(len(data.folds))]
    scores, truth = np.concatenate([each[0] for each in found]), data.truth[np.concatenate([test for _, test in data.folds])].numpy()
    if data.target.kind == "category":
        more, truth = f"accuracy {np.mean(scores.argmax(1) == truth):.4f}", np.eye(10)[truth]
    else:
        scores = scores[:, 1] if data.target.kind == "binary" and scores.ndim == 2 else scores
        more = f"AUROC {roc_auc_score(truth, scores, average='macro'):.4f}"
    ap = average_precision_score(truth, scores, average="macro")
    _, epochs, seconds, size = found[0]
    return f"  {name:20} {ap:8.4f}  {more:16} {seconds:8.2f} s × {epochs:2} epochs  {size:9,} parameters"


def run(data: Folds, names: Sequence[str], limit: float) -> None:
    """Measure some encoders on one set."""
    train, test = data.folds[0]
    print(
        f"{data.name}: {len(train):,} training rows, {len(test) * len(data.folds):,} tested; shape {tuple(data.group.parts['value'])}",
        flush=True,
    )
    for name in names:
        print(measure(name, data, limit), flush=True)


def main() -> None:
    """Measure on the sets that are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("ecg", "digits", "records"):
        parser.add_argument(f"--{option}", type=Path)
    parser.add_argument("--limit", type=float, default=60.0, help="processor seconds of a training")
    parser.add_argument("--encoders", nargs="*", help="only these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, at most {arguments.limit:g} s a training; encoder, macro AP, …", flush=True)
    sets = []
    if arguments.records:
        sets.append((load_beats(arguments.records), WAVES))
    if arguments.digits:
        sets += [(load_digits(arguments.digits, True), SOUNDS), (load_digits(arguments.digits, False), WAVES)]
    if arguments.ecg:
        sets.append((load_ecg(arguments.ecg), WAVES))
    for data, names in sets:
        run(data, [each for each in names if not arguments.encoders or each in arguments.encoders], arguments.limit)


if __name__ == "__main__":
    main()
