"""How the error of every sampler falls with its steps, on data whose solution is known: a table, and the plot of the documentation.

    python -m benchmarks.sampler_orders [--svg docs/assets/sampler-orders.svg]

Samplers without noise (those with `eta` at `eta` 0) go from σ 10 to 0.1 on the mixture 0.3·N(−1, 0.4²) + 0.7·N(0.5, 0.3²) in float64, in
steps of one ratio after a graded start: first steps of ¹⁄₂₀ h², each half as long again as the one before up to h, so that a multistep
method keeps its order. The error is the largest of five starts. Samplers with noise do so on N(0.5, 0.5²), where they are linear: the
deviation of their samples follows exactly, with numbers of noise for axes, and the error is its distance to √(0.5² + 0.1²). The plot
needs matplotlib.
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers import PARTS

START = torch.tensor([[-8.0], [-3.0], [0.5], [4.0], [9.0]], dtype=torch.float64)
EXACT = torch.tensor([-0.77957702024933, 0.12266466213386, 0.34452572926218, 0.50359706284803, 0.69778393777767], dtype=torch.float64)
"""Where the ODE ends, by a Runge–Kutta method with a tolerance of 1e-14."""
STEPS = (8, 16, 32, 64, 128, 256, 512)
SHOWN = 2e-13
"""Errors below are of rounding, and are left out of slopes and plot."""


class Way(NamedTuple):
    """A sampler with options, and the order that its error should fall with."""

    name: str
    options: dict[str, Any]
    order: int
    told: str = ""
    rest: int | None = None
    """Of the calls of dpm_fast, when they are divided by 3."""

    @property
    def label(self) -> str:
        return f"{self.name} {self.told}".strip()


ODE = (
    Way("euler", {}, 1),
    Way("ddim", {}, 1),
    Way("euler_ancestral", {"eta": 0.0}, 1),
    Way("deis", {"order": 1}, 1, "order 1"),
    Way("heun", {}, 2),
    Way("restart", {"restarts": {}}, 2, "of no restarts"),
    Way("dpm_2", {}, 2),
    Way("dpm_2_ancestral", {"eta": 0.0}, 2),
    Way("dpmpp_2s_ancestral", {"eta": 0.0}, 2),
    Way("dpmpp_sde", {"eta": 0.0}, 2),
    Way("dpmpp_2m", {}, 2),
    Way("dpmpp_2m_sde", {"eta": 0.0}, 2),
    Way("dpmpp_2m_sde", {"eta": 0.0, "solver_type": "heun"}, 2, "heun"),
    Way("dpmpp_3m_sde", {"eta": 0.0}, 2),
    Way("dpm_fast", {}, 2, "3k calls", 0),
    Way("deis", {"order": 2}, 2, "order 2"),
    Way("unipc", {"order": 2, "corrector": False}, 2, "order 2, no corrector"),
    Way("dpmpp_3m_sde_corrected", {"eta": 0.0}, 3),
    Way("dpm_fast", {}, 3, "3k + 2 calls", 2),
    Way("lms", {"order": 3}, 3, "order 3"),
    Way("deis", {"order": 3}, 3, "order 3"),
    Way("unipc", {"order": 2}, 3, "order 2"),
    Way("unipc", {"order": 3, "corrector": False}, 3, "order 3, no corrector"),
    Way("lms", {"order": 4}, 4, "order 4"),
    Way("deis", {"order": 4}, 4, "order 4"),
    Way("unipc", {"order": 3}, 4, "order 3"),
)
SDE = (
    Way("euler_ancestral", {}, 1),
    Way("dpm_2_ancestral", {}, 2),
    Way("dpmpp_2s_ancestral", {}, 2),
    Way("dpmpp_sde", {}, 2),
    Way("dpmpp_2m_sde", {}, 2),
    Way("dpmpp_2m_sde", {"solver_type": "heun"}, 2, "heun"),
    Way("dpmpp_3m_sde", {}, 2),
    Way("dpmpp_3m_sde_corrected", {}, 2),
)


def mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """The exact denoiser of 0.3·N(−1, 0.4²) + 0.7·N(0.5, 0.3²)."""
    parts, noise = ((0.3, -1.0, 0.4), (0.7, 0.5, 0.3)), sigma[:, None] ** 2
    logs = torch.stack([math.log(w) - (x - m) ** 2 / (2 * (s**2 + noise)) - (s**2 + noise).log() / 2 for w, m, s in parts])
    each = torch.stack([(s**2 * x + noise * m) / (s**2 + noise) for _, m, s in parts])
    return (logs.softmax(0) * each).sum(0)


def grade_levels(n: int) -> list[float]:
    """Levels from 10 to 0.1 evenly apart in ln σ, h = ln 100 / n, after short steps that grow to h."""
    h = math.log(100) / n
    steps = [0.05 * h**2]
    while steps[-1] * 1.5 < h:
        steps.append(steps[-1] * 1.5)
    rest = math.log(100) - sum(steps)
    steps += [rest / math.ceil(rest / h)] * math.ceil(rest / h)
    return [10 * math.exp(-sum(steps[:i])) for i in range(len(steps))] + [0.1]


def error(way: Way, n: int) -> float:
    """The largest error of five starts, with steps of ln 100 / n."""
    given = {} if way.rest is None else {"n": n // 3 * 3 + way.rest}
    made = PARTS[way.name].load()(mixture, START, grade_levels(n), **way.options, **given)
    return float((made[:, 0] - EXACT).abs().max())


class LinearNoise:
    """Numbers of noise as axes: x has a row of shares of them, so that deviations come out exactly.

    With `brownian`, two pieces of noise that begin at one level are of one path over σ.
    """

    def __init__(self, axes: int, brownian: bool = True) -> None:
        self.axes, self.brownian, self.count, self.last = axes, brownian, 1, (0.0, 0.0, torch.zeros(0))

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        fresh = torch.zeros(1, self.axes, dtype=torch.float64)
        fresh[0, self.count] = 1
        self.count += 1
        from_level, to_level, noise = self.last
        if self.brownian and from_level == sigma:
            share = (sigma - to_level) / (sigma - sigma_next)
            fresh = math.sqrt(share) * noise + math.sqrt(1 - share) * fresh
        self.last = (sigma, sigma_next, fresh)
        return fresh


def spread(name: str, levels: list[float], brownian: bool = True, **options: Any) -> float:
    """The deviation of samples of N(0.5, 0.5²) that begin with the exact one at the first level."""
    axes = 2 * len(levels)
    x = torch.zeros(1, axes, dtype=torch.float64)
    x[0, 0] = math.sqrt(0.25 + levels[0] ** 2)

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        return 0.25 * x / (0.25 + sigma[0] ** 2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # numbers of x are axes here, not noise
        made: Tensor = PARTS[name].load()(denoiser, x, levels, noise_sampler=LinearNoise(axes, brownian), **options)
    return float(made.norm())


def adaptive(order: int) -> dict[int, float]:
    """The errors of dpm_adaptive by its calls, with tolerances of 1e-1 to 1e-7."""
    found = {}
    for power in range(1, 8):
        given: dict[str, Any] = {"order": order, "rtol": 10.0**-power, "atol": 10.0**-power, "return_info": True}
        made, info = PARTS["dpm_adaptive"].load()(mixture, START, [10, 0.1], **given)
        found[info["nfe"]] = float((made[:, 0] - EXACT).abs().max())
    return found


def slope(errors: dict[int, float]) -> float:
    """The power that the error falls with, over the last doubling of steps whose errors are above rounding."""
    kept = [(n, each) for n, each in errors.items() if each > SHOWN]
    (n, one), (more, other) = kept[-2:]
    return math.log(one / other) / math.log(more / n)


Lines = list[tuple[str, dict[int, float]]]
MARKERS = "osv^D<>p*h"


def together(lines: Lines) -> Lines:
    """Lines that lie on each other as one, with the names of all."""
    found: dict[tuple[str, ...], tuple[str, dict[int, float]]] = {}
    for label, errors in lines:
        key = tuple(f"{each:.3e}" for each in errors.values())
        names = f"{found[key][0]},\n{label}" if key in found else label
        found[key] = (names, errors)
    return list(found.values())


def draw(panels: dict[str, tuple[Lines, int]], path: str) -> None:
    """One panel for each group: errors over steps, both as logarithms, and a dashed line of the order that the group has."""
    import matplotlib

    matplotlib.use("svg" if path.endswith(".svg") else "agg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"font.size": 8, "svg.hashsalt": "sampler_orders", "svg.fonttype": "none", "font.family": "sans-serif"})
    drawn, axes = pyplot.subplots(2, 3, figsize=(11, 8), constrained_layout=True)
    for axis, (title, (lines, order)) in zip(axes.flat, panels.items(), strict=True):
        for marker, (label, errors) in zip(MARKERS, together(lines), strict=False):
            shown = {n: each for n, each in errors.items() if each > SHOWN}
            axis.loglog(shown.keys(), shown.values(), label=label, marker=marker, markersize=3, linewidth=1)
        if order:
            axis.loglog([64, 512], [(each / 64) ** -order * 3 * max(e[64] for _, e in lines) for each in (64, 512)], "k--", linewidth=0.8)
        axis.set_title(title)
        axis.set_xlabel("steps" if order else "calls of the denoiser")
        axis.minorticks_off()
        axis.grid(True, which="major", linewidth=0.4)
        axis.legend(fontsize=6.5, frameon=False, loc="lower left")
    drawn.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {}, facecolor="white")


def print_table(lines: list[tuple[str, dict[int, float], int]]) -> None:
    print(f"{'':36}" + "".join(f"{n:>9}" for n in STEPS) + f"{'slope':>8}{'order':>7}")
    for label, errors, order in lines:
        print(f"{label:36}" + "".join(f"{each:9.1e}" for each in errors.values()) + f"{slope(errors):8.2f}{order:7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", help="where to draw the plot")
    args = parser.parse_args()
    of_ode = [(way.label, {n: error(way, n) for n in STEPS}, way.order) for way in ODE]
    end = math.sqrt(0.25 + 0.01)
    of_sde = [(way.label, {n: abs(spread(way.name, grade_levels(n), **way.options) - end) for n in STEPS}, way.order) for way in SDE]
    of_adaptive = [(f"dpm_adaptive order {order}", adaptive(order)) for order in (2, 3)]
    print("without noise: the largest error at σ 0.1, by the length of steps, ln 100 / n")
    print_table(of_ode)
    print("\nwith noise: the error of the deviation of samples at σ 0.1")
    print_table(of_sde)
    print("\ndpm_adaptive: the largest error by calls, tolerances 1e-1 to 1e-7")
    for label, errors in of_adaptive:
        print(f"{label:22}" + "  ".join(f"{n}: {each:.1e}" for n, each in errors.items()))
    if args.svg:
        panels = {f"without noise: order {n}": ([(label, e) for label, e, order in of_ode if order == n], n) for n in (1, 2, 3, 4)}
        panels["with noise: error of the deviation"] = ([(label, e) for label, e, _ in of_sde], 2)
        draw({**panels, "steps by their error": (of_adaptive, 0)}, args.svg)


if __name__ == "__main__":
    main()
