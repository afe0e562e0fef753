"""The page for people who come from threestudio leaves no class, method or flag out and names nothing that is not there."""

from __future__ import annotations

import re

import pytest
from pages import ROOT

from trainwright.config.options import options_of
from trainwright.config.registry import parts
from trainwright.systems.run_config import Config

THEIRS = {
    "Configurable": "Configurable Config cfg OmegaConf",
    "Updateable": """Updateable do_update_step update_step do_update_step_end update_step_end on_load_weights update_if_possible
        update_end_if_possible""",
    "SaverMixin": """SaverMixin SaveMixin _save_dir _wandb_logger DEFAULT_RGB_KWARGS DEFAULT_UV_KWARGS DEFAULT_GRAYSCALE_KWARGS
        DEFAULT_GRID_KWARGS set_save_dir get_save_dir convert_data get_save_path create_loggers get_loggers save_rgb_image get_rgb_image_
        _save_rgb_image save_uv_image get_uv_image_ save_grayscale_image get_grayscale_image_ _save_grayscale_image save_image_grid
        get_image_grid_ save_image save_cubemap save_data save_state_dict save_img_sequence save_mesh save_obj _save_obj _save_mtl
        save_file save_json""",
    "BaseObject": "BaseObject Config cfg device get_device configure",
    "BaseModule": "BaseModule Config weights cfg device _dummy configure load_module_weights",
    "BaseSystem": """BaseSystem loggers loss optimizer scheduler weights weights_ignore_modules cleanup_after_validation_step
        cleanup_after_test_step cfg _save_dir resumed _resumed _resumed_eval _resumed_eval_status load_weights set_resume_status resume
        true_global_step true_current_epoch configure post_configure C configure_optimizers parse_scheduler training_step validation_step
        on_train_batch_end on_validation_batch_end on_validation_epoch_end test_step on_test_batch_end on_test_epoch_end predict_step
        on_predict_batch_end on_predict_epoch_end preprocess_data on_train_batch_start on_validation_batch_start on_test_batch_start
        on_predict_batch_start update_step on_before_optimizer_step grad_norm""",
    "BaseLift3DSystem": """BaseLift3DSystem geometry_type geometry geometry_convert_from geometry_convert_inherit_texture
        geometry_convert_override material_type material background_type background renderer_type renderer guidance_type guidance
        prompt_processor_type prompt_processor exporter_type exporter configure on_fit_start on_test_end on_predict_start predict_step
        on_predict_epoch_end on_predict_end guidance_evaluation_save""",
    "Names, registry, config": "register find name load_custom_modules ExperimentConfig load_config C mixin1",
    "launch.py": """config gpu train validate test export gradio verbose typecheck extras CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES devices
        accelerator n_gpus selected_gpus install_import_hook logger ColoredFilter FileHandler seed_everything get_rank data_type data
        system_type system trial_dir resume checkpoint ModelCheckpoint LearningRateMonitor CodeSnapshotCallback ConfigSnapshotCallback
        CustomProgressBar ProgressCallback TensorBoardLogger CSVLogger tb_logs csv_logs cmd rank_zero_only trainer Trainer inference_mode
        fit predict set_system_status load""",
}
"""Section of the page → the names in the notes on threestudio that must have a row there."""


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    pieces = re.split(r"^## (.+)$", (ROOT / "docs/coming-from-threestudio.md").read_text(), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def cells(text: str, column: int) -> list[str]:
    return [line.split("|")[column] for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("section", THEIRS)
def test_every_name_of_theirs_has_a_row(section: str, sections: dict[str, str]) -> None:
    theirs = set(re.findall(r"\w+", " ".join(cells(sections[section], 1))))
    assert not set(THEIRS[section].split()) - theirs


@pytest.mark.parametrize("section", THEIRS)
def test_every_row_says_what_is_here(section: str, sections: dict[str, str]) -> None:
    assert all(cell.strip() for cell in cells(sections[section], 2))


def test_every_option_of_ours_that_is_named_is_there(sections: dict[str, str]) -> None:
    there = {option.path for option in options_of(Config)}
    there |= {path.rpartition(".")[0] for path in there}
    named = re.findall(r"`((?:trainer|run)\.[a-z_.]+)", "".join(" ".join(cells(text, 2)) for text in sections.values()))
    assert named
    assert not [name for name in named if name not in there]


def test_every_python_name_of_ours_is_there(sections: dict[str, str]) -> None:
    import trainwright as tw
    from trainwright.engine.callbacks import Callback
    from trainwright.engine.session import Session
    from trainwright.runs import media
    from trainwright.runs.media import images

    here = " ".join(" ".join(cells(text, 2)) + " ".join(cells(text, 3)) for text in sections.values())
    owners = {r"tw": tw, r"self\.media": media.Media, r"trainwright\.runs\.media\.images": images}
    for start, owner in owners.items():
        named = set(re.findall(rf"`{start}\.(\w+)", here))
        assert named
        assert not [name for name in named if not hasattr(owner, name)]
    session = set(re.findall(r"`session\.(\w+)", here))
    assert not [name for name in session if not hasattr(Session, name) and name not in Session.__dataclass_fields__]
    hooks = set(re.findall(r"`(on_\w+)", here))
    assert not [name for name in hooks if not hasattr(Callback, name)]


def test_every_callback_and_tracker_of_ours_is_there(sections: dict[str, str]) -> None:
    here = " ".join(" ".join(cells(text, 2)) for text in sections.values())
    assert {"learning_rate_monitor", "gradient_flow"} <= set(parts("callback"))
    for name in re.findall(r"tracker `(\w+)`", here):
        assert name in parts("tracker")


def test_every_command_and_flag_that_is_named_is_there(sections: dict[str, str]) -> None:
    from trainwright.cli.main import COMMANDS
    from trainwright.cli.train import parser

    rows = sections["launch.py"]
    assert set(re.findall(r"trainwright (\w+)", " ".join(cells(rows, 2)))) <= set(COMMANDS)
    flags = set(re.findall(r"`(--[a-z-]+)", " ".join(cells(rows, 2))))
    assert flags
    assert not [flag for flag in flags if flag not in parser()._option_string_actions]
