"""Formats that a trained model is exported to. A domain brings its own as parts of the kind `exporter`."""

from __future__ import annotations

from trainwright.config.part import Part

HERE = "trainwright.deploy.exporters"

PARTS = {
    "pt2": Part(f"{HERE}.pt2:Pt2Exporter", f"{HERE}.options:Pt2Options", "a program of torch.export, which torch alone loads"),
}
