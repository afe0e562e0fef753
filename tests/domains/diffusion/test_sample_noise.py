"""What is random of samples: numbered samples of a seed, in batches of any size."""

from __future__ import annotations

import pytest
import torch

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.noise.samples import SampleNoise


@pytest.mark.parametrize("kind", ["iid", "brownian"])
def test_sample_number_k_has_its_own_noise_in_any_batch(kind: str) -> None:
    def drawn(first: int, count: int) -> torch.Tensor:
        noise = SampleNoise(3, first, count, (2, 5))
        steps = noise.sampler(kind)
        return torch.stack([noise.start(), steps(10.0, 3.0), steps(3.0, 1.0)], dim=1)

    whole = drawn(0, 7)
    assert torch.equal(whole, torch.cat([drawn(0, 3), drawn(3, 1), drawn(4, 3)]))
    assert len({tuple(each.tolist()) for each in whole.view(21, 10)}) == 21
    assert not torch.equal(whole[:1], torch.stack([SampleNoise(4, 0, 1, (2, 5)).start()] * 3, dim=1))


def test_kinds_and_numbers_that_do_not_exist_are_refused() -> None:
    with pytest.raises(RequestError, match="did you mean 'brownian'"):
        SampleNoise(0, 0, 1, (2,)).sampler("brownien")
    with pytest.raises(RequestError, match="numbered from 0"):
        SampleNoise(0, -1, 1, (2,))
