"""Triangle meshes: checked, and written by trimesh or as Wavefront OBJ with its material."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError
from trainwright.runs.media.arrays import refuse_values, to_array
from trainwright.runs.media.files import whole, write_image
from trainwright.runs.media.images import grayscale_image, rgb_image
from trainwright.runs.media.optional import import_needed

MESH_FORMATS = (".ply", ".obj", ".stl", ".glb", ".off")
FIELDS = ("v_pos", "t_pos_idx", "v_nrm", "v_tex", "t_tex_idx", "v_rgb")
MAPS = {"Kd": "kd", "Ks": "ks", "Bump": "nrm", "Pm": "metallic", "Pr": "roughness"}
"""Maps of a material → what their files' names end with."""
SINGLE = ("Pm", "Pr")


@dataclass(frozen=True)
class Mesh:
    """Vertices (n 3) and triangles (m 3) of their numbers; perhaps normals, colours (n 3), texture coordinates (k 2) with triangles."""

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_nrm: np.ndarray | None = None
    v_tex: np.ndarray | None = None
    t_tex_idx: np.ndarray | None = None
    v_rgb: np.ndarray | None = None


def checked_mesh(**fields: Any) -> Mesh:
    """A mesh whose shapes and indices are right; raises ConfigError naming the one that is not."""
    v_pos = _floats(fields.get("v_pos"), "v_pos", 3)
    t_pos_idx = _triangles(fields.get("t_pos_idx"), "t_pos_idx", len(v_pos), "vertices")
    found: dict[str, np.ndarray] = {}
    for name in ("v_nrm", "v_rgb"):
        if fields.get(name) is not None:
            found[name] = _floats(fields[name], name, 3, len(v_pos))
    if fields.get("v_tex") is not None:
        found["v_tex"] = _floats(fields["v_tex"], "v_tex", 2)
        triangles = fields.get("t_tex_idx")
        found["t_tex_idx"] = _triangles(t_pos_idx if triangles is None else triangles, "t_tex_idx", len(found["v_tex"]), "rows of v_tex")
        if len(found["t_tex_idx"]) != len(t_pos_idx):
            raise ConfigError(f"t_tex_idx has {len(found['t_tex_idx'])} triangles, and t_pos_idx {len(t_pos_idx)}", where="a mesh")
    return Mesh(v_pos, t_pos_idx, **found)


def mesh_of(mesh: Any, wanted: Collection[str] = FIELDS) -> Mesh:
    """A mesh from a mapping, an object with threestudio's names, or trimesh's; only `wanted` is read, since some objects compute it."""
    if isinstance(mesh, Mapping):
        return checked_mesh(**{name: mesh.get(name) for name in wanted})
    if hasattr(mesh, "vertices") and hasattr(mesh, "faces"):
        return checked_mesh(v_pos=np.asarray(mesh.vertices), t_pos_idx=np.asarray(mesh.faces), **_of_trimesh(mesh, wanted))
    if not hasattr(mesh, "v_pos"):
        fix = f"give an object or a mapping with {', '.join(FIELDS[:2])} (and {', '.join(FIELDS[2:])})"
        raise ConfigError(f"{type(mesh).__name__} is no mesh", fix=fix)
    return checked_mesh(**{name: getattr(mesh, name, None) for name in wanted})


def _of_trimesh(mesh: Any, wanted: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "v_nrm" in wanted:
        found["v_nrm"] = np.asarray(mesh.vertex_normals)
    if "v_rgb" in wanted and mesh.visual.kind == "vertex":
        found["v_rgb"] = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
    if "v_tex" in wanted and mesh.visual.kind == "texture" and mesh.visual.uv is not None:
        found["v_tex"] = np.asarray(mesh.visual.uv) * (1, -1) + (0, 1)  # trimesh counts v from below
    return found


def _floats(value: Any, name: str, width: int, rows: int | None = None) -> np.ndarray:
    wanted = f"({'n' if rows is None else rows}, {width})"
    if value is None:
        raise ConfigError(f"a mesh needs {name}, of shape {wanted}")
    array = to_array(value, name)
    if array.ndim != 2 or array.shape[1] != width or rows not in (None, len(array)):
        raise ConfigError(f"{name} wants {wanted}, and got {array.shape}", where="a mesh")
    refuse_values(array, name)
    return array.astype(np.float64)


def _triangles(value: Any, name: str, count: int, what: str) -> np.ndarray:
    if value is None:
        raise ConfigError(f"a mesh needs {name}, of shape (m, 3)")
    array = to_array(value, name)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iu":
        raise ConfigError(f"{name} wants whole numbers of shape (m, 3), and got {array.dtype} {array.shape}", where="a mesh")
    if array.size and (array.min() < 0 or array.max() >= count):
        wrong = int(array.min()) if array.min() < 0 else int(array.max())
        raise ConfigError(f"{name} names {wrong}, and there are {count} {what}", where="a mesh", fix="numbers begin at 0")
    return array.astype(np.int64)


def write_mesh(path: Path, mesh: Mesh) -> Path:
    """Write vertices, triangles, and normals and colours where there are some, in the format of the path's suffix."""
    trimesh = import_needed("trimesh", "saving meshes")
    colours = None if mesh.v_rgb is None else np.rint(np.clip(mesh.v_rgb, 0, 1) * 255).astype(np.uint8)
    made = trimesh.Trimesh(mesh.v_pos, mesh.t_pos_idx, vertex_normals=mesh.v_nrm, vertex_colors=colours, process=False)
    if mesh.v_tex is not None:
        if len(mesh.v_tex) != len(mesh.v_pos) or mesh.t_tex_idx is None or not np.array_equal(mesh.t_tex_idx, mesh.t_pos_idx):
            raise ConfigError("texture coordinates with triangles of their own cannot be saved here", fix="save_obj(…, save_uv=True)")
        made.visual = trimesh.visual.TextureVisuals(uv=mesh.v_tex * (1, -1) + (0, 1))
    with whole(path) as temporary:
        made.export(temporary, file_type=path.suffix[1:].lower())
    return path


def write_obj(path: Path, mesh: Mesh, *, normal: bool, uv: bool, vertex_color: bool, material: str = "") -> Path:
    """Write a Wavefront OBJ; texture coordinates have their origin in the image's upper left corner, as its rows are counted."""
    for wanted, value, name in ((normal, mesh.v_nrm, "v_nrm"), (uv, mesh.v_tex, "v_tex"), (vertex_color, mesh.v_rgb, "v_rgb")):
        if wanted and value is None:
            raise ConfigError(f"the mesh has no {name} to save", where=path.name)
    points = np.concatenate([mesh.v_pos, mesh.v_rgb], axis=1) if vertex_color and mesh.v_rgb is not None else mesh.v_pos
    blocks = [f"mtllib {material}\n" if material else "", "g object\n", _lines("v", points)]
    if uv and mesh.v_tex is not None:
        blocks.append(_lines("vt", np.stack([mesh.v_tex[:, 0], 1 - mesh.v_tex[:, 1]], axis=1)))
    if normal and mesh.v_nrm is not None:
        blocks.append(_lines("vn", mesh.v_nrm))
    blocks += ["usemtl default\n" if material else "", _faces(mesh, normal, uv)]
    with whole(path) as temporary:
        temporary.write_text("".join(blocks), encoding="utf-8")
    return path


def _lines(word: str, values: np.ndarray) -> str:
    return (f"{word}{' %.8g' * values.shape[1]}\n" * len(values)) % tuple(values.ravel().tolist())


def _faces(mesh: Mesh, normal: bool, uv: bool) -> str:
    """Corners as vertex, texture coordinate and normal, all counted from 1."""
    parts = [mesh.t_pos_idx + 1]
    if uv and mesh.t_tex_idx is not None:
        parts.append(mesh.t_tex_idx + 1)
    if normal:
        parts.append(mesh.t_pos_idx + 1)
    corner = "%d/%d/%d" if uv and normal else "%d/%d" if uv else "%d//%d" if normal else "%d"
    corners = np.stack(parts, axis=2).ravel().tolist()
    return (f"f {corner} {corner} {corner}\n" * len(mesh.t_pos_idx)) % tuple(corners)


def write_material(path: Path, maps: Mapping[str, Any], map_format: str) -> list[Path]:
    """Write an MTL and its textures (h w 3, of 0 to 1; metallic and roughness one channel) beside it; returns all paths."""
    lines = ["newmtl default", "Ka 0.0 0.0 0.0"]
    paths = [path]
    for name, image in maps.items():
        single = name in SINGLE
        pixels = grayscale_image(image, (0, 1), "gray") if single else rgb_image(image)[..., :3]
        texture = path.with_name(f"{path.stem}_{MAPS[name]}.{map_format}")
        paths.append(write_image(texture, pixels[..., 0] if single else pixels))
        lines += {"Kd": ["Kd 1.0 1.0 1.0"], "Ks": ["Ks 1.0 1.0 1.0"]}.get(name, [])
        lines.append(f"map_{name} {'-bm 1.0 ' if name == 'Bump' else ''}{texture.name}")
    lines += [] if "Kd" in maps else ["Kd 0.8 0.8 0.8"]
    lines += [] if "Ks" in maps else ["Ks 0.0 0.0 0.0"]
    with whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths
