"""Everything of diffusion models for a loop of one's own: samplers, levels of noise, densities, weights of the loss, denoisers, networks.

Names are those of k-diffusion where it has the same. What has no `system=diffusion` round it is called as there:

    x = torch.randn(16, 3, 32, 32) * sigmas[0]
    made = sample_dpmpp_2m(denoiser, x, get_sigmas_karras(20, 0.002, 80.0), extra_args={"class_cond": classes})
"""

from trainwright.domains.diffusion.denoisers.base import BaseDenoiser as BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import EpsilonDenoiser as EpsilonDenoiser
from trainwright.domains.diffusion.denoisers.continuous import FlowDenoiser as FlowDenoiser
from trainwright.domains.diffusion.denoisers.continuous import VDenoiser as VDenoiser
from trainwright.domains.diffusion.denoisers.continuous import X0Denoiser as X0Denoiser
from trainwright.domains.diffusion.denoisers.diffusers_schedulers import adapt as adapt
from trainwright.domains.diffusion.denoisers.diffusers_schedulers import from_diffusers as from_diffusers
from trainwright.domains.diffusion.denoisers.discrete import CompVisDenoiser as CompVisDenoiser
from trainwright.domains.diffusion.denoisers.discrete import CompVisVDenoiser as CompVisVDenoiser
from trainwright.domains.diffusion.denoisers.discrete import DiscreteDenoiser as DiscreteDenoiser
from trainwright.domains.diffusion.denoisers.discrete import DiscreteEpsDDPMDenoiser as DiscreteEpsDDPMDenoiser
from trainwright.domains.diffusion.denoisers.discrete import DiscreteVDDPMDenoiser as DiscreteVDDPMDenoiser
from trainwright.domains.diffusion.denoisers.discrete import DiscreteX0Denoiser as DiscreteX0Denoiser
from trainwright.domains.diffusion.denoisers.discrete import OpenAIDenoiser as OpenAIDenoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser as Denoiser
from trainwright.domains.diffusion.denoisers.edm import DenoiserWithVariance as DenoiserWithVariance
from trainwright.domains.diffusion.denoisers.edm import SimpleLossDenoiser as SimpleLossDenoiser
from trainwright.domains.diffusion.denoisers.tables import sigmas_of as sigmas_of
from trainwright.domains.diffusion.denoisers.tables import zero_terminal_snr as zero_terminal_snr
from trainwright.domains.diffusion.densities.draws import rand_cosine_interpolated as rand_cosine_interpolated
from trainwright.domains.diffusion.densities.draws import rand_log_logistic as rand_log_logistic
from trainwright.domains.diffusion.densities.draws import rand_log_normal as rand_log_normal
from trainwright.domains.diffusion.densities.draws import rand_log_uniform as rand_log_uniform
from trainwright.domains.diffusion.densities.draws import rand_split_log_normal as rand_split_log_normal
from trainwright.domains.diffusion.densities.draws import rand_v_diffusion as rand_v_diffusion
from trainwright.domains.diffusion.densities.stratified import enable_stratified as enable_stratified
from trainwright.domains.diffusion.densities.stratified import enable_stratified_accelerate as enable_stratified_accelerate
from trainwright.domains.diffusion.densities.stratified import stratified_uniform as stratified_uniform
from trainwright.domains.diffusion.densities.stratified import stratified_with_settings as stratified_with_settings
from trainwright.domains.diffusion.models.base import Backbone as Backbone
from trainwright.domains.diffusion.models.choosing import choose_backbone as choose_backbone
from trainwright.domains.diffusion.models.mlp import MLP as MLP
from trainwright.domains.diffusion.models.shape import BackboneShape as BackboneShape
from trainwright.domains.diffusion.models.unet import UNetBackbone as UNetBackbone
from trainwright.domains.diffusion.noise.brownian import BrownianNoise as BrownianNoise
from trainwright.domains.diffusion.noise.brownian import BrownianTreeNoiseSampler as BrownianTreeNoiseSampler
from trainwright.domains.diffusion.noise.keyed import normal_by_key as normal_by_key
from trainwright.domains.diffusion.noise.keyed import row_keys as row_keys
from trainwright.domains.diffusion.noise.keyed import uniform_by_key as uniform_by_key
from trainwright.domains.diffusion.noise.samples import SampleNoise as SampleNoise
from trainwright.domains.diffusion.samplers.ddim import sample_ddim as sample_ddim
from trainwright.domains.diffusion.samplers.deis import sample_deis as sample_deis
from trainwright.domains.diffusion.samplers.dpm_2 import sample_dpm_2 as sample_dpm_2
from trainwright.domains.diffusion.samplers.dpm_2_ancestral import sample_dpm_2_ancestral as sample_dpm_2_ancestral
from trainwright.domains.diffusion.samplers.dpm_adaptive import PIDStepSizeController as PIDStepSizeController
from trainwright.domains.diffusion.samplers.dpm_adaptive import sample_dpm_adaptive as sample_dpm_adaptive
from trainwright.domains.diffusion.samplers.dpm_fast import sample_dpm_fast as sample_dpm_fast
from trainwright.domains.diffusion.samplers.dpmpp_2m import sample_dpmpp_2m as sample_dpmpp_2m
from trainwright.domains.diffusion.samplers.dpmpp_2m_sde import sample_dpmpp_2m_sde as sample_dpmpp_2m_sde
from trainwright.domains.diffusion.samplers.dpmpp_2s_ancestral import sample_dpmpp_2s_ancestral as sample_dpmpp_2s_ancestral
from trainwright.domains.diffusion.samplers.dpmpp_3m_sde import sample_dpmpp_3m_sde as sample_dpmpp_3m_sde
from trainwright.domains.diffusion.samplers.dpmpp_3m_sde import sample_dpmpp_3m_sde_corrected as sample_dpmpp_3m_sde_corrected
from trainwright.domains.diffusion.samplers.dpmpp_sde import sample_dpmpp_sde as sample_dpmpp_sde
from trainwright.domains.diffusion.samplers.euler import sample_euler as sample_euler
from trainwright.domains.diffusion.samplers.euler_ancestral import sample_euler_ancestral as sample_euler_ancestral
from trainwright.domains.diffusion.samplers.few_steps import sample_lcm as sample_lcm
from trainwright.domains.diffusion.samplers.few_steps import sample_tcd as sample_tcd
from trainwright.domains.diffusion.samplers.heun import sample_heun as sample_heun
from trainwright.domains.diffusion.samplers.lagrange import linear_multistep_coeff as linear_multistep_coeff
from trainwright.domains.diffusion.samplers.lms import sample_lms as sample_lms
from trainwright.domains.diffusion.samplers.restart import sample_restart as sample_restart
from trainwright.domains.diffusion.samplers.steps import get_ancestral_step as get_ancestral_step
from trainwright.domains.diffusion.samplers.steps import to_d as to_d
from trainwright.domains.diffusion.samplers.unipc import sample_unipc as sample_unipc
from trainwright.domains.diffusion.schedules.flow import get_sigmas_flow as get_sigmas_flow
from trainwright.domains.diffusion.schedules.flow import shift_times as shift_times
from trainwright.domains.diffusion.schedules.make import make_sigmas as make_sigmas
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_beta as get_sigmas_beta
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_exponential as get_sigmas_exponential
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_karras as get_sigmas_karras
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_linear as get_sigmas_linear
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_polyexponential as get_sigmas_polyexponential
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_vp as get_sigmas_vp
from trainwright.domains.diffusion.schedules.tables import get_sigmas_align_your_steps as get_sigmas_align_your_steps
from trainwright.domains.diffusion.schedules.tables import get_sigmas_simple as get_sigmas_simple
from trainwright.domains.diffusion.schedules.tables import get_sigmas_uniform as get_sigmas_uniform
from trainwright.domains.diffusion.weightings.frequencies import freq_weight_1d as freq_weight_1d
from trainwright.domains.diffusion.weightings.frequencies import freq_weight_nd as freq_weight_nd
