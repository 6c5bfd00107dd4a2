"""Features of windows, computed once and kept in a folder."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.utils import check_random_state

from .._files import new_file
from .._typing import Array, FloatArray
from ..pipelines import find_embedders, identify_estimator
from ..transformers.embedder import UntrainedBackboneWarning
from ..weights import weights_sha256
from .methods import PEERS, for_signal, learns


@dataclass(frozen=True)
class FeatureFile:
    """Features in a file, shape (n_rows, n_features); equal if the digests are."""

    digest: str
    path: Path = field(repr=False, compare=False)

    def load(self) -> FloatArray:
        """Return the features."""
        with np.load(self.path) as stored:
            return stored["values"].astype(np.float64)

    def effort(self) -> tuple[float, int]:
        """Return the seconds to compute the features, and the number of images embedded."""
        with np.load(self.path) as stored:
            return float(stored["seconds"]), int(stored["n_embedded"])


class FeatureFolder:
    """A folder with the features of windows, and with an embedding cache.

    Parameters
    ----------
    path : Path
    progress : "auto" or bool
        Whether embedders show a progress bar.
    """

    def __init__(self, path: Path, *, progress: bool | str = "auto") -> None:
        self.path = path
        self.progress = progress
        path.mkdir(parents=True, exist_ok=True)

    def describe(
        self,
        method: Any,
        signal: tuple[str, float],
        windows: FloatArray,
        training: FloatArray | None = None,
    ) -> FeatureFile:
        """Compute the features of windows by a method that is fitted to the training windows.

        Parameters
        ----------
        method : transformer
        signal : (str, float)
            Modality and sampling rate in Hz.
        windows : ndarray of shape (n_windows, n_channels, n_times)
        training : ndarray of the same kind, default=None
            None takes the windows. Fitting gets no targets.

        Raises
        ------
        ValueError
            If the method returns another number of rows, infinite numbers, or NaN only.
        TypeError
            If it does not return real numbers.
        """
        prepared = for_signal(method, *signal, duration=windows.shape[-1] / signal[1])
        training = training if learns(prepared) else None
        parts = [*list_versions(), identify_estimator(prepared), *list_weights(prepared)]
        parts += [_hash(windows)]
        parts += [] if training is None else [_hash(training)]

        def compute() -> tuple[Array, int]:
            transformer = _with_cache(prepared, self.path / "embeddings.sqlite", self.progress)
            n_before = _n_misses(transformer)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UntrainedBackboneWarning)  # its name says so
                warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
                if training is None:
                    values = transformer.fit_transform(windows)
                else:
                    values = transformer.fit(training).transform(windows)
            return _check_features(values, len(windows)), _n_misses(transformer) - n_before

        return self._keep(parts, compute)

    def keep(self, values: FloatArray, sources: Sequence[FeatureFile] = ()) -> FeatureFile:
        """Keep features that were made of those of other files, with their effort."""
        efforts = [source.effort() for source in sources]
        seconds, n_embedded = sum(each[0] for each in efforts), sum(each[1] for each in efforts)
        return self._keep([_hash(values)], lambda: (values, n_embedded), seconds)

    def _keep(
        self,
        parts: Iterable[str],
        compute: Callable[[], tuple[Array, int]],
        seconds: float | None = None,
    ) -> FeatureFile:
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        path = self.path / f"{digest}.npz"
        if not path.is_file():
            started = time.perf_counter()
            values, n_embedded = compute()
            taken = time.perf_counter() - started if seconds is None else seconds
            with new_file(path) as file:
                np.savez(file, values=values, seconds=taken, n_embedded=n_embedded)
        return FeatureFile(digest, path)


def list_versions() -> list[str]:
    """Return the packages that compute features, with their versions."""
    packages = ["sklearn-biomoe", "numpy", "scipy", "scikit-learn", "torch"]
    return [f"{name} {metadata.version(name)}" for name in [*packages, *filter(find_spec, PEERS)]]


def list_weights(method: Any) -> list[str]:
    """Return the hash of the weights of each embedder in a method."""
    return [
        weights_sha256(
            embedder.weights, int(check_random_state(embedder.random_state).randint(2**31))
        )
        for embedder in find_embedders(method)
    ]


def _check_features(values: Any, n_windows: int) -> FloatArray:
    """Return features as an array, or raise an error if a classifier cannot use them."""
    found = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if found.dtype.kind not in "biuf":
        raise TypeError(
            f"transform returned {type(values).__name__} of dtype {found.dtype}; expected real "
            "numbers."
        )
    if found.ndim != 2 or len(found) != n_windows:
        raise ValueError(
            f"transform returned an array of shape {found.shape} for {n_windows} windows; expected "
            f"(n_windows, n_features), here ({n_windows}, n_features)."
        )
    if np.isinf(found).any() or (found.size and np.isnan(found).all()):
        row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
        problem = "infinite numbers" if np.isinf(found).any() else "NaN only"
        raise ValueError(
            f"transform returned {problem}, first in row {row}; expected finite numbers, and NaN "
            "for features that a window does not have."
        )
    return found


def _hash(values: Array) -> str:
    header = repr((values.shape, values.dtype.str)).encode()
    return hashlib.sha256(header + np.ascontiguousarray(values).tobytes()).hexdigest()


def _with_cache(prepared: Any, cache: Path, progress: bool | str) -> Any:
    """Return a copy whose embedders use the cache, unless they have another one."""
    transformer = clone(prepared)
    for embedder in find_embedders(transformer):
        if embedder.cache == "memory":
            embedder.set_params(cache=str(cache), progress=progress)
    return transformer


def _n_misses(transformer: Any) -> int:
    infos = [embedder.cache_info() for embedder in find_embedders(transformer)]
    return sum(info.misses for info in infos if info is not None)


class StoredFeatures(TransformerMixin, BaseEstimator):
    """Returns the features of rows by their number.

    Parameters
    ----------
    files : list of FeatureFile
        Concatenated.
    """

    def __init__(self, files: list[FeatureFile]) -> None:
        self.files = files

    def fit(self, X: Array, y: Any = None) -> Self:
        """Do nothing."""
        return self

    def transform(self, X: Array) -> FloatArray:
        """Return features of shape (n_rows, n_features) for X of shape (n_rows, 1)."""
        return np.hstack([file.load()[X[:, 0]] for file in self.files])


class AsPredicted(RegressorMixin, BaseEstimator):
    """Predicts one column of X as it is, and the median of the training targets where it is NaN.

    Parameters
    ----------
    column : int, default=0
    """

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(self, X: FloatArray, y: FloatArray) -> Self:
        """Store the median."""
        self.median_ = float(np.median(y))
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the column."""
        return np.where(np.isnan(X[:, self.column]), self.median_, X[:, self.column])
