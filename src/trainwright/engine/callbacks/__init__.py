"""Optional behaviour at named moments of a run; naming what there is imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.elsewhere import found_later
from trainwright.config.every_rank import extend_options
from trainwright.config.registry import Part
from trainwright.engine.callbacks.options import (
    DeadUnitsOptions,
    DeviceStatsOptions,
    EarlyStoppingOptions,
    EventHandlersOptions,
    GradientFlowOptions,
    GradientNoiseOptions,
    HistogramsOptions,
    LambdaOptions,
    LearningRateMonitorOptions,
    MetricHandlersOptions,
    ProfilerOptions,
    PruningOptions,
    QuantizationAwareOptions,
    SampleLoggerOptions,
    ThroughputOptions,
    TimerOptions,
)

if TYPE_CHECKING:
    from trainwright.engine.callbacks.base import Callback as Callback
    from trainwright.engine.callbacks.early_stopping import EarlyStop as EarlyStop
    from trainwright.engine.callbacks.lambda_callback import LambdaCallback as LambdaCallback

__all__ = ["PARTS", "Callback", "EarlyStop", "LambdaCallback", "extend_options"]

HERE = "trainwright.engine.callbacks"

PARTS: dict[str, Part] = {
    "early_stopping": Part(f"{HERE}.early_stopping:StopEarly", EarlyStoppingOptions, "stops when a metric no longer improves"),
    "learning_rate_monitor": Part(
        f"{HERE}.learning_rate_monitor:LearningRateMonitor", LearningRateMonitorOptions, "learning rates of all parameter groups"
    ),
    "throughput": Part(f"{HERE}.throughput:Throughput", ThroughputOptions, "steps per second, FLOP/s and MFU"),
    "device_stats": Part(f"{HERE}.device_stats:DeviceStats", DeviceStatsOptions, "processor, memory and card in use"),
    "timer": Part(f"{HERE}.timer:Timer", TimerOptions, "seconds by phase"),
    "gradient_flow": Part(f"{HERE}.gradient_flow:GradientFlow", GradientFlowOptions, "gradient norms and update sizes by module"),
    "gradient_noise": Part(f"{HERE}.gradient_noise:GradientNoise", GradientNoiseOptions, "the gradient-noise scale"),
    "histograms": Part(f"{HERE}.histograms:Histograms", HistogramsOptions, "weights and gradients as TensorBoard's histograms"),
    "dead_units": Part(f"{HERE}.dead_units:DeadUnits", DeadUnitsOptions, "the share of units that are always zero"),
    "sample_logger": Part(f"{HERE}.sample_logger:SampleLogger", SampleLoggerOptions, "inputs and outputs of some rows at evaluations"),
    "profiler": Part(f"{HERE}.profiler:Profiler", ProfilerOptions, "torch.profiler over some steps"),
    "quantization_aware": Part(
        f"{HERE}.quantization_aware:QuantizationAware", QuantizationAwareOptions, "dense layers rounded to int8 or int4 while they train"
    ),
    "pruning": Part(f"{HERE}.pruning:Pruning", PruningOptions, "holds more and more weights at zero"),
    "events": Part(f"{HERE}.event_handlers:EventHandlers", EventHandlersOptions, "what happens in a run, for handlers of your own"),
    "metric_handlers": Part(
        f"{HERE}.metric_handlers:MetricHandlers", MetricHandlersOptions, "logged numbers by group, for handlers of your own"
    ),
    "lambda": Part(f"{HERE}.lambda_callback:LambdaCallback", LambdaOptions, "functions of your own by hook"),
}

_WHERE = {
    "Callback": f"{HERE}.base",
    "EarlyStop": f"{HERE}.early_stopping",
    "LambdaCallback": f"{HERE}.lambda_callback",
}
__getattr__ = found_later(__name__, _WHERE)
