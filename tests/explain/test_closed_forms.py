"""Attributions against closed forms, published numbers and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import Kinked, ask, subject_of
from torch import nn

from trainwright.explain.integrated_gradients import nodes
from trainwright.explain.occlusion import windows
from trainwright.explain.partial_dependence import number_grid

X, BASE = torch.tensor([[-3.0, 1.0, 2.0]]), torch.tensor([[3.0, 3.0, 3.0]])


def kinked(*rows: torch.Tensor):
    net = Kinked()
    return subject_of(lambda t: net(t["x"]), 2, x=torch.cat([*rows]))


def test_integrated_gradients_of_the_published_network_are_those_of_fifty_nodes_and_come_to_the_exact_ones() -> None:
    subject = kinked(X, BASE)
    # captum 0.9, IntegratedGradients(n_steps=50, method="gausslegendre") of this network and baseline
    fifty = ask(subject, "ig", {"most_steps": 50}, output="0", baseline="row:2", row=[1])
    assert fifty.rows is not None and fifty.rows.gap is not None
    np.testing.assert_allclose(fifty.rows.attributions[0], [-11.550152, 3.112462, 5.037487], atol=1e-5)
    assert fifty.rows.gap[0] == pytest.approx(-0.400203, abs=1e-5) and (fifty.rows.answer[0], fifty.rows.at_baseline[0]) == (-29, -26)  # type: ignore[index]
    fine = ask(subject, "ig", {"most_steps": 3200, "tolerance": 1e-3}, output="0", baseline="row:2", row=[1])
    np.testing.assert_allclose(fine.rows.attributions[0], [-11.25, 3.1875, 5.0625], atol=0.01)  # type: ignore[union-attr]
    assert abs(fine.rows.gap[0]) < abs(fifty.rows.gap[0]) / 40  # type: ignore[index, union-attr]


def test_points_are_doubled_for_the_rows_that_are_off_and_for_no_others() -> None:
    smooth = torch.tensor([[3.0, 3.0, 3.5]])
    both = ask(kinked(X, smooth, BASE), "ig", output="0", baseline="row:3", row=[1, 2])
    alone = ask(kinked(X, BASE), "ig", output="0", baseline="row:2", row=[1])
    np.testing.assert_array_equal(both.rows.attributions[0], alone.rows.attributions[0])  # type: ignore[union-attr]
    assert (np.abs(both.rows.gap) <= 0.05 * np.abs(both.rows.answer - both.rows.at_baseline)).all()  # type: ignore[arg-type, operator, union-attr]


def test_of_a_linear_model_all_methods_say_weight_times_difference() -> None:
    weight = torch.tensor([2.0, -1.0, 0.5, 0.0])
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    subject = subject_of(lambda t: t["x"] @ weight + 3, x=x)
    expected = (weight * (x - x[4])).numpy()
    for method in ("integrated_gradients", "shapley", "occlusion"):
        found = ask(subject, method, baseline="row:5")
        np.testing.assert_allclose(found.rows.attributions, expected, atol=1e-5, err_msg=method)  # type: ignore[union-attr]
    mean = ask(subject, "shapley", baseline="mean")
    np.testing.assert_allclose(mean.rows.attributions, weight * (x - x.mean(0)), atol=1e-5)  # type: ignore[union-attr]
    assert [each["column"] for each in mean.ranked][:2] == ["x[0]", "x[1]"] and mean.ranked[-1]["mean_absolute"] < 1e-12


def test_shapley_and_occlusion_of_the_published_network() -> None:
    subject = kinked(X, BASE)
    # captum 0.9: exact Shapley (-5.5, -.5, 3), ablation (-13, -9, 0)
    shapley = ask(subject, "shapley", output="0", baseline="row:2", row=[1])
    np.testing.assert_allclose(shapley.rows.attributions[0], [-5.5, -0.5, 3.0], atol=1e-6)  # type: ignore[union-attr]
    occlusion = ask(subject, "occlusion", output="0", baseline="row:2", row=[1])
    np.testing.assert_allclose(occlusion.rows.attributions[0], [-13, -9, 0], atol=1e-6)  # type: ignore[union-attr]


def test_shapley_shares_an_interaction_and_gives_all_of_the_difference() -> None:
    x = torch.tensor([[2.0, 3.0, 5.0], [1.0, 1.0, 1.0], [-1.0, 4.0, 0.5]])
    subject = subject_of(lambda t: t["x"][:, 0] * t["x"][:, 1] + 10 * t["x"][:, 2], x=x)
    found = ask(subject, "shapley", baseline="zero")
    product = (x[:, 0] * x[:, 1] / 2).numpy()  # a product against zeros belongs to both in halves
    np.testing.assert_allclose(found.rows.attributions, np.stack([product, product, 10 * x[:, 2].numpy()], 1), atol=1e-6)  # type: ignore[union-attr]
    np.testing.assert_allclose(found.rows.attributions.sum(1), found.rows.answer - found.rows.at_baseline, atol=1e-12)  # type: ignore[operator, union-attr]
    joined = ask(subject, "shapley", baseline="zero", groups=[["x[0]", "x[1]"]])
    assert joined.columns == ["x[0] + x[1]"]
    np.testing.assert_allclose(joined.rows.attributions[:, 0], 2 * product, atol=1e-6)  # type: ignore[union-attr]


def test_occlusion_by_windows_of_two_is_captums() -> None:
    net = Kinked()
    long = nn.functional.pad(X, (0, 0))
    subject = subject_of(lambda t: net(t["x"].flatten(1)), 2, x=torch.cat([long, BASE]).reshape(2, 1, 3))
    # captum 0.9: Occlusion with sliding_window_shapes=(2,), strides 1: (-7, -5, -3)
    found = ask(subject, "occlusion", {"window": [1, 2], "stride": [1, 1]}, output="0", baseline="row:2", row=[1])
    np.testing.assert_allclose(found.maps["x"][0], [[-7, -5, -3]], atol=1e-6)


def test_windows_cover_every_place_once_unless_they_overlap() -> None:
    seen = np.zeros((3, 10, 11))
    for place in windows((3, 10, 11), [], []):
        seen[place] += 1
    assert seen.min() == 1
    assert all(each[0] == slice(0, 3) for each in windows((3, 10, 11), [], []))  # channels go together


class Cam(nn.Module):
    """A 1×1 convolution, the mean over places, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(inplace=True), nn.Linear(2, 2, bias=False)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.head.weight.data = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
        self.activate = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.conv(x)
        return self.head((self.act(seen) if self.activate else seen).mean((2, 3)))


def test_grad_cam_of_convolution_mean_linear_is_the_class_activation_map() -> None:
    net, picture = Cam(), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    subject = subject_of(lambda t: net(t["x"]), 2, net, x=picture)
    zero = ask(subject, "grad_cam", {"relu": False}, output="0")
    np.testing.assert_allclose(zero.maps["x"][0], [[0.25, 0.5], [0.75, 1.0]], atol=1e-7)
    one = ask(subject, "grad_cam", {"relu": False}, output="1")
    np.testing.assert_allclose(one.maps["x"][0], [[-0.75, -1.5], [-2.25, -3.0]], atol=1e-7)
    assert not ask(subject, "grad_cam", output="1").maps["x"][0].any()
    # CAM / (height · width) = Σ_c w_c A_c / (h w), and its sum is the logit
    assert zero.maps["x"][0].sum() == pytest.approx(net(picture)[0, 0].item(), abs=1e-6)


def test_an_activation_in_place_does_not_change_what_grad_cam_looks_at() -> None:
    net, picture = Cam(), torch.tensor([[[[1.0, 2.0], [-3.0, 4.0]]]])
    net.activate = True
    subject = subject_of(lambda t: net(t["x"]), 2, net, x=picture)
    # ∂y0/∂A_1 = 2/4 at the three positive places, so the weight is 2 · 3/4 / 4; A_2 = -x is positive at one place: 1 · 1/4 / 4
    expected = 2 * 0.75 / 4 * picture[0, 0] - 0.25 / 4 * picture[0, 0]
    found = ask(subject, "grad_cam", {"relu": False, "layer": "conv"}, output="0")
    np.testing.assert_allclose(found.maps["x"][0], expected, atol=1e-6)
    assert not net.conv._forward_hooks


def test_grad_cam_looks_at_the_last_map_which_is_what_is_pooled() -> None:
    net, picture = Cam(), torch.tensor([[[[1.0, 2.0], [-3.0, 4.0]]]])
    net.activate = True
    found = ask(subject_of(lambda t: net(t["x"]), 2, net, x=picture), "grad_cam", {"relu": False}, output="0")
    assert found.settings["layer"] == "act"
    np.testing.assert_allclose(found.maps["x"][0], [[0.5, 1], [0.75, 2]], atol=1e-6)  # (2 · max(x, 0) + max(-x, 0)) / 4
    assert found.maps["x"][0].sum() == pytest.approx(net(picture)[0, 0].item(), abs=1e-6)


def test_partial_dependence_is_scikit_learns() -> None:
    from sklearn.inspection import partial_dependence
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(0)
    x = np.stack([random.normal(size=200), random.integers(0, 4, 200), random.exponential(size=200)], 1)
    fitted = LinearRegression().fit(x, x[:, 0] - 2 * x[:, 1] + random.normal(size=200))
    weight, bias = torch.tensor(fitted.coef_), fitted.intercept_
    subject = subject_of(lambda t: t["x"] @ weight + bias, x=torch.tensor(x))
    found = ask(subject, "pdp", {"grid": 20})
    for place in range(3):
        theirs = partial_dependence(fitted, x, [place], grid_resolution=20, method="brute", kind="both")
        curve = next(each for each in found.curves if each.column == f"x[{place}]")
        np.testing.assert_allclose(curve.values, theirs["grid_values"][0], rtol=1e-9)  # type: ignore[arg-type]
        np.testing.assert_allclose(curve.mean, theirs["average"][0], rtol=1e-9)
        assert curve.rows.shape == (50, len(curve.mean))
        np.testing.assert_allclose(np.diff(curve.rows[0]), np.diff(theirs["individual"][0, 0]), rtol=1e-6, atol=1e-9)
    assert number_grid(np.array([np.nan]), 5, 0.05, 0.95) == []


def test_nodes_integrate_polynomials_exactly() -> None:
    places, weights = nodes(5)
    for power in range(10):
        assert (places**power * weights).sum() == pytest.approx(1 / (power + 1), abs=1e-14)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "shapley", "partial_dependence"])
def test_the_numbers_are_the_same_at_any_batch_size(method: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3), nn.Softmax(1))
    subject = subject_of(lambda t: net(t["x"]), 3, x=torch.randn(70, 4))
    subject.chooses = True
    one, other = (
        ask(subject, method, batch_size=size, baseline="" if method == "partial_dependence" else "mean").as_json() for size in (7, 70)
    )
    for part in ("columns", "rows", "curves"):
        for a, b in zip(one.get(part, []), other.get(part, []), strict=True):
            for key, value in a.items():
                if isinstance(value, dict):
                    assert list(value.values()) == pytest.approx(list(b[key].values()), abs=1e-6)
                else:
                    assert value == (
                        pytest.approx(b[key], abs=1e-6)
                        if isinstance(value, float)
                        else pytest.approx(np.array(b[key]), abs=1e-6)
                        if isinstance(value, list)
                        else b[key]
                    )
