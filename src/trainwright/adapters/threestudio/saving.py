"""What threestudio's systems save, under the names of its SaverMixin: all of it is in `self.media`."""

from __future__ import annotations

from typing import Any


class OfMedia:
    """A method of `self.media` by the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, system: Any, owner: type | None = None) -> Any:
        return self if system is None else getattr(system.media, self.name)


class SaverMixin:
    """Images, sequences, meshes and files, under the run's `media/`."""

    get_save_dir = OfMedia()
    get_save_path = OfMedia()
    convert_data = OfMedia()
    save_rgb_image = OfMedia()
    save_uv_image = OfMedia()
    save_grayscale_image = OfMedia()
    save_image_grid = OfMedia()
    save_image = OfMedia()
    save_cubemap = OfMedia()
    save_data = OfMedia()
    save_state_dict = OfMedia()
    save_img_sequence = OfMedia()
    save_mesh = OfMedia()
    save_obj = OfMedia()
    save_file = OfMedia()
    save_json = OfMedia()
