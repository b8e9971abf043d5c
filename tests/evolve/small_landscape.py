"""A small recorded space for who searches it: best in the middle, one schedule in nine fails."""

from __future__ import annotations

import json

import numpy as np

from evolve.replay.landscape import Landscape
from kernels.language.space import Space, choice, flag, integer, power_of_two


def small_space():
    """Ninety schedules; a parameter without a choice, and one that has a meaning for half of them, are among it."""
    return Space(
        [
            power_of_two("tile", 1, 32, ""),
            integer("unroll", range(1, 7), ""),
            choice("variant", ("plain", "packed"), ""),
            flag("ahead", "", when={"variant": ("packed",)}),
            integer("fixed", (3,), ""),
        ],
        [(lambda tile, unroll: tile * unroll <= 64, "it does not fit")],
    )


def small_landscape():
    """The time of each of them."""
    space, times_s = small_space(), {}
    for place, schedule in enumerate(_all(space)):
        depth = (np.log2(schedule.tile) - 3) ** 2 + (schedule.unroll - 4) ** 2 + 2 * (schedule.variant == "plain")
        times_s[schedule] = None if place % 9 == 8 else 1e-3 * (1 + float(depth) + 0.1 * schedule.ahead)
    return Landscape("small", space, times_s, "made up")


def _all(space):
    found = [space.default]
    for schedule in found:
        found += [near for near in space.neighbours(schedule) if near not in found]
    return found


def small_cache(path):
    """A Kernel Tuner cache of 48 configurations."""
    tiles, unrolls, rows = [1, 2, 4, 8, 16, 32], [*range(1, 9)], {}
    for tile in tiles:
        for unroll in unrolls:
            time = "RuntimeFailedConfig" if unroll == 8 else 1.0 + (tile - 8) ** 2 + (unroll - 4) ** 2
            rows[f"{tile},{unroll}"] = {"tile": tile, "unroll": unroll, "time": time, "times": [time]}
    told = {
        "device_name": "none",
        "kernel_name": "made_up",
        "tune_params_keys": ["tile", "unroll"],
        "tune_params": {"tile": tiles, "unroll": unrolls},
        "cache": rows,
    }
    path.write_text(json.dumps(told))
    return path
