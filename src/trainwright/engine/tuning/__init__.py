"""What is `auto` becomes a number: batch sizes by trials of real steps, the learning rate by a range test."""

from trainwright.engine.tuning.batch_size import BatchTuning
from trainwright.engine.tuning.learning_rate import RangeTest
from trainwright.engine.tuning.record import TUNING, Tuning, chosen_before
from trainwright.engine.tuning.settle import as_before, asks, fill_chosen, settle_auto, without_auto
from trainwright.engine.tuning.trials import Trial

__all__ = [
    "TUNING",
    "BatchTuning",
    "RangeTest",
    "Trial",
    "Tuning",
    "as_before",
    "asks",
    "chosen_before",
    "fill_chosen",
    "settle_auto",
    "without_auto",
]
