"""Networks and schedulers of diffusers, made from configs offline, against diffusers' own steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import FlowDenoiser, VDenoiser
from trainwright.domains.diffusion.denoisers.diffusers_backbone import make_network
from trainwright.domains.diffusion.denoisers.diffusers_network import DiffusersNetwork
from trainwright.domains.diffusion.denoisers.diffusers_options import DiffusersDenoiserOptions, DiffusersOptions
from trainwright.domains.diffusion.denoisers.diffusers_schedulers import from_diffusers, make_diffusers, read_scheduler
from trainwright.domains.diffusion.denoisers.discrete import DiscreteDenoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser
from trainwright.domains.diffusion.denoisers.making import make_discrete
from trainwright.domains.diffusion.denoisers.options import DiscreteOptions
from trainwright.domains.diffusion.models.shape import BackboneShape

diffusers = pytest.importorskip("diffusers")

SMALL = {
    "sample_size": 8,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (32, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
}


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = diffusers.UNet2DModel(**SMALL, num_class_embeds=11).eval()
    return made


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@torch.no_grad()
def test_the_clean_sample_is_that_of_diffusers_own_step(unet: nn.Module, x: Tensor, prediction: str) -> None:
    scheduler = diffusers.DDIMScheduler(prediction_type=prediction, clip_sample=False, beta_schedule="scaled_linear")
    scheduler.set_timesteps(1000)
    denoiser = from_diffusers(unet, scheduler)
    assert isinstance(denoiser, DiscreteDenoiser)
    labels = torch.tensor([3, 10])
    for place in (5, 400, 999):
        alpha = scheduler.alphas_cumprod[place].sqrt()
        output = unet(x, place, class_labels=labels).sample
        expected = scheduler.step(output, place, x).pred_original_sample
        sigma = denoiser.t_to_sigma(torch.tensor([place, place]))
        torch.testing.assert_close(denoiser(x / alpha, sigma, class_cond=labels), expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


@torch.no_grad()
def test_a_step_of_flow_matching_is_that_of_diffusers(unet: nn.Module, x: Tensor) -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(4)
    denoiser = from_diffusers(unet, scheduler)
    assert isinstance(denoiser, FlowDenoiser)
    labels = torch.tensor([3, 10])
    scheduler.step(torch.zeros_like(x), scheduler.timesteps[0], x)  # counts the first step
    t, later = float(scheduler.sigmas[1]), float(scheduler.sigmas[2])
    output = unet(x, scheduler.timesteps[1], class_labels=labels).sample
    expected = scheduler.step(output, scheduler.timesteps[1], x).prev_sample
    sigma = t / (1 - t)
    denoised = denoiser(x / (1 - t), torch.tensor([sigma, sigma]), class_cond=labels)
    slope = (x / (1 - t) - denoised) / sigma
    found = (x / (1 - t) + (later / (1 - later) - sigma) * slope) * (1 - later)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@torch.no_grad()
def test_schedulers_of_edm_say_their_data(unet: nn.Module, x: Tensor, prediction: str) -> None:
    scheduler = diffusers.EDMEulerScheduler(sigma_data=0.7, prediction_type=prediction)
    denoiser = from_diffusers(unet, scheduler)
    assert isinstance(denoiser, Denoiser if prediction == "epsilon" else VDenoiser)
    scheduler.set_timesteps(5)
    sigma, time, labels = scheduler.sigmas[1], scheduler.timesteps[1], torch.tensor([3, 10])
    output = unet(scheduler.precondition_inputs(x, sigma), time, class_labels=labels).sample
    expected = scheduler.precondition_outputs(x, output, sigma)
    torch.testing.assert_close(denoiser(x, sigma.repeat(2), class_cond=labels), expected, rtol=1e-4, atol=1e-4)


def test_a_network_learns_with_the_loss_of_its_denoiser(unet: nn.Module, x: Tensor) -> None:
    denoiser = from_diffusers(unet, {"beta_schedule": "linear"}, weighting="min_snr")
    loss = denoiser.loss(x, torch.randn_like(x), torch.tensor([0.3, 2.0]), class_cond=torch.tensor([3, 10]))
    loss.sum().backward()
    assert loss.shape == (2,)
    assert all(each.grad is not None for each in unet.parameters())
    unet.zero_grad()


@torch.no_grad()
def test_tokens_and_pictures_beside_reach_a_network_that_takes_them() -> None:
    torch.manual_seed(0)
    model = diffusers.UNet2DConditionModel(
        **SMALL
        | {
            "in_channels": 2,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        },
        cross_attention_dim=6,
        norm_num_groups=8,
        attention_head_dim=8,
    ).eval()
    network = DiffusersNetwork(model)
    x, tokens, beside = torch.randn(2, 1, 8, 8), torch.randn(2, 3, 6), torch.randn(2, 1, 8, 8)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    time = torch.tensor([5.0, 70.0])
    found = network(x, time, cross_cond=tokens, cross_cond_padding=padding, unet_cond=beside)
    other = tokens.clone()
    other[0, 2] = 9  # padding
    torch.testing.assert_close(network(x, time, cross_cond=other, cross_cond_padding=padding, unet_cond=beside), found)
    assert not torch.allclose(network(x, time, cross_cond=other * 2, cross_cond_padding=padding, unet_cond=beside), found)


def test_a_scheduler_is_read_from_its_file(tmp_path: Path, unet: nn.Module) -> None:
    diffusers.DDPMScheduler(beta_end=0.01, prediction_type="v_prediction").save_pretrained(tmp_path)
    for path in (tmp_path, tmp_path / "scheduler_config.json"):
        options = DiffusersDenoiserOptions(scheduler=str(path))
        made = make_diffusers(options, DiffusersNetwork(unet))
        assert isinstance(made, DiscreteDenoiser)
        assert made.takes == "time"
        assert made.sigma_max == pytest.approx(float(from_diffusers(unet, read_scheduler(tmp_path)).sigma_max))


def _file(text: str) -> Callable[[Path], Any]:
    def write(folder: Path) -> Any:
        (folder / "scheduler_config.json").write_text(text)
        return folder

    return write


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        (lambda folder: folder, "cannot be read"),
        (_file("{"), "cannot be read"),
        (_file("[1]"), "holds no mapping"),
        (_file(json.dumps({"beta_schedule": "linear", "prediction_type": "noise"})), "prediction_type 'noise' is unknown"),
        (_file(json.dumps({"_class_name": "KarrasVeScheduler"})), "says no table of noise"),
        (_file(json.dumps({"beta_schedule": "linaer"})), "table of the scheduler cannot be used"),
        (_file(json.dumps({"_class_name": "EDMEulerScheduler", "prediction_type": "sample"})), "prediction_type 'sample' is unknown"),
        (lambda folder: 3, "int is no scheduler"),
    ],
    ids=["absent", "broken", "list", "prediction", "no table", "schedule", "edm", "number"],
)
def test_what_says_no_denoiser_is_refused(tmp_path: Path, unet: nn.Module, scheduler: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_diffusers(unet, scheduler(tmp_path))


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"mapping_cond": torch.ones(2, 3)}, "cannot take mapping_cond"),
        ({"aug_cond": torch.ones(2, 9)}, "cannot take aug_cond"),
        ({"cross_cond": torch.ones(2, 3, 4)}, "UNet2DModel cannot take cross_cond"),
    ],
    ids=["vector", "augmentation", "tokens"],
)
def test_conditions_that_a_network_cannot_take_are_refused(unet: nn.Module, x: Tensor, conditions: dict[str, Tensor], said: str) -> None:
    denoiser: BaseDenoiser = from_diffusers(unet, {"beta_schedule": "linear"})
    with pytest.raises(RequestError, match=said):
        denoiser(x, torch.tensor([0.3, 2.0]), class_cond=torch.tensor([1, 2]), **conditions)


CONFIG = {
    name: list(value) if isinstance(value, tuple) else value for name, value in SMALL.items() if name not in ("in_channels", "out_channels")
}


def test_a_network_is_made_for_the_shape_of_the_data(x: Tensor) -> None:
    network = make_network(DiffusersOptions(config=CONFIG), BackboneShape(channels=1, size=(8, 8), classes=10, concat=2))
    assert network.model.config.in_channels == 3
    assert network.model.config.num_class_embeds == 11
    denoiser = make_discrete(DiscreteOptions(), network)
    conditions = {"class_cond": torch.tensor([3, 10]), "unet_cond": torch.randn(2, 2, 8, 8)}
    loss = denoiser.loss(x, torch.randn_like(x), torch.tensor([0.3, 2.0]), **conditions)
    assert loss.shape == (2,)


def test_signals_have_networks_too() -> None:
    config = {
        "down_block_types": ["DownResnetBlock1D", "DownResnetBlock1D"],
        "up_block_types": ["UpResnetBlock1D"],
        "mid_block_type": "MidResTemporalBlock1D",
        "out_block_type": "OutConv1DBlock",
        "block_out_channels": [16, 32],
        "time_embedding_type": "positional",
        "use_timestep_embedding": True,
        "act_fn": "mish",
        "norm_num_groups": 8,
        "layers_per_block": 1,
    }
    network = make_network(DiffusersOptions(model="UNet1DModel", config=config), BackboneShape(channels=3, size=(16,)))
    assert make_discrete(DiscreteOptions(), network)(torch.randn(2, 3, 16), torch.tensor([0.3, 2.0])).shape == (2, 3, 16)


@torch.no_grad()
def test_weights_come_from_a_folder_of_diffusers(tmp_path: Path, unet: nn.Module, x: Tensor) -> None:
    unet.save_pretrained(tmp_path, safe_serialization=True)
    network = make_network(DiffusersOptions(weights=str(tmp_path)), BackboneShape(channels=1, size=(8, 8), classes=10)).eval()
    labels, time = torch.tensor([3, 10]), torch.tensor([5.0, 70.0])
    torch.testing.assert_close(network(x, time, class_cond=labels), unet(x, time, class_labels=labels).sample)


SHAPE = BackboneShape(channels=1, size=(8, 8))


@pytest.mark.parametrize(
    ("options", "shape", "said"),
    [
        ({"model": "UNet2DModle"}, SHAPE, "did you mean 'UNet2DModel'"),
        ({"model": "DDIMScheduler"}, SHAPE, "diffusers has no network 'DDIMScheduler'"),
        ({"config": {"layers_per_blok": 1}}, SHAPE, "did you mean 'layers_per_block'"),
        ({"config": {"down_block_types": ["DownBlok2D"]}}, SHAPE, "cannot make UNet2DModel"),
        ({"weights": "nowhere"}, SHAPE, "it has no config.json"),
        ({}, BackboneShape(channels=1, size=(8, 8), mapping=3), "cannot take mapping"),
        ({}, BackboneShape(channels=1, size=(8, 8), augment=9), "cannot take augment"),
    ],
    ids=["name", "scheduler", "argument", "block", "folder", "vector", "augment"],
)
def test_networks_that_cannot_be_made_are_refused(options: dict[str, Any], shape: BackboneShape, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_network(DiffusersOptions(**options), shape)
