"""What the report of a run tells of its sounds, and a form to take its model away in."""

import numpy as np
from safetensors.numpy import load_file

from trainwright.deploy.exporters.base import Exporter

from sounds.data import read_wav

MOST = 60


def spectra(facts):
    """The mean power of the sounds of each class, by frequency in cycles per sample; of the first rows that the run is measured on."""
    blocks, rows = [], facts.rows[:MOST]
    frequencies = np.fft.rfftfreq(256).tolist()
    for column in facts.of_type("sound"):
        paths = facts.read(rows, [column])[column].to_pylist()
        powers = np.array([np.abs(np.fft.rfft(read_wav(each), 256)) ** 2 for each in paths])
        for target, outcome in facts.outcomes.items():
            truth = outcome.truth[:MOST]
            lines = [
                {"name": name, "x": frequencies, "y": powers[truth == number].mean(axis=0).tolist()}
                for number, name in enumerate(outcome.classes or [])
                if (truth == number).any()
            ]
            title = f"power of {column} by {target}"
            blocks.append({"type": "lines", "section": "Sounds", "title": title, "x_label": "cycles per sample", "lines": lines})
    return blocks


class WeightsExporter(Exporter):
    """The weights of a run as one file, for programs without torch."""

    suffix = ".npz"
    opens = False

    def write(self, trained, target):
        np.savez(target, **load_file(trained.path / "model" / "model.safetensors"))
        return [target]
