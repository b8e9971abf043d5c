"""OpenTuner's default: a bandit over an ensemble of evolution, hill climbing and simplex (Ansel and others, PACT 2014).

It knows no constraints: what is illegal is reported as an error, and costs nothing here.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace

import opentuner
from opentuner import tuningrunmain
from opentuner.api import TuningRunManager
from opentuner.measurement.interface import DefaultMeasurementInterface
from opentuner.resultsdb.models import Result
from opentuner.search.manipulator import ConfigurationManipulator, EnumParameter

from benchmarks.suites.rivals_search.rival import Objective


def search(objective: Objective, _seed: int, _setting: str) -> None:
    """Ask, evaluate, report, until the budget is spent."""
    tuningrunmain.init_logging = _no_log
    arguments = _arguments()
    interface = DefaultMeasurementInterface(
        args=arguments,
        manipulator=_manipulator(objective),
        project_name="recorded",
        program_name=objective.recorded.name,
        program_version="0",
    )
    tuner = TuningRunManager(interface, arguments)
    try:
        while True:
            _step(tuner, objective)
    finally:
        tuner.finish()


def _step(tuner: TuningRunManager, objective: Objective) -> None:
    wanted = tuner.get_next_desired_result()
    if wanted is None:  # the technique whose turn it was has nothing to ask; the next may
        objective.wait()
        return
    time_s = objective.ask(wanted.configuration.data)
    if time_s is None or math.isinf(time_s):
        tuner.report_result(wanted, Result(state="ERROR", time=math.inf))
    else:
        tuner.report_result(wanted, Result(state="OK", time=time_s))


def _no_log() -> None:
    """Its own log is a file in the working directory."""


def _arguments() -> Namespace:
    parser = ArgumentParser(parents=opentuner.argparsers())
    return parser.parse_args(["--no-dups", "--quiet", "--database=sqlite://"])


def _manipulator(objective: Objective) -> ConfigurationManipulator:
    manipulator = ConfigurationManipulator()
    for name, values in objective.values.items():
        manipulator.add_parameter(EnumParameter(name, list(values)))
    return manipulator
