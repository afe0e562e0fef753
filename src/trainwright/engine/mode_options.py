"""The `trainer.modes:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from trainwright.config.model import ConfigModel


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[list[str], BeforeValidator(_one_or_several, json_schema_input_type=str | list[str])]


class CompileOptions(ConfigModel):
    """`torch.compile` of some modules; names in checkpoints stay as they are."""

    target: Patterns = []
    """Name patterns of submodules (`encoders.*`, `combiner`); none: every outermost one that is called."""
    mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = "default"
    """What is traded for speed: `reduce-overhead` uses CUDA graphs, `max-autotune` tries kernels for minutes."""
    fullgraph: bool = False
    """Refuse code that cannot be compiled in one piece."""
    dynamic: bool | None = None
    """Compile for changing sizes at once; `null` does so when a size has changed."""
    backend: str = "inductor"
    """The compiler, as torch names it; `eager` and `aot_eager` need no C++ compiler, and make nothing faster."""


def _on_or_off(value: Any) -> Any:
    return {} if value is True else None if value is False else value


Compile = Annotated[CompileOptions | None, BeforeValidator(_on_or_off, json_schema_input_type=bool | CompileOptions | None)]


class ModeOptions(ConfigModel):
    """Modes of torch and of the modules while the run lasts; everything is put back after it."""

    channels_last: bool = False
    """Images (4-D and 5-D tensors) with the channels innermost, as convolutions on tensor cores like them."""
    compile: Compile = None
    """`torch.compile`; a start-up of seconds to minutes for faster steps."""
    activation_checkpointing: bool | Patterns = False
    """Modules by name pattern whose activations are computed again in the backward pass instead of kept; `true`: every repeated block."""
    offload_saved_tensors: bool | Literal["pinned"] = False
    """What the backward pass needs waits in main memory; `pinned` is faster and waits for the device at every such tensor all the same."""
    offload_above: int = Field(default=1 << 20, ge=0)
    """Bytes; smaller tensors stay on the device."""
    deterministic: bool | Literal["warn"] = False
    """Kernels that give the same bits every time; one that has no such variant stops the run, or only warns with `warn`."""
    detect_anomaly: bool = False
    """Check every gradient for NaN and show the forward call at fault: several times slower."""
    cudnn_benchmark: bool | None = None
    """Let cuDNN try its kernels on every new size; `null` leaves torch's setting."""
    flush_denormal: bool = False
    """Take numbers too small for the normal format as zero, on the CPU, in the thread that trains."""
    default_dtype: Literal["float32", "float64", "bfloat16", "float16"] | None = None
    """The format of floating tensors that code makes without saying one."""
    default_device: str | None = None
    """Where tensors are made by code that does not say; `auto` is the run's device. Costs microseconds at every call that makes one."""
    num_threads: int | None = Field(default=None, ge=1)
    """Processor cores that one operation may use."""
