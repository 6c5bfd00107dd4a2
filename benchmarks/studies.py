"""Statistics of studies on simulated windows: coverage of intervals, false positives and power.

    python benchmarks/studies.py

Writes ``results/studies.csv`` and ``.json``. A row is a kind of target, an order of conditions, an
effect and a number of subjects. Its columns are shares of simulated studies in which 95 % intervals
contain the true mean, or in which tests find something. Methods are ridge regressions, each with
features of its own, evaluated by leaving one subject out.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import environment
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge, RidgeClassifier

from sklearn_biomoe.evaluation import run_study
from sklearn_biomoe.evaluation.comparisons import paired_p_values
from sklearn_biomoe.evaluation.designs import find_design, plan_time_controls
from sklearn_biomoe.evaluation.folds import make_folds
from sklearn_biomoe.evaluation.statistics import (
    LEVEL,
    compare_with_chance,
    mean_interval,
    sign_flip_p_values,
)
from sklearn_biomoe.evaluation.tasks import CLASSIFICATION, REGRESSION

RESULTS = Path(__file__).parent / "results" / "studies"
N_STUDIES = 500  # of each row
N_SUBJECTS = [8, 16, 34]
N_WINDOWS = 20  # of a subject
CORRELATION = 0.6  # of neighbouring windows
SPREAD = 0.3  # of the effect on each feature, over subjects
PENALTY = 1.0
N_PERMUTATIONS = 200
N_BOOTSTRAPS = 1000


class Effect(NamedTuple):
    """Features of a method: their number, and the length of their changes.

    In standard deviations of the noise: by the target, and from the first to the last window.
    """

    name: str
    n_features: int
    target: float
    drift: float


EFFECTS = [
    Effect("none, 2 features", 2, 0, 0),
    Effect("none", 16, 0, 0),
    Effect("small", 16, 1, 0),
    Effect("large", 16, 3, 0),
    Effect("none, drift", 16, 0, 8),
]
WITHOUT = EFFECTS[1]


class Simulation:
    """A study with the same times for all subjects.

    Targets, predictions and times have the shape (n_subjects, n_windows).
    """

    def __init__(self, task: str, order: str, n_subjects: int) -> None:
        self.task = CLASSIFICATION if task == "classes" else REGRESSION
        self.random = np.random.default_rng(n_subjects)
        self.time = np.tile(np.linspace(-0.5, 0.5, N_WINDOWS), (n_subjects, 1))
        self.groups = np.repeat(np.arange(n_subjects), N_WINDOWS)
        falls = (order == "counterbalanced") & (np.arange(n_subjects) % 2 == 1)
        self.trend = np.where(falls, -1, 1)[:, None] * self.time

    def draw_target(self) -> Any:
        """Return classes -1 and 1, one after the other, or ratings that rise or fall."""
        if self.task is CLASSIFICATION:
            return np.sign(self.trend)
        level = self.random.normal(5, 1, (len(self.time), 1))
        return level + 4 * self.trend + self.random.normal(size=self.time.shape)

    def draw_features(self, target: Any, effect: Effect) -> Any:
        """Return features of shape (n_subjects, n_windows, n_features)."""
        n_subjects = len(target)
        noise = self.random.normal(size=(*target.shape, effect.n_features))
        for now in range(1, N_WINDOWS):
            noise[:, now] *= np.sqrt(1 - CORRELATION**2)
            noise[:, now] += CORRELATION * noise[:, now - 1]
        offset, deviation = self.random.normal(size=(2, n_subjects, 1, effect.n_features))
        own = (target - target.mean(axis=1, keepdims=True))[..., None] / np.std(target) / 2
        by_target = effect.target / np.sqrt(effect.n_features) + SPREAD * deviation
        by_time = effect.drift / np.sqrt(effect.n_features) * self.time[..., None]
        return noise + offset + by_target * own + by_time

    def predict(self, features: Any, target: Any, held_out: Any) -> Any:
        """Return predictions for the subjects that each fold holds out, from all others."""
        features = np.concatenate([features, np.ones((*target.shape, 1))], axis=2)
        squares = np.einsum("swi,swj->sij", features, features)
        products = np.einsum("swi,sw->si", features, target)
        penalty = PENALTY * np.eye(features.shape[2])
        penalty[-1, -1] = 0  # intercept
        out = np.zeros((len(held_out), len(target)))
        for fold, subjects in enumerate(held_out):
            out[fold, subjects] = 1
        systems = squares.sum(axis=0) - np.einsum("fs,sij->fij", out, squares) + penalty
        sums = products.sum(axis=0) - out @ products
        weights = np.linalg.solve(systems, sums[..., None])[..., 0]  # (n_folds, n_features)
        predicted = np.einsum("swi,si->sw", features, out.T @ weights)
        return np.where(predicted > 0, 1, -1) if self.task is CLASSIFICATION else predicted

    def score(self, target: Any, predicted: Any) -> Any:
        """Return the main metric of each subject, shape (..., n_subjects)."""
        if self.task is REGRESSION:
            return np.abs(predicted - target).mean(axis=-1)
        hits = predicted == target
        recalls = [
            (hits & (target == c)).sum(axis=-1) / (target == c).sum(axis=-1) for c in (-1, 1)
        ]
        return np.mean(recalls, axis=0)

    def control_folds(self, target: Any) -> list[Any]:
        """Return the subjects of each fold that `run_study` evaluates elapsed time in."""
        has_classes = self.task is CLASSIFICATION
        y, start = target.ravel(), self.time.ravel()
        design = find_design(y, self.groups, start, has_classes=has_classes)
        folds = make_folds("leave_one_subject_out", y, self.groups)
        planned = plan_time_controls(self.task, y, self.groups, folds, design)
        return [np.unique(self.groups[fold.test]) for fold in planned.folds]

    def permute(self, predicted: Any) -> Any:
        """Return permutations of windows within subjects, first axis (N_PERMUTATIONS,)."""
        copies = np.tile(predicted, (N_PERMUTATIONS, 1, 1))
        return self.random.permuted(copies, axis=2)


def simulate(simulation: Simulation, effect: Effect) -> dict[str, Any]:
    """Return scores of shape (n_subjects, N_STUDIES) by method, and tests against chance."""
    each_alone = [[subject] for subject in range(len(simulation.time))]
    scores: dict[str, list[Any]] = {name: [] for name in ("method", "equal", "without", "time")}
    tests = []
    for _ in range(N_STUDIES):
        target = simulation.draw_target()
        for name, own in (("method", effect), ("equal", effect), ("without", WITHOUT)):
            features = simulation.draw_features(target, own)
            predicted = simulation.predict(features, target, each_alone)
            scores[name].append(simulation.score(target, predicted))
            if name == "method":
                permuted = simulation.score(target, simulation.permute(predicted))
                tests.append(_test(simulation, scores[name][-1], permuted))
        by_time = simulation.time[..., None]
        predicted = simulation.predict(by_time, target, simulation.control_folds(target))
        scores["time"].append(simulation.score(target, predicted))
    return {name: np.transpose(own) for name, own in scores.items()} | {
        "tests": pd.DataFrame(tests)
    }


def _test(simulation: Simulation, scores: Any, permuted: Any) -> dict[str, float]:
    greater_is_better = simulation.task.main.greater_is_better
    test = compare_with_chance(
        scores, permuted, greater_is_better=greater_is_better, cross_validated=True
    )
    sign = 1 if greater_is_better else -1
    n_as_good = (sign * permuted.mean(axis=1) >= sign * scores.mean() - 1e-12).sum()
    return test | {"p_permuted": (1 + n_as_good) / (1 + N_PERMUTATIONS)}


def measure(simulation: Simulation, effect: Effect) -> dict[str, float]:
    """Return a row of the results."""
    found = simulate(simulation, effect)
    scores, tests = found["method"], found["tests"]
    true_mean = np.mean([scores, found["equal"]])
    intervals = {
        "bootstrap": _bootstrap(scores, simulation.random),
        "t": mean_interval(scores, cross_validated=False),
        "corrected": mean_interval(scores, cross_validated=True),
    }
    row = {"mean": true_mean, "time": found["time"].mean()}
    for name, (low, high) in intervals.items():
        row[f"coverage_{name}"] = np.mean((low <= true_mean) & (true_mean <= high))
    equal = scores - found["equal"]
    flips = sign_flip_p_values(equal, np.random.default_rng(0))
    row["different_flips"] = np.mean(flips < LEVEL)
    row["different"] = np.mean(paired_p_values(equal, 0, cross_validated=True) < LEVEL)
    row["above_permutations"] = np.mean(tests["p_permuted"] < LEVEL)
    row["above"] = np.mean(tests["p_value"] < LEVEL)
    row["below"] = np.mean(tests["p_worse"] < LEVEL)
    sign = 1 if simulation.task.main.greater_is_better else -1
    for name in ("without", "time"):
        gain = sign * (scores - found[name])
        p_values = paired_p_values(gain, 0, cross_validated=True)
        row[f"better_than_{name}"] = np.mean((p_values < LEVEL) & (gain.mean(axis=0) > 0))
    return row


def _bootstrap(scores: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Return percentile intervals of scores of shape (n_subjects, n_studies)."""
    drawn = random.integers(0, len(scores), (N_BOOTSTRAPS, len(scores)))
    weights = np.stack([np.bincount(own, minlength=len(scores)) for own in drawn]) / len(scores)
    low, high = np.quantile(weights @ scores, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return low, high


def check_against_study(task: str) -> None:
    """Raise AssertionError if `run_study` has other scores than this simulation."""
    simulation = Simulation(task, "counterbalanced", 8)
    target = simulation.draw_target()
    features = simulation.draw_features(target, EFFECTS[2])
    predicted = simulation.predict(features, target, [[subject] for subject in range(8)])
    estimator = RidgeClassifier(PENALTY) if task == "classes" else Ridge(PENALTY)
    X, y = features.reshape(len(simulation.groups), -1), target.ravel()
    study = run_study({"ridge": estimator}, X, y, simulation.groups, task=simulation.task.name)
    found = study.scores.loc[study.scores["method"] == "ridge", simulation.task.main.name]
    np.testing.assert_allclose(found, simulation.score(target, predicted))


def main() -> None:
    started = time.perf_counter()
    rows = []
    for task in ("classes", "ratings"):
        check_against_study(task)
        for order in ("fixed", "counterbalanced"):
            for effect in EFFECTS:
                for n_subjects in N_SUBJECTS:
                    keys = {"task": task, "order": order, "effect": effect.name}
                    row = measure(Simulation(task, order, n_subjects), effect)
                    rows.append(keys | {"n_subjects": n_subjects} | row)
                    print(rows[-1], flush=True)
    pd.DataFrame(rows).round(4).to_csv(RESULTS.with_suffix(".csv"), index=False)
    seconds = round(time.perf_counter() - started)
    environment.write(RESULTS.with_suffix(".json"), n_studies=N_STUDIES, seconds=seconds)


if __name__ == "__main__":
    main()
