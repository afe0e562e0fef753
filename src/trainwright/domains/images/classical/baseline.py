"""HOG and a support vector machine: what pictures were classified by before networks, and what a network on them has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.baselines.base import drawn_rows, join_scores, outputs_of, rows_of
from trainwright.baselines.inputs import FileRows, Inputs
from trainwright.config.errors import RequestError
from trainwright.domains.images.classical.gradients import hog
from trainwright.domains.images.classical.library import skimage
from trainwright.domains.images.classical.options import HogSVMOptions
from trainwright.features.npy import Unreadable
from trainwright.metrics.table import CLASSES, SET
from trainwright.report.figures import plural

HELD = 3
"""A third of the training rows is held back once, to find how sure the machine is."""
FEWEST = 30
"""Training rows from which on they are."""
MOST_OUTPUTS = 32
"""Labels or numbers that it learns, one machine for each."""
TEMPERATURES = np.geomspace(0.02, 5, 60)
"""What decisions are divided by to become logits; one of these."""


class HogSVM:
    """RBF support vector machine on HOG of the pictures of a row, one after the other."""

    def __init__(self, options: HogSVMOptions, *, seed: int = 0) -> None:
        self.options, self.seed, self.notes = options, seed, list[str]()
        self.weights: np.ndarray | None = None
        self.scored: list[np.ndarray] | None = None

    def prepare(self, train: Inputs, others: Sequence[Inputs]) -> None:
        """Describes the pictures of the training rows and of those to score. Raises RequestError without a column of pictures."""
        if not train.files:
            raise RequestError("there is no column of pictures that it reads")
        skimage("feature")  # before a picture is read
        self.rows = drawn_rows(len(train), self.options.max_rows, self.seed)
        chosen = [drawn_rows(len(each), self.options.max_scored, self.seed) for each in others]
        if any(each is not None for each in chosen):
            self.scored = [np.arange(len(one)) if each is None else each for each, one in zip(chosen, others, strict=True)]
        self._tell(len(train), chosen, others)
        self.unread = 0
        self.design = self._describe(rows_of(train, self.rows))
        self.others = [self._describe(rows_of(each, rows)) for each, rows in zip(others, chosen, strict=True)]
        if self.unread:
            self.notes.append(f"given nothing in place of {plural(self.unread, 'picture')} that cannot be read")

    def _tell(self, count: int, chosen: Sequence[np.ndarray | None], others: Sequence[Inputs]) -> None:
        if self.rows is not None:
            self.notes.append(f"trained on {len(self.rows):,} of {count:,} rows")
        most = max((len(one) for one, each in zip(others, chosen, strict=True) if each is not None), default=0)
        if most:
            self.notes.append(f"measured on {self.options.max_scored:,} of {most:,} rows")

    def _describe(self, inputs: Inputs) -> np.ndarray:
        """HOG of every row (n, features), float32; zeros where there is no picture."""
        columns = [self._column(each) for each in inputs.files.values()]
        return np.concatenate(columns, axis=1)

    def _column(self, files: FileRows) -> np.ndarray:
        found = np.zeros((len(files.paths), len(hog(np.zeros((16, 16)), self.options.size))), np.float32)
        for place, path in enumerate(files.paths):
            if path is None:
                continue
            try:
                found[place] = hog(files.feature.read_array(path), self.options.size)
            except Unreadable:
                self.unread += 1
        return found

    def scores(self, kind: str, width: int, truth: np.ndarray) -> list[np.ndarray]:
        """Learns a target and scores the other rows; raises RequestError for more than 32 labels or numbers."""
        truth = truth if self.rows is None else truth[self.rows]
        weights = self.weights if self.rows is None or self.weights is None else self.weights[self.rows]
        outputs = outputs_of(kind, width, truth)
        if len(outputs) > MOST_OUTPUTS:
            raise RequestError(f"one machine for each of {len(outputs)} outputs would take minutes")
        kernels = Kernels(self.design, self.others)
        if kind in CLASSES:
            return self._classes(kernels, truth, width, weights)
        if kind == SET:
            return join_scores(kind, [self._classes(kernels, each, 2, weights) for each in outputs])
        parts = [self._values(kernels, each, weights) for each in outputs]
        return parts[0] if truth.ndim == 1 else join_scores(kind, parts)

    def _classes(self, kernels: Kernels, truth: np.ndarray, width: int, weights: np.ndarray | None) -> list[np.ndarray]:
        """Probabilities (n, width); of classes without training rows 0."""
        present = np.unique(truth)
        found = [np.zeros((len(each), width)) for each in self.others]
        if len(present) == 1:
            for each in found:
                each[:, present[0]] = 1.0
            return found
        temperature = self._temperature(kernels, truth, weights)
        machine = self._machine().fit(kernels.own, truth, sample_weight=weights)
        for each, kernel in zip(found, kernels.others, strict=True):
            if len(each):
                each[:, machine.classes_] = probabilities(decisions(machine, kernel) / temperature)
        return found

    def _temperature(self, kernels: Kernels, truth: np.ndarray, weights: np.ndarray | None) -> float:
        """The temperature that fits a third of the rows best, which a machine of the others decides; 1 of few rows."""
        counts = np.bincount(truth)
        if len(truth) < FEWEST or counts[counts > 0].min() < HELD:
            return 1.0
        order = np.random.default_rng(self.seed).permutation(len(truth))
        order = order[np.argsort(truth[order], kind="stable")]  # each class is divided alike
        held, kept = order[::HELD], np.setdiff1d(order, order[::HELD])
        machine = self._machine().fit(
            kernels.own[np.ix_(kept, kept)], truth[kept], sample_weight=None if weights is None else weights[kept]
        )
        given, own = decisions(machine, kernels.own[np.ix_(held, kept)]), np.searchsorted(machine.classes_, truth[held])
        losses = [-np.log(np.maximum(probabilities(given / each)[np.arange(len(own)), own], 1e-12)).mean() for each in TEMPERATURES]
        return float(TEMPERATURES[int(np.argmin(losses))])

    def _machine(self) -> Any:
        from sklearn.svm import SVC

        return SVC(C=self.options.penalty, kernel="precomputed")

    def _values(self, kernels: Kernels, truth: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
        """Values in the target's own units."""
        from sklearn.svm import SVR

        middle, spread = float(truth.mean()), float(truth.std()) or 1.0
        machine = SVR(C=self.options.penalty, kernel="precomputed").fit(kernels.own, (truth - middle) / spread, sample_weight=weights)
        return [machine.predict(each) * spread + middle if len(each) else np.empty(0) for each in kernels.others]


class Kernels:
    """exp(-γ |x - y|²) between training rows, and of others with these; γ is 1 / (features · variance), as scikit-learn's `scale`."""

    def __init__(self, design: np.ndarray, others: Sequence[np.ndarray]) -> None:
        self.design = design
        self.gamma = 1 / (design.shape[1] * (float(design.var()) or 1.0))
        self.own = self._of(design)
        self.others = [self._of(each) for each in others]

    def _of(self, rows: np.ndarray) -> np.ndarray:
        squared = (rows**2).sum(axis=1)[:, None] + (self.design**2).sum(axis=1) - 2 * rows @ self.design.T
        return np.exp(-self.gamma * np.maximum(squared, 0)).astype(np.float64)


def decisions(machine: Any, kernel: np.ndarray) -> np.ndarray:
    """How far each row is on the side of each class (n, classes)."""
    found: np.ndarray = machine.decision_function(kernel)
    return np.stack([-found, found], axis=1) / 2 if found.ndim == 1 else found


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over classes."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return found
