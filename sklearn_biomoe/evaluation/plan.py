"""The plan of a study: methods and controls, each with its input and its folds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from .._typing import Array, FloatArray
from ..pipelines import describe_estimator
from .baselines import TRAINING_NAMES, make_baselines
from .calibration import (
    Calibration,
    assign_windows,
    check_marks,
    describe_calibration,
    find_calibrated,
    move_windows,
    tabulate_use,
)
from .designs import Design, find_design, plan_time_controls
from .folds import Fold
from .leaks import describe_unchecked, drawn_signals
from .tasks import Target, describe_constant

Inputs = dict[str, tuple[Any, Any, list[Fold]]]  # a method, its X and its folds, by name


@dataclass
class Plan:
    """What `run_study` computes.

    Parameters
    ----------
    inputs : dict of str to (estimator, X, list of Fold)
        Methods, then controls.
    folds : list of Fold
        Of the methods.
    decisions : list of str
        Sentences about what was decided.
    time_controls : tuple of str
        Controls that use only the time of a window.
    design : Design or None
        Of the order of conditions, if times are known.
    calibration : DataFrame or None
        What is used of each subject, as described in ``Study.calibration``.
    calibrated : tuple of str
        Methods that use calibration windows.
    """

    inputs: Inputs
    folds: list[Fold]
    decisions: list[str] = field(default_factory=list)
    time_controls: tuple[str, ...] = ()
    design: Design | None = None
    calibration: pd.DataFrame | None = None
    calibrated: tuple[str, ...] = ()

    def describe(self, *, changed_only: bool = False) -> dict[str, str]:
        """Return each method with all its parameters, or those that differ from defaults."""
        return {
            name: describe_estimator(method, changed_only=changed_only)
            for name, (method, _, _) in self.inputs.items()
        }


def plan_study(
    methods: Mapping[str, Any],
    X: Any,
    target: Target,
    groups: Array,
    times: FloatArray | None,
    folds: list[Fold],
    calibration: Calibration | None,
) -> Plan:
    """Add controls to the methods, and calibration windows to the folds."""
    if not isinstance(calibration, Calibration | None):
        raise TypeError(
            f"calibration={calibration!r}; expected Calibration(n_windows=...) or "
            "Calibration(minutes=...)."
        )
    plan = Plan({name: (method, X, folds) for name, method in methods.items()}, folds)
    plan.decisions = [
        target.decision,
        *describe_constant(target, groups),
        *describe_unchecked(methods),
    ]
    has_targets = calibration is not None and calibration.labels
    signals = drawn_signals(methods)
    baselines = make_baselines(target, X, groups, signals, has_calibration=has_targets)
    plan.inputs |= {name: (method, own, folds) for name, (method, own) in baselines.items()}
    if times is not None:
        _add_time_controls(plan, target, groups, times)
    if calibration is not None:
        _calibrate(plan, calibration, X, groups, times)
    return plan


def _add_time_controls(plan: Plan, target: Target, groups: Array, times: FloatArray) -> None:
    has_classes = target.classes is not None
    plan.design = find_design(target.labels, groups, times[:, 0], has_classes=has_classes)
    controls = plan_time_controls(target.task, target.values, groups, plan.folds, plan.design)
    plan.inputs |= {
        name: (method, times[:, :1], controls.folds) for name, method in controls.methods.items()
    }
    plan.time_controls = tuple(controls.methods)
    plan.decisions.append(controls.decision)


def _calibrate(
    plan: Plan, calibration: Calibration, X: Any, groups: Array, times: FloatArray | None
) -> None:
    """Move calibration windows out of the test windows; baselines of training do not use them."""
    uses = assign_windows(calibration, groups, times)
    methods = {
        name: each for name, (each, _, _) in plan.inputs.items() if name not in TRAINING_NAMES
    }
    check_marks(methods, X, uses)
    for name, (method, own, folds) in plan.inputs.items():
        moved = move_windows(calibration, folds, uses)
        if name in TRAINING_NAMES:
            moved = [replace(fold, calibration=fold.calibration[:0]) for fold in moved]
        plan.inputs[name] = (method, own, moved)
    plan.folds = move_windows(calibration, plan.folds, uses)
    plan.calibration = tabulate_use(calibration, groups, times, uses)
    plan.calibrated = find_calibrated(calibration, methods)
    plan.decisions.append(describe_calibration(calibration, plan.calibration))
