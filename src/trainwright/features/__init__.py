"""Column types: how each is fitted on the training rows, encoded to arrays and decoded to predictions. Imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.features.options import (
    AutoOptions,
    BagOptions,
    BinaryOptions,
    CategoryOptions,
    ClassConfig,
    DateOptions,
    FeatureConfig,
    FileOptions,
    IgnoreOptions,
    NumberOptions,
    SequenceOptions,
    SetOptions,
    TargetConfig,
    TextOptions,
    TimeseriesOptions,
    VectorOptions,
)

PARTS: dict[str, Part] = {
    "auto": Part("trainwright.features.base:Feature", AutoOptions, "inferred from the data"),
    "number": Part("trainwright.features.number:NumberFeature", NumberOptions, "a measured quantity"),
    "binary": Part("trainwright.features.binary:BinaryFeature", BinaryOptions, "two values"),
    "category": Part("trainwright.features.category:CategoryFeature", CategoryOptions, "a limited number of values"),
    "set": Part("trainwright.features.set:SetFeature", SetOptions, "several labels per row"),
    "bag": Part("trainwright.features.bag:BagFeature", BagOptions, "counts of tokens per row"),
    "vector": Part("trainwright.features.vector:VectorFeature", VectorOptions, "a fixed number of numbers per row"),
    "sequence": Part("trainwright.features.sequence:SequenceFeature", SequenceOptions, "ordered tokens"),
    "text": Part("trainwright.features.text:TextFeature", TextOptions, "free text, tokenizer fitted here"),
    "date": Part("trainwright.features.date:DateFeature", DateOptions, "dates and times, in cyclic parts"),
    "timeseries": Part("trainwright.features.timeseries:TimeseriesFeature", TimeseriesOptions, "a list of numbers of any length"),
    "file": Part("trainwright.features.file:FileFeature", FileOptions, "an array in a file for each row, read when it is needed"),
    "ignore": Part("trainwright.features.ignore:IgnoreFeature", IgnoreOptions, "left out"),
}

__all__ = [
    "PARTS",
    "AutoOptions",
    "BagOptions",
    "BinaryOptions",
    "CategoryOptions",
    "ClassConfig",
    "DateOptions",
    "FeatureConfig",
    "FileOptions",
    "IgnoreOptions",
    "NumberOptions",
    "SequenceOptions",
    "SetOptions",
    "TargetConfig",
    "TextOptions",
    "TimeseriesOptions",
    "VectorOptions",
]
