"""Options of C++ and CUDA extensions that are built when they are first used."""

from __future__ import annotations

from pydantic import Field, field_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal


class ExtensionOptions(ConfigModel):
    """A C++ or CUDA extension, built once and kept; its functions are named `name:function` wherever a path is."""

    name: str
    """What it is imported as; sources use TORCH_EXTENSION_NAME in PYBIND11_MODULE."""
    sources: list[str] = Field(min_length=1)
    """Files (`./ops.cpp`, `./kernels.cu`), relative to the working directory or to the config file."""
    cflags: list[str] = []
    """For the C++ compiler: `[-O3]`."""
    cuda_cflags: list[str] = []
    """For nvcc."""
    ldflags: list[str] = []
    """For the linker: `[-lfftw3]`."""
    include_paths: list[str] = []
    """Folders of headers, relative as sources are; what is in them counts when it is asked whether to build again."""
    python_module: bool = True
    """`false` for sources that only register operators (TORCH_LIBRARY), which are then `torch.ops.NAMESPACE.OPERATOR`."""

    @field_validator("name")
    @classmethod
    def _is_importable(cls, name: str) -> str:
        if not name.isidentifier():
            raise as_refusal(ConfigError(f"'{name}' cannot be imported", fix="a name of letters, digits and _"))
        return name
