"""Every sampler ends where k-diffusion's and diffusers' end, to the digits that were written down.

Made with k-diffusion 4601bf0 in float64, `randn` patched to 0.25 where there is noise; those of deis and unipc with diffusers 0.42.1
(`DEISMultistepScheduler`, `UniPCMultistepScheduler` of `lower_order_final=False`), whose coefficients are float32. Data N(0.5, 0.5²) from
−12 and 15, and 0.3·N(−1, 0.2²) + 0.7·N(0.5, 0.1²) from all five starts.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.domains.diffusion.exact_denoisers import LEVELS, START, Counted, constant_noise, gaussian, mixture
from torch import Tensor

from trainwright.domains.diffusion.samplers import PARTS

FLOW = torch.tensor([9, 1.5, 3 / 7, 1 / 9, 0], dtype=torch.float64)
ENDS = torch.tensor([10, 0.05], dtype=torch.float64)
CHURN = {"s_churn": 4, "s_tmin": 0.15, "s_tmax": 8, "s_noise": 1.007}
NOT_INTO_ZERO = LEVELS[:-1]

GOLDEN: list[tuple[str, dict[str, Any], list[float], list[float]]] = [
    (
        "euler",
        {},
        [-0.01130293318, 1.093111402],
        [-0.9590597714, 0.3511858064, 0.4358408515, 0.5179737735, 0.5928548492],
    ),
    ("heun", {}, [-0.1759050145, 1.284049817], [-1.112794907, 0.4043744543, 0.4661297673, 0.5470560862, 0.6334978645]),
    ("dpm_2", {}, [-0.1488131769, 1.252623285], [-1.080993625, 0.414320238, 0.4627383925, 0.5402882668, 0.622710954]),
    ("lms", {"order": 4}, [-0.0741739952, 1.166041834], [-1.04571813, 0.3641617653, 0.4522691706, 0.5340538584, 0.6162585204]),
    ("lms", {"order": 2}, [-0.05679591279, 1.145883259], [-1.023331881, 0.3578192815, 0.4479961195, 0.5307876168, 0.6104343698]),
    ("dpmpp_2m", {}, [-0.1317915644, 1.232878215], [-1.134196671, 0.4002983804, 0.4805301139, 0.5474180321, 0.618355457]),
    ("dpmpp_2m_sde", {"eta": 0.0}, [-0.1317915644, 1.232878215], [-1.134196671, 0.4002983804, 0.4805301139, 0.5474180321, 0.618355457]),
    (
        "dpmpp_2m_sde",
        {"eta": 0.0, "solver_type": "heun"},
        [-0.1519711088, 1.256286486],
        [-1.162570926, 0.4080154323, 0.4877407487, 0.5518336071, 0.6218764739],
    ),
    ("dpmpp_3m_sde", {"eta": 0.0}, [-0.1566141947, 1.261672466], [-1.123384774, 0.4076713881, 0.4737268166, 0.5324984585, 0.6085186803]),
    (
        "dpmpp_3m_sde_corrected",
        {"eta": 0.0},
        [-0.1594765153, 1.264992758],
        [-1.116221306, 0.4096219013, 0.4719779617, 0.5271231301, 0.6040837908],
    ),
    (
        "dpmpp_2s_ancestral",
        {"eta": 0.0},
        [-0.1008316439, 1.196964707],
        [-1.0445887, 0.3918458224, 0.4546696233, 0.5330091023, 0.6128138056],
    ),
    ("dpmpp_sde", {"eta": 0.0}, [-0.1008316439, 1.196964707], [-1.0445887, 0.3918458224, 0.4546696233, 0.5330091023, 0.6128138056]),
    ("dpm_fast", {"n": 9}, [-0.1562676139, 1.261270432], [-1.123982854, 0.4617919697, 0.4988335983, 0.5466507786, 0.6223701602]),
    ("dpm_fast", {"n": 10}, [-0.1107518354, 1.208472129], [-1.02603298, 0.3906980225, 0.4384419138, 0.5318697719, 0.6174509166]),
    ("dpm_fast", {"n": 11}, [-0.1392753674, 1.241559426], [-1.031396464, 0.3542215447, 0.4178870733, 0.5425124866, 0.6566728463]),
    ("dpm_adaptive", {}, [-0.1486843071, 1.252473796], [-1.060288032, 0.3648870367, 0.4454593818, 0.5429600809, 0.6449731249]),
    ("dpm_adaptive", {"order": 2}, [-0.1621274686, 1.268067864], [-1.069711349, 0.3618483679, 0.4445092145, 0.5466013578, 0.6516201104]),
    (
        "dpm_adaptive",
        {"rtol": 1e-5, "atol": 1e-6},
        [-0.1273462618, 1.227721664],
        [-1.061756281, 0.36575359, 0.444960843, 0.5434816629, 0.6451891235],
    ),
    ("euler_ancestral", {}, [0.6749712693, 0.7423029402], [0.5216500449, 0.5248054434, 0.5259008858, 0.5277785319, 0.5298580481]),
    (
        "euler_ancestral",
        {"eta": 0.5},
        [0.3397793045, 1.065882667],
        [0.2486381816, 0.476246665, 0.5045559353, 0.5447359663, 0.5857925276],
    ),
    ("ddim", {}, [-0.01130293318, 1.093111402], [-0.9590597714, 0.3511858064, 0.4358408515, 0.5179737735, 0.5928548492]),
    ("ddim", {"eta": 0.5}, [0.3397793045, 1.065882667], [0.2486381816, 0.476246665, 0.5045559353, 0.5447359663, 0.5857925276]),
    ("dpm_2_ancestral", {}, [0.7475001368, 0.9488938976], [0.5592335695, 0.563407297, 0.564787915, 0.5671254949, 0.5696925706]),
    ("dpmpp_2s_ancestral", {}, [0.7058791649, 0.8207557514], [0.5365695961, 0.5400450476, 0.5412203453, 0.5432112953, 0.5453968878]),
    ("dpmpp_sde", {}, [0.7530151129, 0.8203467838], [0.5388186326, 0.5405481936, 0.5411805985, 0.5423045716, 0.5436103357]),
    ("dpmpp_2m_sde", {}, [0.7489130982, 0.816244769], [0.5594157164, 0.5577271889, 0.5571582154, 0.5562305948, 0.5553085334]),
    (
        "dpmpp_2m_sde",
        {"solver_type": "heun"},
        [0.7754878016, 0.8428194724],
        [0.5711482058, 0.5679292935, 0.5668323138, 0.5650127388, 0.5631339287],
    ),
    ("dpmpp_3m_sde", {}, [0.7941574279, 0.8614890987], [0.5269281472, 0.5282055251, 0.5288041153, 0.530031189, 0.5316949722]),
    ("dpmpp_3m_sde_corrected", {}, [0.8019795291, 0.8693112], []),
    ("euler", CHURN, [0.5776709719, 0.8406135173], [0.4596100186, 0.4924008932, 0.5027153652, 0.5194800438, 0.5371692958]),
    ("heun", CHURN, [0.5669678886, 1.078040453], [0.5164447755, 0.546775351, 0.5560650801, 0.5718507645, 0.5898521404]),
]

TO_THE_LAST_LEVEL: list[tuple[str, dict[str, Any], list[float], float]] = [
    ("euler", {}, [-0.01641596252, 1.099042517], 1e-9),
    ("dpmpp_2m", {}, [-0.1381094801, 1.240206997], 1e-9),
    ("deis", {"order": 1}, [-0.01641596252, 1.099042517], 1e-9),
    ("deis", {"order": 2}, [-0.0952046168, 1.190437355], 1e-6),
    ("deis", {"order": 3}, [-0.1236571808, 1.22344233], 1e-6),
    ("unipc", {"order": 2}, [-0.1434766507, 1.246432915], 1e-6),
    ("unipc", {"order": 3}, [-0.1456604592, 1.248966133], 1e-6),
    ("unipc", {"order": 2, "variant": "bh1"}, [-0.1840804535, 1.293533326], 1e-6),
    ("unipc", {"order": 3, "variant": "bh1"}, [-0.1460457515, 1.249413072], 1e-6),
]


def sample(name: str, denoiser: Any, sigmas: Tensor, x: Tensor = START, **options: Any) -> Tensor:
    made: Tensor = PARTS[name].load()(denoiser, x, sigmas, noise_sampler=constant_noise(x), **options)
    return made


@pytest.mark.parametrize(("name", "options", "of_gaussian", "of_mixture"), GOLDEN)
def test_ends_where_k_diffusion_ends(name: str, options: dict[str, Any], of_gaussian: list[float], of_mixture: list[float]) -> None:
    sigmas = ENDS if name in ("dpm_fast", "dpm_adaptive") else LEVELS
    assert sample(name, gaussian, sigmas, **options)[[0, 4], 0].tolist() == pytest.approx(of_gaussian, abs=1e-9, rel=0)
    if of_mixture:
        assert sample(name, mixture, sigmas, **options)[:, 0].tolist() == pytest.approx(of_mixture, abs=1e-9, rel=0)


@pytest.mark.parametrize(("name", "options", "of_gaussian", "within"), TO_THE_LAST_LEVEL)
def test_ends_at_the_last_level_where_others_end(name: str, options: dict[str, Any], of_gaussian: list[float], within: float) -> None:
    plain = {"lower_order_final": False} if name in ("deis", "unipc") else {}
    made = sample(name, gaussian, NOT_INTO_ZERO, **options, **plain)
    assert made[[0, 4], 0].tolist() == pytest.approx(of_gaussian, abs=within, rel=0)


def test_deis_and_unipc_end_on_a_mixture_where_diffusers_ends() -> None:
    plain = {"lower_order_final": False}
    assert sample("deis", mixture, NOT_INTO_ZERO, order=2, **plain)[[0, 4], 0].tolist() == pytest.approx(
        [-1.073103702, 0.6361637315], abs=1e-6
    )
    assert sample("deis", mixture, NOT_INTO_ZERO, order=3, **plain)[[0, 4], 0].tolist() == pytest.approx(
        [-1.101687584, 0.6380721897], abs=1e-6
    )
    unipc = sample("unipc", mixture, NOT_INTO_ZERO, order=2, **plain)[:, 0].tolist()
    assert unipc == pytest.approx([-1.105978951, 0.3658399249, 0.4541015275, 0.5479373581, 0.6460134296], abs=1e-6)


def test_euler_in_sigma_is_euler_of_flow_matching() -> None:
    """Made with times .9 .6 .3 .1 0 of x_t = (1 − t)·x, the velocity x_noise − x_data; in terms of σ = t / (1 − t) it is the same."""
    made = sample("euler", mixture, FLOW)[:, 0].tolist()
    assert made == pytest.approx([-0.9376979805, 0.3411581541, 0.4371674352, 0.508722224, 0.5727531792], abs=1e-9, rel=0)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("euler", [[0.6877003913, -0.2221318684], [0.3558036124, 0.1297779821]]),
        ("heun", [[0.8144911648, -0.2315551954], [0.3722559445, 0.2387067955]]),
        ("dpmpp_2m", [[0.7761988198, -0.2231580175], [0.3718523277, 0.2030642741]]),
    ],
)
def test_rows_of_two_numbers_that_depend_on_each_other(name: str, ends: list[list[float]]) -> None:
    covariance, mean = torch.tensor([[1, 0.6], [0.6, 0.5]], dtype=torch.float64), torch.tensor([0.3, -0.2], dtype=torch.float64)

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        gain = covariance @ torch.linalg.inv(covariance + sigma[0] ** 2 * torch.eye(2, dtype=torch.float64))
        return mean + (x - mean) @ gain.T

    made = sample(name, denoiser, LEVELS, torch.tensor([[8.0, -6.0], [-3.0, 9.0]], dtype=torch.float64))
    assert made.tolist() == [pytest.approx(each, abs=1e-9, rel=0) for each in ends]


@pytest.mark.parametrize(
    ("denoiser", "options", "told"),
    [
        (gaussian, {}, {"steps": 6, "nfe": 18, "n_accept": 6, "n_reject": 0}),
        (mixture, {}, {"steps": 11, "nfe": 33, "n_accept": 9, "n_reject": 2}),
        (gaussian, {"order": 2}, {"steps": 11, "nfe": 22, "n_accept": 9, "n_reject": 2}),
        (mixture, {"order": 2}, {"steps": 16, "nfe": 32, "n_accept": 13, "n_reject": 3}),
        (gaussian, {"rtol": 1e-5, "atol": 1e-6}, {"nfe": 144}),
        (mixture, {"rtol": 1e-5, "atol": 1e-6}, {"nfe": 225}),
    ],
)
def test_dpm_adaptive_takes_as_many_steps_as_k_diffusion(denoiser: Any, options: dict[str, Any], told: dict[str, int]) -> None:
    counted = Counted(denoiser)
    _, info = PARTS["dpm_adaptive"].load()(counted, START, ENDS, return_info=True, **options)
    assert told.items() <= info.items()
    assert counted.calls == info["nfe"]
