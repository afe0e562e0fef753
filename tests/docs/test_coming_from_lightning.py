"""The page for people who come from Lightning leaves no hook out and names nothing that is not there."""

from __future__ import annotations

import re

import pytest
from pages import ROOT

from trainwright.config.options import options_of
from trainwright.config.registry import parts
from trainwright.systems.run_config import Config

HOOKS_THERE = """
    prepare_data setup configure_optimizers train_dataloader val_dataloader test_dataloader predict_dataloader
    on_pretrain_routine_start on_pretrain_routine_end on_fit_start on_sanity_check_start on_sanity_check_end on_train_start
    on_train_epoch_start on_epoch_start on_train_batch_start on_batch_start training_step training_step_end backward on_before_backward
    on_after_backward optimizer_step on_before_optimizer_step configure_gradient_clipping lr_scheduler_step on_before_zero_grad
    optimizer_zero_grad on_train_batch_end on_batch_end training_epoch_end on_train_epoch_end on_epoch_end on_validation_start
    on_validation_epoch_start on_validation_batch_start on_validation_batch_end validation_step validation_step_end validation_epoch_end
    on_validation_epoch_end on_validation_end on_validation_model_eval on_validation_model_train test_step test_epoch_end on_test_start
    on_test_end predict_step on_predict_start on_predict_end on_predict_epoch_end on_save_checkpoint on_load_checkpoint on_train_end
    on_fit_end on_exception teardown state_dict load_state_dict state_key on_before_batch_transfer transfer_batch_to_device
    on_after_batch_transfer configure_model configure_callbacks update_step preprocess_data guidance_evaluation_save
"""
ARGUMENTS_THERE = """
    accelerator strategy devices num_nodes precision logger callbacks fast_dev_run max_epochs min_epochs max_steps min_steps max_time
    limit_train_batches limit_val_batches limit_test_batches limit_predict_batches overfit_batches val_check_interval
    check_val_every_n_epoch num_sanity_val_steps log_every_n_steps enable_checkpointing enable_progress_bar enable_model_summary
    accumulate_grad_batches gradient_clip_val gradient_clip_algorithm deterministic benchmark inference_mode use_distributed_sampler
    profiler detect_anomaly barebones plugins sync_batchnorm reload_dataloaders_every_n_epochs default_root_dir
"""
EARLY_STOPPING_THERE = """
    monitor min_delta patience verbose mode strict check_finite stopping_threshold divergence_threshold check_on_train_epoch_end
    log_rank_zero_only
"""


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docs/coming-from-lightning.md").read_text()


def first_cells(text: str) -> str:
    return "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))


@pytest.mark.parametrize("names", [HOOKS_THERE, ARGUMENTS_THERE, EARLY_STOPPING_THERE], ids=["hooks", "Trainer", "EarlyStopping"])
def test_every_name_of_theirs_has_a_row(names: str, text: str) -> None:
    theirs = set(re.findall(r"\w+", first_cells(text)))
    assert not set(names.split()) - theirs


def test_every_option_of_ours_that_is_named_is_there(text: str) -> None:
    there = {option.path for option in options_of(Config)}
    sections = {path.rpartition(".")[0] for path in there}
    ours = "\n".join("|".join(line.split("|")[2:]) for line in text.splitlines() if line.startswith("| "))
    named = re.findall(r"`((?:trainer|run)\.[a-z_.]+)", ours)
    assert named
    assert not [name for name in named if name.rstrip(".") not in there | sections]


def test_every_callback_of_ours_is_named(text: str) -> None:
    assert not [name for name in parts("callback") if f"`{name}" not in text]
