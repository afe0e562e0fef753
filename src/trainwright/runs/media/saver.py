"""`Media`: what a system saves while it trains, by the names threestudio's users know, under one folder and in the trackers."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.files.text import write_json
from trainwright.files.whole import sweep
from trainwright.runs.media import images, meshes, sequences
from trainwright.runs.media.arrays import convert_data, saving, to_array
from trainwright.runs.media.files import FORMATS, inside, whole, with_suffix, write_image, write_npz
from trainwright.tracking.kinds import Kinds

log = logging.getLogger("trainwright.media")
Name = str | os.PathLike[str]


class Media:
    """Saves images, sequences, meshes and data under `folder`; images also go to the trackers that take them.

    Each method returns the path it wrote, whole or not at all. Inputs are tensors on any device, or arrays. They raise ConfigError for
    shapes, types and ranges that cannot be meant and for a missing library, RunError when the disk refuses.
    """

    def __init__(self, folder: str | os.PathLike[str], trackers: Iterable[Any] = ()) -> None:
        self.folder, self.kinds = Path(folder), Kinds(trackers)
        self._swept: set[Path] = set()
        """Folders in which nothing of a killed process lies any more."""
        self.step = 0
        """The step that trackers show images under, when a method is not given another."""
        self._told: set[str] = set()

    def get_save_dir(self) -> Path:
        """The folder."""
        return self.folder

    def get_save_path(self, filename: Name) -> Path:
        """The path of `filename` below the folder, its parents made; raises ConfigError for one that leaves it."""
        path = inside(self.folder, filename)
        if path.parent not in self._swept and path.parent.is_dir():
            self._swept.add(path.parent)
            sweep(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @staticmethod
    def convert_data(data: Any) -> Any:
        """Tensors in any nesting as arrays on the CPU."""
        return convert_data(data)

    def save_rgb_image(
        self,
        filename: Name,
        img: Any,
        data_format: str = "HWC",
        data_range: images.Range = (0, 1),
        name: str | None = None,
        step: int | None = None,
    ) -> Path:
        """Save colours (h w 3), with transparency (h w 4) or of one channel (h w 1); `data_format` CHW has the channels first."""
        with saving(str(filename), self._told):
            pixels = images.rgb_image(img, data_format, data_range)
        return self._save(filename, pixels, name, step)

    def save_uv_image(
        self,
        filename: Name,
        img: Any,
        data_format: str = "HWC",
        data_range: images.Range = (0, 1),
        cmap: str = "checkerboard",
        name: str | None = None,
        step: int | None = None,
    ) -> Path:
        """Save texture coordinates (h w 2) as a checkerboard laid over them, or as colours."""
        with saving(str(filename), self._told):
            pixels = images.uv_image(img, data_format, data_range, cmap)
        return self._save(filename, pixels, name, step)

    def save_grayscale_image(
        self,
        filename: Name,
        img: Any,
        data_range: images.Range | None = None,
        cmap: str | None = "jet",
        name: str | None = None,
        step: int | None = None,
    ) -> Path:
        """Save single numbers (h w) in the colours of jet, gray, viridis or magma; without `data_range` from the least to the largest."""
        with saving(str(filename), self._told):
            pixels = images.grayscale_image(img, data_range, cmap)
        return self._save(filename, pixels, name, step)

    def save_image_grid(
        self,
        filename: Name,
        imgs: Sequence[Any],
        align: images.Align = "max",
        name: str | None = None,
        step: int | None = None,
        texts: Sequence[Any] | None = None,
    ) -> Path:
        """Save rows of images {"type": "rgb|uv|grayscale|empty", "img": …, "kwargs": {…}} side by side, perhaps with captions."""
        with saving(str(filename), self._told):
            pixels = images.image_grid(imgs, align, texts)
        return self._save(filename, pixels, name, step)

    def save_image(self, filename: Name, img: Any, name: str | None = None, step: int | None = None) -> Path:
        """Save an image that is ready: uint8 of (h w), (h w 3) or (h w 4), or uint16 of (h w) as PNG."""
        return self._save(filename, images.plain_image(img), name, step)

    def save_cubemap(
        self, filename: Name, img: Any, data_range: images.Range = (0, 1), name: str | None = None, step: int | None = None
    ) -> Path:
        """Save six faces (6 s s 3: +x, -x, +y, -y, +z, -z) as a cross."""
        with saving(str(filename), self._told):
            pixels = images.cubemap_image(img, data_range)
        return self._save(filename, pixels, name, step)

    def save_data(self, filename: Name, data: Any) -> Path:
        """Save an array as .npy, or a mapping of arrays as .npz."""
        mapping = isinstance(data, Mapping)
        path = self.get_save_path(
            with_suffix(filename, (".npz",) if mapping else (".npy",), "a mapping of arrays" if mapping else "an array")
        )
        arrays = {str(key): to_array(value, f"'{key}'") for key, value in data.items()} if mapping else {}
        single = None if mapping else to_array(data, "data")
        with whole(path) as temporary:
            if single is None:
                write_npz(temporary, arrays)
            else:
                with open(temporary, "wb") as file:
                    np.save(file, single, allow_pickle=False)
        return path

    def save_state_dict(self, filename: Name, module: Any) -> Path:
        """Save the weights of a module, or a mapping of tensors, as .safetensors; raises ConfigError for what is no tensor."""
        from torch import Tensor

        from trainwright.files.tensors import save_tensors

        state = module if isinstance(module, Mapping) else module.state_dict()
        wrong = next((name for name, value in state.items() if not isinstance(value, Tensor)), None)
        if wrong is not None:
            kind = type(state[wrong]).__name__
            raise ConfigError(f"'{wrong}' is no tensor but {kind}", fix="save tensors here, and the rest with save_json")
        path = self.get_save_path(with_suffix(filename, (".safetensors",), "a state dict"))
        try:
            with whole(path) as temporary:
                save_tensors(temporary, state)
        except TypeError as error:
            raise ConfigError(str(error), fix="save it as real numbers of at most 64 bits") from error
        return path

    def save_img_sequence(
        self,
        filename: str,
        frames: Any,
        matcher: str | None = None,
        save_format: str | None = None,
        fps: float = 30,
        name: str | None = None,
        step: int | None = None,
        data_format: str = "HWC",
        data_range: images.Range = (0, 1),
    ) -> Path:
        """Save frames as .mp4 or .gif: a list of images, or the folder (below this one) of those whose names `matcher` finds.

        The number in the matcher's first group orders them: r"(\\d+)\\.png". Trackers get the first frame.
        """
        filename, kind = sequences.kind_of_sequence(str(filename), save_format)
        if isinstance(frames, (str, os.PathLike)):
            frames = sequences.files_of(self.folder if os.fspath(frames) == "." else inside(self.folder, frames), matcher)
        pixels = sequences.frames_of(frames, data_format, data_range)
        with saving(filename, self._told):
            first = next(pixels)
            path = sequences.write_sequence(self.get_save_path(filename), _again(first, pixels), kind, fps)
        self._track(name or _stem(filename), first, step)
        return path

    def save_mesh(
        self,
        filename: Name,
        v_pos: Any,
        t_pos_idx: Any,
        v_tex: Any = None,
        t_tex_idx: Any = None,
        *,
        v_nrm: Any = None,
        v_rgb: Any = None,
    ) -> Path:
        """Save vertices (n 3) and triangles (m 3), and perhaps normals and colours (n 3), as .ply, .obj, .stl, .glb or .off by trimesh."""
        mesh = meshes.checked_mesh(v_pos=v_pos, t_pos_idx=t_pos_idx, v_tex=v_tex, t_tex_idx=t_tex_idx, v_nrm=v_nrm, v_rgb=v_rgb)
        return meshes.write_mesh(self.get_save_path(with_suffix(filename, meshes.MESH_FORMATS, "a mesh")), mesh)

    def save_obj(
        self,
        filename: Name,
        mesh: Any,
        save_mat: bool = False,
        save_normal: bool = False,
        save_uv: bool = False,
        save_vertex_color: bool = False,
        map_Kd: Any = None,
        map_Ks: Any = None,
        map_Bump: Any = None,
        map_Pm: Any = None,
        map_Pr: Any = None,
        map_format: str = "png",
    ) -> list[Path]:
        """Save a mesh (v_pos, t_pos_idx, and v_nrm, v_tex, t_tex_idx, v_rgb if asked for) as .obj, with `save_mat` its .mtl and textures.

        Returns the paths written, the .obj first. Texture maps are (h w 3) of 0 to 1; map_Pm and map_Pr (metallic, roughness) (h w).
        """
        if f".{map_format}" not in FORMATS:
            raise ConfigError(f"a texture cannot be saved as '{map_format}'", fix=did_you_mean(map_format, [each[1:] for each in FORMATS]))
        asked = {"v_nrm": save_normal, "v_tex": save_uv, "t_tex_idx": save_uv, "v_rgb": save_vertex_color}
        found = meshes.mesh_of(mesh, ["v_pos", "t_pos_idx", *(each for each, wanted in asked.items() if wanted)])
        maps = {"Kd": map_Kd, "Ks": map_Ks, "Bump": map_Bump, "Pm": map_Pm, "Pr": map_Pr}
        maps = {key: value for key, value in maps.items() if value is not None}
        if maps and not (save_mat and save_uv):
            raise ConfigError("texture maps need a material and texture coordinates", fix="save_mat=True, save_uv=True")
        path = self.get_save_path(with_suffix(filename, (".obj",), "an OBJ"))
        with saving(str(filename), self._told):
            others = meshes.write_material(path.with_suffix(".mtl"), maps, map_format) if save_mat else []
        material = others[0].name if others else ""
        return [meshes.write_obj(path, found, normal=save_normal, uv=save_uv, vertex_color=save_vertex_color, material=material), *others]

    def save_file(self, filename: Name, src_path: Name) -> Path:
        """Copy a file; raises ConfigError when there is none."""
        source = Path(src_path)
        if not source.is_file():
            raise ConfigError("there is no such file to save", where=str(source))
        path = self.get_save_path(filename)
        with whole(path) as temporary:
            shutil.copyfile(source, temporary)
        return path

    def save_json(self, filename: Name, payload: Any) -> Path:
        """Save plain values, arrays and tensors among them, as JSON; NaN becomes null."""
        path = self.get_save_path(with_suffix(filename, (".json",), "JSON"))
        write_json(path, convert_data(payload) if hasattr(payload, "detach") else payload)
        return path

    def _save(self, filename: Name, pixels: np.ndarray, name: str | None, step: int | None) -> Path:
        path = write_image(self.get_save_path(with_suffix(filename, tuple(FORMATS), "an image")), pixels)
        self._track(name or _stem(filename), pixels, step)
        return path

    def _track(self, name: str, pixels: np.ndarray, step: int | None) -> None:
        """Hand the picture to the trackers; one that fails is told of and does not stop the run."""
        pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
        pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        self.kinds.give("image", name, pixels, self.step if step is None else step)


def _stem(filename: Name) -> str:
    return Path(filename).with_suffix("").as_posix()


def _again(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest
