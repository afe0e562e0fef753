"""Modes of torch while a run lasts: determinism, denormals, default type and device, threads. Each is a context that restores."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.engine.mode_options import ModeOptions
from trainwright.engine.module_modes import (
    activation_checkpointing,
    channels_last,
    checkpointed_modules,
    compile_modules,
    compiled_modules,
    in_channels_last,
)
from trainwright.engine.offload import Offload
from trainwright.engine.system import Batch

log = logging.getLogger("trainwright.engine")

BACKEND = "trainer.modes.compile.backend"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")
COMPILERS = ["g++", "clang++", "c++", "cl"]


@dataclass(frozen=True)
class Active:
    """What the modes ask of the loop."""

    batch: Callable[[Batch], Batch] | None = None
    """Applied to every batch on the device, in training and evaluation; None: batches stay as they are."""


@contextmanager
def modes(options: ModeOptions, system: nn.Module, device: torch.device) -> Iterator[Active]:
    """All modes asked for, around a whole run; everything is put back afterwards, also after an exception.

    Enter it when the system is on its device, before optimizer and averages are made. Raises ConfigError when a pattern names no module.
    """
    check(options, system, device)
    with ExitStack() as stack:
        for mode in _of_torch(options, device):
            stack.enter_context(mode)
        if options.channels_last:
            stack.enter_context(channels_last(system))
        if options.activation_checkpointing is not False:
            stack.enter_context(activation_checkpointing(system, options.activation_checkpointing))
        if options.compile is not None:
            stack.enter_context(compile_modules(system, options.compile))
        if options.offload_saved_tensors:
            stack.enter_context(Offload(options.offload_above, pinned=options.offload_saved_tensors == "pinned" and device.type == "cuda"))
        yield Active(in_channels_last if options.channels_last else None)


def check(options: ModeOptions, system: nn.Module, device: torch.device) -> None:
    """Raise ConfigError for patterns that name no module, a device that is none, or a compiler that is not there; changes nothing."""
    if options.activation_checkpointing is not False:
        checkpointed_modules(system, options.activation_checkpointing)
    if options.compile is not None:
        compiled_modules(system, options.compile.target)
    check_names(options)
    if options.compile is not None:
        check_compiler(options.compile.backend, device)


def check_names(options: ModeOptions) -> None:
    """Raise ConfigError for a compiler that torch does not know, or a device that is none."""
    if options.compile is not None:
        check_backend(options.compile.backend)
    if options.default_device not in (None, "auto"):
        try:
            torch.device(options.default_device)
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise ConfigError(
                f"there is no device '{options.default_device}'", where="trainer.modes.default_device", why=why, fix="auto, cpu or cuda"
            ) from error


def check_backend(backend: str) -> None:
    """Raise ConfigError when torch knows no such backend."""
    from torch._dynamo import list_backends

    known = list_backends(exclude_tags=())
    if backend not in known:
        raise ConfigError(f"torch has no compiler '{backend}'", where=BACKEND, fix=did_you_mean(backend, known))


def check_compiler(backend: str, device: torch.device) -> None:
    """Raise ConfigError when torch knows no such backend, or when it needs a C++ compiler and there is none."""
    check_backend(backend)
    named = os.environ.get("CXX")
    if backend == "inductor" and device.type == "cpu" and not any(map(shutil.which, [named] if named else COMPILERS)):
        why = f"{backend} needs a C++ compiler for the CPU, and none of {named or ', '.join(COMPILERS)} is on the path"
        raise ConfigError("nothing can be compiled here", where=BACKEND, why=why, fix="install g++, or leave out trainer.modes.compile")


def _of_torch(options: ModeOptions, device: torch.device) -> Iterator[Any]:
    if options.deterministic:
        yield deterministic(device, warn_only=options.deterministic == "warn", compiling=options.compile is not None)
    if options.detect_anomaly:
        yield torch.autograd.set_detect_anomaly(True)
    if options.cudnn_benchmark is not None:
        yield attribute(torch.backends.cudnn, "benchmark", options.cudnn_benchmark)
    if options.flush_denormal:
        yield flush_denormal()
    if options.default_dtype is not None:
        yield default_dtype(getattr(torch, options.default_dtype))
    if options.default_device is not None:
        yield torch.device(device if options.default_device == "auto" else options.default_device)
    if options.num_threads is not None:
        yield num_threads(options.num_threads)


@contextmanager
def attribute(place: Any, name: str, value: Any) -> Iterator[None]:
    """`place.name` is `value` inside, and what it was outside."""
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


@contextmanager
def deterministic(device: torch.device, *, warn_only: bool = False, compiling: bool = False) -> Iterator[None]:
    """Kernels that give the same bits every time; what cannot be had is warned of."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    for gap in determinism_gaps(device):
        log.warning("not deterministic: %s", gap)
    if device.type == "cuda" and workspace is None:
        os.environ[WORKSPACE] = DETERMINISTIC_WORKSPACES[0]
    try:
        with attribute(torch.backends.cudnn, "deterministic", True), attribute(torch.backends.cudnn, "benchmark", False):
            _use_deterministic(True, warn_only, compiling)
            yield
    finally:
        _use_deterministic(*before, compiling)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def _use_deterministic(on: bool, warn_only: bool, compiling: bool) -> None:
    if compiling or "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(on, warn_only=warn_only)
    else:  # the public function imports the compiler, two seconds, to tell it
        torch._C._set_deterministic_algorithms(on, warn_only=warn_only)


def determinism_gaps(device: torch.device) -> list[str]:
    """What determinism cannot cover in this process, one sentence each."""
    found = []
    if device.type == "cuda":
        given = os.environ.get(WORKSPACE)
        if given is not None and given not in DETERMINISTIC_WORKSPACES:
            found.append(f"{WORKSPACE} is {given}; matrix products repeat with {' or '.join(DETERMINISTIC_WORKSPACES)}")
        if given is None and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            found.append(
                f"CUDA had started before {WORKSPACE} could be set; set it to {DETERMINISTIC_WORKSPACES[0]} when starting the process"
            )
    if os.environ.get("PYTHONHASHSEED") in (None, "random"):
        found.append("the order of sets of strings differs from process to process; own code that depends on it needs PYTHONHASHSEED=0")
    return found


@contextmanager
def flush_denormal() -> Iterator[None]:
    """Numbers below the normal format count as zero in this thread's arithmetic; a warning where the processor cannot."""
    before = flushes_denormals()
    if not torch.set_flush_denormal(True):
        log.warning("this processor cannot flush denormal numbers to zero; the run goes on with them")
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def flushes_denormals() -> bool:
    """Whether arithmetic in this thread takes denormal numbers as zero; torch cannot be asked, so it is tried."""
    return float(torch.tensor(1e-30, dtype=torch.float32, device="cpu") * torch.tensor(1e-10, dtype=torch.float32, device="cpu")) == 0.0


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """The format of floating tensors made without saying one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Processor cores that one operation may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
