"""Engines for a shadow run: the old one is right, and the new one, whose part has a schedule, has some fault."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from evolve.engine import STEERING

SLOW_S = 2e-3


class Right:
    """All parts by their references, as fast as NumPy is; what is planted happens where a part has a schedule."""

    def __init__(self, manifest, folder):
        self._schedules, self._folder = manifest.schedules, folder

    def surrogate_predict(self, *inputs):
        return self._answered("surrogate_predict", inputs)

    def dominance(self, *inputs):
        return self._answered("dominance", inputs)

    def _answered(self, name, inputs):
        truth = np.asarray(STEERING[name].definition.reference(*inputs), STEERING[name].dtype)
        return truth if self._schedules[name] is None else self.planted(inputs, truth)

    def planted(self, _inputs, truth):
        return truth


class Faster(Right):
    """Its old parts are slow."""

    def _answered(self, name, inputs):
        if self._schedules[name] is None:
            time.sleep(SLOW_S)
        return super()._answered(name, inputs)


class Slower(Right):
    def planted(self, _inputs, truth):
        time.sleep(SLOW_S)
        return truth


class WrongOnOneShape(Faster):
    def planted(self, _inputs, truth):
        return truth * 1.01 if len(truth) == 9 else truth


class NotANumber(Faster):
    def planted(self, _inputs, truth):
        return np.full_like(truth, np.nan)


class Crashing(Faster):
    def planted(self, _inputs, truth):
        if len(truth) > 9:
            os.kill(os.getpid(), signal.SIGSEGV)
        return truth


class Raising(Faster):
    def planted(self, _inputs, _truth):
        raise ZeroDivisionError("by accident")


class Greedy(Faster):
    """It takes an input for its scratch memory."""

    def planted(self, inputs, truth):
        inputs[0][0] = 7
        return truth


class Hanging(Faster):
    def planted(self, _inputs, _truth):
        while True:
            time.sleep(1)


class Writing(Faster):
    """It leaves something behind where it has no business."""

    def planted(self, _inputs, truth):
        (self._folder.path / "left-behind").write_text("x")
        return truth
