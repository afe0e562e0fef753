"""The page "Coming from k-diffusion" names everything that is there, and nothing that is not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import trainwright as tw
from trainwright import diffusion
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.config.registry import load, parts

PAGE = (Path(__file__).parents[3] / "docs" / "coming-from-k-diffusion.md").read_text()
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


@pytest.mark.parametrize("names", [UTILITIES, SAMPLING, OTHERS, FLAGS, KEYS], ids=["utilities", "sampling", "others", "flags", "keys"])
def test_every_name_of_k_diffusion_is_on_the_page(names: str) -> None:
    assert not [name for name in names.split() if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", PAGE)]


def test_every_name_of_ours_is_there() -> None:
    found = set(re.findall(r"`(diffusion|tw)\.(\w+)", PAGE))
    assert len(found) > 45
    assert not [name for place, name in found if not hasattr(diffusion if place == "diffusion" else tw, name)]


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
    ours = {flag for row in said.splitlines() if row.startswith("|") for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row.split("|")[2])}
    assert main(["sample", "--help"]) == 0
    known = capsys.readouterr().out
    assert ours and not [flag for flag in ours if f"{flag} " not in known and f"{flag}," not in known]


def test_pictures_of_pillow_come_back_as_they_were() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for array in (pixels, np.stack([pixels, pixels.T, 255 - pixels], axis=2)):
        x = diffusion.from_pil_image(Image.fromarray(array))
        assert x.dim() == 3 and float(x.min()) == -1 and float(x.max()) == 1
        assert np.array_equal(np.asarray(diffusion.to_pil_image(x)), array)
        cut = np.asarray(diffusion.to_pil_image(x[None] * 1e6))
        assert np.array_equal(cut[array < 127], 0 * cut[array < 127]) and (cut[array > 128] == 255).all()


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(RequestError, match="mode 'P'"):
        diffusion.from_pil_image(Image.new("P", (2, 2)))
    with pytest.raises(RequestError, match=r"\(2, 3, 4, 4\)"):
        diffusion.to_pil_image(torch.zeros(2, 3, 4, 4))
