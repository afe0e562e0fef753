"""`trainwright.diffusion` has every sampler, schedule, density, weighting and denoiser, with the names of k-diffusion."""

from __future__ import annotations

import ast
from pathlib import Path

import torch

from trainwright import diffusion
from trainwright.config.part import Part
from trainwright.domains.diffusion.samplers import PARTS as SAMPLERS
from trainwright.domains.diffusion.schedules import PARTS as SCHEDULES

ROOMS = Path(diffusion.__file__).parent / "domains" / "diffusion"
STARTS = {"samplers": "sample_", "schedules": "get_sigmas_", "densities": "rand_"}
ENDS = {"denoisers": "Denoiser", "guidance": "Denoiser"}

K_DIFFUSION = [
    "sample_euler",
    "sample_euler_ancestral",
    "sample_heun",
    "sample_dpm_2",
    "sample_dpm_2_ancestral",
    "sample_lms",
    "sample_dpm_fast",
    "sample_dpm_adaptive",
    "sample_dpmpp_2s_ancestral",
    "sample_dpmpp_sde",
    "sample_dpmpp_2m",
    "sample_dpmpp_2m_sde",
    "sample_dpmpp_3m_sde",
    "log_likelihood",
    "get_sigmas_karras",
    "get_sigmas_exponential",
    "get_sigmas_polyexponential",
    "get_sigmas_vp",
    "get_ancestral_step",
    "to_d",
    "default_noise_sampler",
    "linear_multistep_coeff",
    "PIDStepSizeController",
    "BrownianTreeNoiseSampler",
    "rand_log_normal",
    "rand_log_logistic",
    "rand_log_uniform",
    "rand_v_diffusion",
    "rand_cosine_interpolated",
    "rand_split_log_normal",
    "stratified_uniform",
    "stratified_with_settings",
    "enable_stratified",
    "enable_stratified_accelerate",
    "Denoiser",
    "DenoiserWithVariance",
    "SimpleLossDenoiser",
    "VDenoiser",
    "DiscreteEpsDDPMDenoiser",
    "DiscreteVDDPMDenoiser",
    "OpenAIDenoiser",
    "CompVisDenoiser",
    "CompVisVDenoiser",
    "KarrasAugmentationPipeline",
    "KarrasAugmentWrapper",
    "freq_weight_1d",
    "freq_weight_nd",
]
"""Public names of its modules sampling, external, layers, augmentation and utils, at commit 4601bf0."""


def names_in(room: str) -> set[str]:
    """Public functions and classes at the top of the files of a room."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOMS / room).glob("*.py"))]
    found = [each.name for tree in trees for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
    return {each for each in found if not each.startswith("_")}


def test_no_sampler_schedule_density_or_denoiser_is_missing() -> None:
    for room, start in STARTS.items():
        found = {each for each in names_in(room) if each.startswith(start)}
        assert found and not found - set(dir(diffusion)), room
    for room, end in ENDS.items():
        found = {each for each in names_in(room) if each.endswith(end)}
        assert found and not found - set(dir(diffusion)), room


def test_names_of_k_diffusion_are_there() -> None:
    assert not [each for each in K_DIFFUSION if not callable(getattr(diffusion, each, None))]


def test_parts_of_a_configuration_are_the_functions_of_that_name() -> None:
    tables: list[tuple[str, dict[str, Part]]] = [("sample_", SAMPLERS), ("get_sigmas_", SCHEDULES)]
    for start, table in tables:
        for name, part in table.items():
            assert part.load() is getattr(diffusion, f"{start}{name}"), name


def test_a_loop_of_ones_own_needs_nothing_else() -> None:
    class Gaussian(torch.nn.Module):
        """D of data N(0.5, 0.5²)."""

        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            variance = sigma[:, None].square()
            return (0.25 * x + 0.5 * variance) / (0.25 + variance)

    sigmas = diffusion.get_sigmas_karras(20, 0.02, 10.0)
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * sigmas[0]
    made = diffusion.sample_dpmpp_2m(Gaussian(), x, sigmas)
    assert abs(made.mean() - 0.5) < 0.05 and abs(made.std() - 0.5) < 0.05
