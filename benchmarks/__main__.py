"""`python -m benchmarks [NAME …] [--tables DIR]`: every measurement, or those named, one after the other."""

from __future__ import annotations

import argparse
import importlib
import sys

ALL = (
    "startup",
    "step_overhead",
    "own_loader",
    "first_step_of_loader",
    "engine",
    "graph",
    "blocks",
    "adapters",
    "averaging",
    "checkpoint",
    "sharded_checkpoint",
    "resume",
    "lazy_column",
    "cache",
    "images_loading",
    "explain",
    "metrics_cost",
    "ranks",
    "elastic",
    "groups",
    "ray_step",
    "scale",
    "slurm",
    "digits",
    "prune_digits",
    "reading",
    "predict_rows",
    "signals_reading",
    "pictures_opening",
    "signals_processing",
    "signals_peaks",
    "signals_delineation",
    "quantize",
    "diffusion_step",
    "diffusion_digits",
    "diffusion_gaussians",
    "sampler_orders",
    "brownian_noise",
    "sampler_overhead",
    "serve",
    "wide",
    "quality",
    "twenty_tables",
)


def main() -> None:
    """Run the measurements named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ALL, []], help="which measurements; default: all")
    parser.add_argument("--tables", default="", help="a folder with titanic.csv, … for `quality` and `twenty_tables`")
    parser.add_argument(
        "--records", default="", help="a folder of WFDB records for `signals_peaks` and `signals_delineation`; default: made ones"
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds of these two")
    arguments = parser.parse_args()
    for name in arguments.names or ALL:
        print(f"\n== {name}", flush=True)
        sys.argv = [f"benchmarks.{name}"]  # some have arguments of their own
        if name in ("signals_peaks", "signals_delineation") and arguments.records:
            sys.argv += ["--records", arguments.records]
        module = importlib.import_module(f"benchmarks.{name}")
        if name in ("quality", "twenty_tables"):
            module.main(arguments.tables, arguments.seeds)
        else:
            module.main()


if __name__ == "__main__":
    main()
