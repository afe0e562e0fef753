"""Digits: a small convolutional and a dense network in int8, against float in torch and in ONNX Runtime, in processor time of one thread.

Bars for the convolutional network, static: at most 0.5 points of accuracy lost, at most 0.36 times the size, at least 3 times as
fast as torch.
"""

from __future__ import annotations

import copy
import logging
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import thread_time

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from trainwright.deploy.int8.layers import find_layers, name_nodes
from trainwright.deploy.int8.quantizing import write_dynamic, write_static
from trainwright.deploy.int8.stored import check_stored
from trainwright.deploy.latency import compare_latency
from trainwright.nn.quantization.rounded import Rounding, round_layers, unround_layers
from trainwright.nn.quantization.weight_only import round_weights

ROWS = 64


class Scaled(nn.Module):
    """Pixels 0 to 16 as they come → logits."""

    def __init__(self, network: nn.Module, picture: bool) -> None:
        super().__init__()
        self.network, self.picture = network, picture

    def forward(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        scaled = (raw["pixels"] - 8) / 6
        return {"logits": self.network(scaled.reshape(-1, 1, 8, 8) if self.picture else scaled)}


def convolutional() -> Scaled:
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
    layers += [nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return Scaled(nn.Sequential(*layers), True)


def dense() -> Scaled:
    layers = [nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 10)]
    return Scaled(nn.Sequential(*layers), False)


def train(model: Scaled, pixels: np.ndarray, labels: np.ndarray, epochs: int, rate: float = 3e-3) -> Scaled:
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    rows, truth = torch.from_numpy(pixels), torch.from_numpy(labels)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(64):
            loss = nn.functional.cross_entropy(model({"pixels": rows[batch]})["logits"], truth[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def open_session(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"pixels": pixels})[0]


def in_torch(model: Scaled) -> Callable[[np.ndarray], np.ndarray]:
    def answer(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model({"pixels": torch.from_numpy(pixels)})["logits"].numpy()

    return answer


def write_float(model: Scaled, path: Path) -> None:
    given, shapes = ({"pixels": torch.zeros(3, 64)}, {}), ({"pixels": {0: torch.export.Dim.DYNAMIC}},)
    names = {"input_names": ["pixels"], "output_names": ["logits"]}
    program = torch.onnx.export(model, given, dynamic_shapes=shapes, opset_version=20, verbose=False, **names)
    program.save(str(path), external_data=False)


def files_of(model: Scaled, pixels: np.ndarray, folder: Path) -> dict[str, Path]:
    """The float file and both int8 ones, whose weights are checked."""
    found = {name: folder / f"{name}.onnx" for name in ("float", "static", "dynamic")}
    write_float(model, found["float"])
    graph = onnx.load(str(found["float"]))
    name_nodes(graph)
    layers = find_layers(graph, {name: each.detach().numpy() for name, each in model.named_parameters()})
    write_static(found["float"], found["static"], layers, [{"pixels": pixels[start : start + 64]} for start in range(0, 512, 64)])
    write_dynamic(found["float"], found["dynamic"], layers)
    check_stored(found["float"], found["static"], layers)
    return found


def measure(name: str, make: Callable[[], Scaled], epochs: int, seeds: int) -> None:
    """A table of accuracy, size and time, each the median of the seeds; ratios are taken within a seed."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for seed in range(seeds):
        pixels, others, labels, truth = digits(seed)
        torch.manual_seed(seed)
        model = train(make(), pixels, labels, epochs)
        with tempfile.TemporaryDirectory() as folder:
            files = files_of(model, pixels, Path(folder))
            ways = {"torch": in_torch(model), **{each: open_session(path) for each, path in files.items()}}
            sizes = {each: path.stat().st_size for each, path in files.items()}
            times = compare_latency(
                {each: partial(way, others[:ROWS]) for each, way in ways.items()}, repeats=60, seconds=20, clock=thread_time
            )
        for each, way in ways.items():
            accuracy = float(np.mean(way(others).argmax(1) == truth))
            size = sizes.get(each, sizes["float"])
            found.setdefault(each, []).append((accuracy, size / sizes["float"], times[each].microseconds, times[each].ratio))
    print(f"\n{name}, {seeds} seeds, {ROWS} rows per call")
    print(f"{'':10}{'accuracy':>10}{'lost':>8}{'size':>8}{'µs':>10}{'times as fast as torch':>25}")
    for each, rows in found.items():
        lost = max(100 * (one[0] - other[0]) for one, other in zip(found["torch"], rows, strict=True))
        accuracy, size, microseconds, ratio = (statistics.median(row[at] for row in rows) for at in range(4))
        print(f"{each:10}{accuracy:10.4f}{lost:8.2f}{size:8.2f}{microseconds:10,.0f}{ratio:25.2f}")


def measure_torchao(seeds: int) -> None:
    """Weights alone in int8: smaller, and slower than float on a processor; int4 after training with and without rounding."""
    times, sizes, accuracy = [], [], {"float": [], "int4 after": [], "int4 in training": []}
    for seed in range(seeds):
        pixels, others, labels, truth = digits(seed)
        torch.manual_seed(seed)
        model = train(dense(), pixels, labels, 20)
        rounded = copy.deepcopy(model)
        round_weights(rounded, "int8")
        ways = {name: partial(in_torch(which), others[:ROWS]) for name, which in (("float", model), ("int8", rounded))}
        times.append(compare_latency(ways, repeats=100, clock=thread_time)["int8"].ratio)
        weights = [sum(each.nbytes for each in which.state_dict().values()) for which in (model, rounded)]
        sizes.append(weights[1] / weights[0])
        accuracy["float"].append(_accuracy(model, others, truth))
        accuracy["int4 after"].append(_accuracy(_in_int4(model), others, truth))
        aware = copy.deepcopy(model)
        layers = round_layers(aware, Rounding("int4", 64))
        train(aware, pixels, labels, 10, 3e-4)
        unround_layers(layers)
        accuracy["int4 in training"].append(_accuracy(_in_int4(aware), others, truth))
    size, ratio = statistics.median(sizes), statistics.median(times)
    print(f"\ntorchao, dense: int8 weights have {size:.2f} of the size and are {ratio:.2f} times as fast as float in torch")
    means = ", ".join(f"{name} {statistics.mean(found):.4f}" for name, found in accuracy.items())
    print(f"accuracy of int4 weights and int8 inputs: {means}")


def _in_int4(model: Scaled) -> Scaled:
    """The model as it computes with int4 weights."""
    made = copy.deepcopy(model)
    for each in round_layers(made, Rounding("int4", 64)).values():
        each.training = True  # rounds, while what else differs in training does not
    return made


def _accuracy(model: Scaled, pixels: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(in_torch(model)(pixels).argmax(1) == truth))


def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    pixels, labels = load_digits(return_X_y=True)
    one, other, truth, other_truth = train_test_split(pixels.astype(np.float32), labels, test_size=0.4, random_state=seed, stratify=labels)
    return one, other, truth, other_truth


def main(seeds: int = 3) -> None:
    """Print all tables."""
    torch.set_num_threads(1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    measure("convolutional", convolutional, 15, seeds)
    measure("dense", dense, 30, seeds)
    measure_torchao(seeds)


if __name__ == "__main__":
    main()
