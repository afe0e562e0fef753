"""The page for people who come from k-diffusion names what is there, and its utilities have the values of theirs."""

from __future__ import annotations

import inspect
import re

import pytest
import torch
from pages import ROOT

import trainwright as tw
from trainwright import diffusion
from trainwright.cli.main import main
from trainwright.config.located import option_paths
from trainwright.config.registry import load, parts
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.systems.run_config import Config

PAGE = (ROOT / "docs/coming-from-k-diffusion.md").read_text()
UTILITIES = """
from_pil_image to_pil_image hf_datasets_augs_helper append_dims n_params download_file train_mode eval_mode ema_update EMAWarmup
InverseLR ExponentialLR ConstantLRWithWarmup stratified_uniform enable_stratified enable_stratified_accelerate rand_log_normal
rand_log_logistic rand_log_uniform rand_v_diffusion rand_cosine_interpolated rand_split_log_normal FolderOfImages CSVLogger tf32_mode
get_safetensors_metadata ema_update_dict
"""
SAMPLING = """
append_zero get_sigmas_karras get_sigmas_exponential get_sigmas_polyexponential get_sigmas_vp to_d get_ancestral_step
default_noise_sampler BatchedBrownianTree BrownianTreeNoiseSampler linear_multistep_coeff log_likelihood PIDStepSizeController DPMSolver
sample_euler sample_euler_ancestral sample_heun sample_dpm_2 sample_dpm_2_ancestral sample_lms sample_dpm_fast sample_dpm_adaptive
sample_dpmpp_2s_ancestral sample_dpmpp_sde sample_dpmpp_2m sample_dpmpp_2m_sde sample_dpmpp_3m_sde
"""
OTHERS = """
layers.Denoiser layers.DenoiserWithVariance layers.SimpleLossDenoiser external.VDenoiser external.DiscreteSchedule
external.DiscreteEpsDDPMDenoiser external.OpenAIDenoiser external.CompVisDenoiser external.DiscreteVDDPMDenoiser
external.CompVisVDenoiser layers.dct layers.freq_weight_nd models.ImageDenoiserModelV1 models.ImageTransformerDenoiserModelV2
augmentation.KarrasAugmentationPipeline augmentation.KarrasAugmentWrapper evaluation.fid evaluation.kid evaluation.compute_features
evaluation.InceptionV3FeatureExtractor evaluation.CLIPFeatureExtractor evaluation.DINOv2FeatureExtractor gns.GradientNoiseScale
config.load_config config.make_model
"""
FLAGS = """
--batch-size --checkpointing --clip-model --compile --config --demo-every --dinov2-model --end-step --evaluate-every --evaluate-n
--evaluate-only --evaluate-with --gns --grad-accum-steps --lr --mixed-precision --name --num-workers --reset-ema --resume
--resume-inference --sample-n --save-every --seed --start-method --wandb-entity --wandb-group --wandb-project --wandb-save-model
--checkpoint --prefix --steps
"""
KEYS = """
model.type model.input_channels model.input_size model.patch_size model.depths model.channels model.widths model.self_attn_depths
model.self_attns model.cross_attn_depths model.mapping_out model.mapping_width model.mapping_depth model.d_ffs model.dropout_rate
model.mapping_dropout_rate model.skip_stages model.sigma_data model.sigma_min model.sigma_max model.sigma_sample_density
model.loss_config model.loss_weighting model.loss_scales model.has_variance model.augment_prob model.augment_wrapper
model.mapping_cond_dim model.unet_cond_dim model.cross_cond_dim dataset.type dataset.location dataset.image_key dataset.class_key
dataset.num_classes dataset.cond_dropout_rate dataset.get_dataset optimizer.type optimizer.lr optimizer.betas optimizer.eps
optimizer.weight_decay lr_sched.type lr_sched.inv_gamma lr_sched.power lr_sched.num_steps lr_sched.decay lr_sched.warmup ema_sched.power
ema_sched.max_value
"""
"""Names of k-diffusion 4601bf0: what its modules define, the arguments of train.py and sample.py, the keys that its config.py reads."""
SIGNATURES = {
    "append_dims": ["x", "target_dims"],
    "n_params": ["module"],
    "download_file": ["path", "url", "digest"],
    "train_mode": ["model", "mode"],
    "eval_mode": ["model"],
    "ema_update": ["model", "averaged_model", "decay"],
    "EMAWarmup": ["inv_gamma", "power", "min_value", "max_value", "start_at", "last_epoch"],
    "InverseLR": ["optimizer", "inv_gamma", "power", "warmup", "min_lr", "last_epoch"],
    "ExponentialLR": ["optimizer", "num_steps", "decay", "warmup", "min_lr", "last_epoch"],
    "CSVLogger": ["filename", "columns"],
    "tf32_mode": ["cudnn", "matmul"],
}


@pytest.mark.parametrize("names", [UTILITIES, SAMPLING, OTHERS, FLAGS, KEYS], ids=["utilities", "sampling", "others", "flags", "keys"])
def test_every_name_of_k_diffusion_is_on_the_page(names: str) -> None:
    assert not [name for name in names.split() if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", PAGE)]


def test_every_name_of_ours_is_there() -> None:
    found = set(re.findall(r"`(diffusion|tw)\.(\w+)", PAGE))
    assert len(found) > 45
    assert not [name for place, name in found if not hasattr(diffusion if place == "diffusion" else tw, name)]
    there = set(option_paths(Config))
    assert not [name for name in re.findall(r"`((?:trainer|run)\.[a-z_.]+)", PAGE) if name not in there]
    assert not [name for name in re.findall(r"`system\.([a-z_]+)", PAGE) if name not in DiffusionOptions.model_fields]


def test_what_the_example_calls_is_there() -> None:
    """`K` is k-diffusion in one block, and ours in the other."""
    ours = PAGE[PAGE.index("from trainwright import diffusion as K") :].split("```")[0]
    assert not [name for name in re.findall(r"\bK\.(\w+)", ours) if not hasattr(diffusion, name)]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("noise_density", ["lognormal", "loglogistic", "loguniform", "v-diffusion", "split-lognormal", "cosine-interpolated"]),
        ("loss_weighting", ["karras", "soft-min-snr", "snr", "simple", "min_snr", "uncertainty"]),
        ("denoiser", ["edm"]),
        ("sampler", ["lms", "dpmpp_2m"]),
    ],
)
def test_the_words_of_its_configuration_are_understood(kind: str, names: list[str]) -> None:
    assert all(name in PAGE and load(kind, name) for name in names)


def test_networks_that_the_page_names_are_there() -> None:
    named = {name for name in re.findall(r"`(?:model: |trainwright list backbone\.)(\w+)", PAGE) if name != "type"}
    assert named and named <= set(parts("backbone"))


def test_flags_of_sample_that_the_page_names_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    said = PAGE[PAGE.index("## sample.py") : PAGE.index("## What is different")]
    ours = {
        flag for row in said.splitlines() if row.startswith("|") for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row.split("|")[2])
    }
    assert main(["sample", "--help"]) == 0
    known = capsys.readouterr().out
    assert ours and not [flag for flag in ours if f"{flag} " not in known and f"{flag}," not in known]


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_utility_takes_what_theirs_takes(name: str) -> None:
    assert list(inspect.signature(getattr(tw, name)).parameters)[: len(SIGNATURES[name])] == SIGNATURES[name]


def test_schedules_and_averages_have_the_values_of_theirs() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    inverse = tw.InverseLR(optimizer, inv_gamma=10, power=0.5, warmup=0.9, min_lr=0.01)
    for step in range(1, 30):
        optimizer.step()
        inverse.step()
        assert inverse.get_last_lr()[0] == pytest.approx((1 - 0.9 ** (step + 1)) * max(0.01, 0.1 * (1 + step / 10) ** -0.5))
    exponential = tw.ExponentialLR(torch.optim.SGD([weight], lr=0.1), num_steps=5, decay=0.25)
    for step in range(1, 12):
        exponential.optimizer.step()
        exponential.step()
        assert exponential.get_last_lr()[0] == pytest.approx(0.1 * (0.25 ** (1 / 5)) ** step)
    model, average = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(model.weight, 3.0)
    model.running_mean.fill_(7.0)
    tw.ema_update(model, average, 0.75)
    assert average.weight.tolist() == [1.5, 1.5] and average.running_mean.tolist() == [7.0, 7.0]
