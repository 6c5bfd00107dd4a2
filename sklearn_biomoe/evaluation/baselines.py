"""Baselines of a study: methods that use targets only, or simple statistics of the windows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .._typing import Array, FloatArray
from ..ordinal import OrdinalClassifier
from ..signals.checks.study_design import CLASSIFIER
from ..signals.windows import read_windows
from .tasks import CLASSIFICATION, ORDINAL, REGRESSION, Target

WHOLE_INPUT = ""  # instead of the column of a signal
# Of few features. Embeddings need a stronger penalty.
PREDICTORS = {
    CLASSIFICATION.name: CLASSIFIER,
    ORDINAL.name: OrdinalClassifier(
        LogisticRegression(C=0.1, max_iter=1000), class_weight="balanced"
    ),
    REGRESSION.name: Ridge(),
}
TRAINING = {
    CLASSIFICATION.name: {"majority": DummyClassifier(strategy="most_frequent")},
    ORDINAL.name: {
        "majority": DummyClassifier(strategy="most_frequent"),
        "median": DummyRegressor(strategy="median"),
    },
    REGRESSION.name: {
        "mean": DummyRegressor(strategy="mean"),
        "median": DummyRegressor(strategy="median"),
    },
}
# A tree that splits subjects, coded one-hot, until each is alone.
OWN = {
    CLASSIFICATION.name: {"majority": DecisionTreeClassifier(random_state=0)},
    ORDINAL.name: {"median": DecisionTreeRegressor(criterion="absolute_error", random_state=0)},
    REGRESSION.name: {"mean": DecisionTreeRegressor(random_state=0)},
}
TRAINING_NAMES = [f"training {name}" for each in TRAINING.values() for name in each]
OWN_NAMES = [f"own {name}" for each in OWN.values() for name in each]
BASELINE_NAMES = [*TRAINING_NAMES, *OWN_NAMES, "statistics"]


def make_baselines(
    target: Target,
    X: Any,
    groups: Array,
    signals: Mapping[str, tuple[str, float]],
    *,
    has_calibration: bool,
) -> dict[str, tuple[Pipeline, Any]]:
    """Return baselines of the task by name, each with its input.

    Parameters
    ----------
    target : Target
    X : array-like of n_windows
    groups : ndarray of shape (n_windows,)
        Subjects.
    signals : dict of str to (str, float)
        Modality and sampling rate of the columns of X that methods draw; of X itself by the name
        "". Empty if methods take features.
    has_calibration : bool
        Whether targets of some windows of each test subject are used in training.

    Returns
    -------
    baselines : dict of str to (estimator, array of shape (n_windows, n_features))
    """
    nothing, subjects = np.zeros((len(groups), 1)), groups[:, None]
    task = target.task.name
    baselines = {f"training {name}": (each, nothing) for name, each in TRAINING[task].items()}
    if has_calibration:
        baselines |= {
            f"own {name}": (make_pipeline(OneHotEncoder(), each), subjects)
            for name, each in OWN[task].items()
        }
    if signals:
        impute = SimpleImputer(keep_empty_features=True)
        predict = make_pipeline(impute, StandardScaler(), PREDICTORS[task])
        baselines["statistics"] = (predict, describe_windows(X, signals))
    return baselines


def describe_windows(X: Any, signals: Mapping[str, tuple[str, float]]) -> FloatArray:
    """Return mean, standard deviation, minimum and maximum of each channel of each signal.

    Windows that are missing, or lack samples, are NaN.

    Returns
    -------
    statistics : ndarray of shape (n_windows, 4 * n_channels), float64
    """
    columns = [
        _describe_signal(X if name == WHOLE_INPUT else X[name], modality)
        for name, (modality, _) in signals.items()
    ]
    return np.hstack(columns)


def _describe_signal(windows: Any, modality: str) -> FloatArray:
    read = read_windows(windows, modality=modality, allow_nan=True)
    measures = (np.mean, np.std, np.min, np.max)
    rows = [
        np.concatenate([measure(each, axis=-1) for measure in measures]) for each in read.values
    ]
    return np.array(rows, dtype=np.float64)
