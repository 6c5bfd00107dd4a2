"""Estimators that kill their worker or are slow, and what workers of tests load first."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from small_backbone import SmallBackbone

LOADS = "TEST_LOADS"  # environment variable: a file with a line for each model that is loaded
DEADLY = -999.0


def dask_setup(worker):
    """Embed with the small network, and record the process each time it is loaded."""
    from sklearn_biomoe.weights import loading, random_weights

    load = loading.load_backbone

    def load_and_record(*args, **kwargs):
        with Path(os.environ[LOADS]).open("a") as file:
            file.write(f"{os.getpid()}\n")
        return load(*args, **kwargs)

    random_weights.TinyBioMoE = SmallBackbone
    loading.load_backbone = load_and_record


class KillOnce(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Kills its worker in `transform` unless the file ``marker`` exists."""

    calls: ClassVar[list[None]] = []  # no number: it would be part of the class's identity

    def __init__(self, marker, at_call=1):
        self.marker = marker
        self.at_call = at_call

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        KillOnce.calls.append(None)
        in_worker = multiprocessing.parent_process() is not None
        if in_worker and len(KillOnce.calls) >= self.at_call and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return X


class Moments(TransformerMixin, BaseEstimator):
    """Mean and deviation of cells; a mean of `DEADLY` kills the process."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        time.sleep(self.seconds)
        cells = [np.asarray(cell) for cell in X]
        moments = np.array([(cell.mean(), cell.std()) for cell in cells]).reshape(-1, 2)
        if DEADLY in moments[:, 0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return moments

    def get_feature_names_out(self, input_features=None):
        return np.array(["mean", "deviation"], dtype=object)
