"""Data, weights, files, sequences and meshes come back as they were; nothing leaves the folder and nothing half-written stays."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from torch import nn

from trainwright.config.errors import ConfigError, RunError
from trainwright.runs.media import Media
from trainwright.weights.loading import load_weights

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
UV = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(tmp_path / "media")


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/tmp/x.png", "", "."])
def test_nothing_is_saved_outside_the_folder(media: Media, name: str) -> None:
    with pytest.raises(ConfigError, match="is no place in the media folder"):
        media.get_save_path(name)
    assert media.get_save_path("a/b/c.bin") == media.folder / "a/b/c.bin" and (media.folder / "a/b").is_dir()
    assert media.get_save_dir() == media.folder


def test_a_link_does_not_lead_outside(media: Media, tmp_path: Path) -> None:
    media.folder.mkdir()
    (media.folder / "out").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is no place in the media folder"):
        media.save_json("out/x.json", {})


def test_arrays_and_mappings_of_them_are_saved(media: Media) -> None:
    value = torch.arange(6.0).view(2, 3).requires_grad_()
    assert np.load(media.save_data("a", value)).tolist() == [[0, 1, 2], [3, 4, 5]]
    with np.load(media.save_data("d/b.npz", {"x": value, "n": 3, "file": [1, 2]})) as archive:
        assert archive["x"].shape == (2, 3) and archive["n"] == 3 and archive["file"].tolist() == [1, 2]
    assert names(media.folder) == ["a.npy", "d/b.npz"]
    with pytest.raises(ConfigError, match="'words' is no array of numbers but an array of"):
        media.save_data("c", {"words": ["a", "b"]})
    with pytest.raises(ConfigError, match=r"'a\.npz' is no name of an array\n  fix: end it with \.npy"):
        media.save_data("a.npz", value)


def test_nested_tensors_become_arrays() -> None:
    found = Media.convert_data({"a": [torch.ones(2), (None, np.zeros(1))]})
    assert isinstance(found["a"][0], np.ndarray) and found["a"][1][0] is None


def test_a_state_dict_is_saved_and_loads(media: Media) -> None:
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    assert load_weights(other, media.save_state_dict("w", net)).complete and torch.equal(net.weight, other.weight)
    media.save_state_dict("w2.safetensors", net.state_dict())
    with pytest.raises(ConfigError, match="'n' is no tensor but int"):
        media.save_state_dict("x", {"n": 3})
    with pytest.raises(ConfigError, match=r"'n' is torch\.complex128, which safetensors cannot hold"):
        media.save_state_dict("x", {"n": torch.ones(1, dtype=torch.complex128)})
    with pytest.raises(ConfigError, match=r"'w\.pth' is no name of a state dict"):
        media.save_state_dict("w.pth", net)
    assert names(media.folder) == ["w.safetensors", "w2.safetensors"]


def test_json_and_files_are_saved(media: Media, tmp_path: Path) -> None:
    path = media.save_json("a/x", {"t": torch.ones(2), "nan": float("nan"), "text": "é"})
    assert json.loads(path.read_text()) == {"t": [1.0, 1.0], "nan": None, "text": "é"}
    (tmp_path / "from.bin").write_bytes(b"abc")
    assert media.save_file("copy.bin", tmp_path / "from.bin").read_bytes() == b"abc"
    with pytest.raises(ConfigError, match="there is no such file to save"):
        media.save_file("x", tmp_path / "absent")


def test_what_fails_half_way_leaves_the_file_before(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    path = media.save_image("x.png", np.zeros((2, 2), np.uint8))
    before = path.read_bytes()

    def full(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainwright.runs.media.files.os.replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        media.save_image("x.png", np.ones((2, 2), np.uint8))
    assert path.read_bytes() == before and names(media.folder) == ["x.png"]


def frames(count: int = 6, height: int = 32, width: int = 48) -> list[np.ndarray]:
    return [np.full((height, width, 3), (each * 40, 255 - each * 40, 90), np.uint8) for each in range(count)]


def decoded(path: Path) -> tuple[list[np.ndarray], float]:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [each.to_ndarray(format="rgb24") for each in container.decode(video=0)], float(rate or 0)


@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_frames_become_an_mp4_of_even_size(media: Media, size: tuple[int, int]) -> None:
    given = frames(6, *size)
    path = media.save_img_sequence("turn", given, fps=12.5)
    found, rate = decoded(path)
    assert path.name == "turn.mp4" and len(found) == 6 and rate == 12.5
    assert all(each.shape == (32, 48, 3) for each in found)
    assert max(np.abs(a[4:28, 4:40].astype(int) - b[4:28, 4:40]).max() for a, b in zip(found, given, strict=True)) <= 8


def test_frames_become_a_gif(media: Media) -> None:
    path = media.save_img_sequence("turn.gif", torch.from_numpy(np.stack(frames()) / 255).permute(0, 3, 1, 2), fps=20, data_format="CHW")
    with Image.open(path) as image:
        assert image.n_frames == 6 and image.info["duration"] == 50 and image.info["loop"] == 0  # type: ignore[attr-defined]
        image.seek(3)
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - frames()[3]).max() <= 2


def test_saved_images_become_a_sequence_in_the_order_of_their_numbers(media: Media) -> None:
    for number in (10, 2, 1):
        media.save_image(f"it/{number}-rgb.png", frames()[number % 5])
    media.save_image("it/1-depth.png", frames()[4])
    media.save_img_sequence("it.gif", "it", r"(\d+)-rgb\.png", fps=10)
    with Image.open(media.folder / "it.gif") as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]
        shown = []
        for place in range(3):
            image.seek(place)
            shown.append(round(float(np.asarray(image.convert("RGB"))[..., 0].mean()) / 40))
    assert shown == [1, 2, 0]
    with pytest.raises(ConfigError, match=r"no image here matches 'x\(\\d\+\)'\n  why: of 4 images, such as 1-depth\.png"):
        media.save_img_sequence("x", "it", r"x(\d+)")
    with pytest.raises(ConfigError, match="there is no such folder of frames"):
        media.save_img_sequence("x", "absent", r"(\d+)")
    with pytest.raises(ConfigError, match="is no regular expression"):
        media.save_img_sequence("x", "it", "(")


def test_mistakes_in_a_sequence_are_named(media: Media) -> None:
    with pytest.raises(ConfigError, match=r"frame 2 has another size: \(8, 48\), the first \(32, 48\)"):
        media.save_img_sequence("x.mp4", [*frames(2), frames(1, 8)[0]])
    with pytest.raises(ConfigError, match="frame 1: an RGB image has 3 NaN among 3 values"):
        media.save_img_sequence("x.gif", [np.zeros((1, 1, 3)), np.full((1, 1, 3), np.nan)])
    with pytest.raises(ConfigError, match="a sequence without frames"):
        media.save_img_sequence("x.mp4", [])
    with pytest.raises(ConfigError, match="a sequence cannot be saved as 'avi'"):
        media.save_img_sequence("x", frames(), save_format="avi")
    with pytest.raises(ConfigError, match="0 frames a second cannot be shown"):
        media.save_img_sequence("x", frames(), fps=0)
    assert not media.folder.exists() or names(media.folder) == []


@pytest.mark.parametrize("ending", ["ply", "obj", "stl", "glb", "off"])
def test_meshes_come_back(media: Media, ending: str) -> None:
    path = media.save_mesh(f"m.{ending}", torch.from_numpy(CORNERS), torch.from_numpy(TRIANGLES))
    found = trimesh.load_mesh(path, process=ending == "stl")
    assert found.faces.shape == (2, 3) and np.allclose(np.sort(found.triangles, axis=None), np.sort(CORNERS[TRIANGLES], axis=None))


def test_vertex_colours_and_normals_are_kept(media: Media) -> None:
    colours, normals = np.eye(4, 3), np.tile([0.0, 0, 1], (4, 1))
    path = media.save_mesh("m.ply", CORNERS, TRIANGLES, v_rgb=colours, v_nrm=normals)
    head, _, body = path.read_bytes().partition(b"end_header\n")
    assert head.count(b"property") == 11  # three of places, normals and colours, one of transparency, and the corners of the triangles
    rows = np.frombuffer(body[: 4 * 28], [("place", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 4)])
    assert rows["normal"].tolist() == normals.tolist() and rows["colour"][:, :3].tolist() == (colours * 255).tolist()


def test_an_obj_carries_texture_normals_and_colours(media: Media) -> None:
    texture = np.linspace(0, 1, 4 * 4 * 3).reshape(4, 4, 3)
    mesh = SimpleNamespace(
        v_pos=CORNERS, t_pos_idx=TRIANGLES, v_tex=UV, t_tex_idx=TRIANGLES, v_nrm=np.tile([0.0, 0, 1], (4, 1)), v_rgb=np.eye(4, 3)
    )
    paths = media.save_obj("m/cube.obj", mesh, True, True, True, map_Kd=texture, map_Pr=texture[..., 0], map_Bump=texture)
    assert [each.name for each in paths] == ["cube.obj", "cube.mtl", "cube_kd.png", "cube_nrm.png", "cube_roughness.png"]
    found: Any = trimesh.load(paths[0], process=False, maintain_order=True, force="mesh")
    assert np.allclose(found.vertices[found.faces], CORNERS[TRIANGLES])
    corner = UV[TRIANGLES] * (1, -1) + (0, 1)
    assert np.allclose(found.visual.uv[found.faces], corner)
    assert np.array_equal(np.asarray(found.visual.material.image.convert("RGB")), np.rint(texture * 255))
    text = paths[1].read_text()
    assert "newmtl default\n" in text and "map_Kd cube_kd.png\n" in text and "map_Bump -bm 1.0 cube_nrm.png\n" in text
    assert paths[0].read_text().count("vn 0 0 1\n") == 4
    assert "f 1/1/1 2/2/2 3/3/3\n" in paths[0].read_text() and "mtllib cube.mtl\n" in paths[0].read_text()
    with Image.open(paths[4]) as image:
        assert image.mode == "L"
    coloured = media.save_obj("c", {"v_pos": CORNERS, "t_pos_idx": TRIANGLES, "v_rgb": np.eye(4, 3)}, save_vertex_color=True)
    assert "v 0 0 0 1 0 0\n" in coloured[0].read_text() and "f 1 2 3\n" in coloured[0].read_text()


def test_only_what_is_asked_for_is_read_from_a_mesh(media: Media) -> None:
    class Lazy:
        v_pos, t_pos_idx = torch.from_numpy(CORNERS), torch.from_numpy(TRIANGLES)

        @property
        def v_tex(self) -> Any:
            raise RuntimeError("unwrapping takes a minute")

    assert media.save_obj("x.obj", Lazy())[0].is_file()
    box = trimesh.creation.box()
    again = trimesh.load_mesh(media.save_obj("box.obj", box, save_normal=True)[0], process=False, maintain_order=True)
    assert np.allclose(again.vertices[again.faces], box.vertices[box.faces])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"v_pos": CORNERS[:, :2]}, r"v_pos wants \(n, 3\), and got \(4, 2\)"),
        ({"t_pos_idx": TRIANGLES + 2}, r"t_pos_idx names 5, and there are 4 vertices"),
        ({"t_pos_idx": TRIANGLES / 1}, r"t_pos_idx wants whole numbers of shape \(m, 3\), and got float64 \(2, 3\)"),
        ({"v_pos": CORNERS * np.nan}, "v_pos has 12 NaN among 12 values"),
        ({"v_rgb": np.ones((3, 3))}, r"v_rgb wants \(4, 3\), and got \(3, 3\)"),
        ({"v_tex": UV, "t_tex_idx": TRIANGLES[:1]}, "t_tex_idx has 1 triangles, and t_pos_idx 2"),
        ({"v_pos": None}, r"a mesh needs v_pos, of shape \(n, 3\)"),
    ],
)
def test_mistakes_in_a_mesh_are_named(media: Media, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        media.save_mesh("m.ply", **{"v_pos": CORNERS, "t_pos_idx": TRIANGLES, **fields})


def test_mistakes_in_an_obj_are_named(media: Media) -> None:
    mesh = {"v_pos": CORNERS, "t_pos_idx": TRIANGLES}
    with pytest.raises(ConfigError, match=r"x\.obj: the mesh has no v_tex to save"):
        media.save_obj("x", mesh, save_uv=True)
    with pytest.raises(ConfigError, match="texture maps need a material and texture coordinates"):
        media.save_obj("x", mesh, map_Kd=np.zeros((2, 2, 3)))
    with pytest.raises(ConfigError, match="int is no mesh"):
        media.save_obj("x", 3)
    with pytest.raises(ConfigError, match="a texture cannot be saved as 'tga'"):
        media.save_obj("x", mesh, map_format="tga")
    assert not media.folder.exists() or names(media.folder) == []
