"""Methods of the benchmark: transformers from windows of one signal to features."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags, get_tags

from .._typing import FloatArray
from ..signals.modalities import MODALITIES
from ..transformers import BiosignalImageTransformer, TinyBioMoEEmbedder

ALL_IMAGES = ["waveform", "spectrogram_psd", "scalogram", "gadf", "composite"]
MINIROCKET_KERNELS = 924  # per signal
PEERS = ("aeon", "neurokit2")  # packages of other methods, used if they are installed
RESPONSE = 0.01  # µS, the smallest skin conductance response that is counted


def make_methods(weights: str = "open") -> dict[str, Any]:
    """Make the methods of the benchmark.

    Parameters
    ----------
    weights : str, default="open"
        Of the embeddings, see `TinyBioMoEEmbedder`.

    Returns
    -------
    methods : dict of str to transformer
        Each turns windows of a signal, an array of shape (n_windows, n_channels, n_times), into
        features of shape (n_windows, n_features). "catch22" [1]_ and "minirocket" [2]_ are there if
        aeon is installed, and "neurokit" if NeuroKit2 is.

    References
    ----------
    .. [1] Lubba et al., "catch22: CAnonical Time-series CHaracteristics", 2019,
       doi:10.1007/s10618-019-00647-x.
    .. [2] Dempster, Schmidt and Webb, "MiniRocket: A very fast (almost) deterministic transform for
       time series classification", 2021, doi:10.1145/3447548.3467231.

    Examples
    --------
    >>> from sklearn_biomoe.benchmark import make_methods
    >>> methods = make_methods()
    >>> methods["simple_statistics"].fit_transform(np.ones((5, 1, 240))).shape
    (5, 13)
    """
    all_images = _embed(ALL_IMAGES, weights)
    methods: dict[str, Any] = {
        "embeddings": _embed("preset", weights),
        "embeddings_all": all_images,
        "untrained": _embed("preset", "random"),
        "simple_statistics": FunctionTransformer(describe_channels),
    }
    if find_spec("aeon") is not None:
        catch22 = FunctionTransformer(compute_catch22)
        joined = FeatureUnion([("embeddings", all_images), ("catch22", catch22)])
        methods |= {
            "embeddings_all_catch22": joined,
            "catch22": catch22,
            "minirocket": MiniRocketFeatures(),
        }
    if find_spec("neurokit2") is not None:
        methods["neurokit"] = NeuroKitFeatures()
    return methods


def _embed(representations: Any, weights: str) -> Pipeline:
    image = BiosignalImageTransformer(representations)
    return Pipeline([("image", image), ("embed", TinyBioMoEEmbedder(weights))])


def for_signal(method: Any, modality: str, sampling_rate: float, duration: float) -> Any:
    """Return a copy of a method, with its parameters modality and sampling_rate set.

    The preset's representations are named, so that stored features are not those of an earlier
    preset. Where windows are shorter than its segments of spectrograms, segments have half their
    length.

    Examples
    --------
    >>> for_signal(NeuroKitFeatures(), "bvp", 64.0, duration=60.0)
    NeuroKitFeatures(modality='bvp', sampling_rate=64.0)
    >>> for_signal(BiosignalImageTransformer(), "eda", 4.0, duration=8.0).spectrogram_window
    4.0
    """
    preset = MODALITIES.get(modality, MODALITIES["generic"])
    values: dict[str, Any] = {"modality": modality, "sampling_rate": sampling_rate}
    presets: dict[str, Any] = {"representations": list(preset.representations)}
    if (preset.spectrogram_window or 0) > duration:
        presets["spectrogram_window"] = duration / 2
    prepared = clone(method)
    for name, value in prepared.get_params().items():
        last = name.rpartition("__")[2]
        if last in values:
            prepared.set_params(**{name: values[last]})
        elif last in presets and isinstance(value, str) and value == "preset":
            prepared.set_params(**{name: presets[last]})
    return prepared


def learns(method: Any) -> bool:
    """Return whether features of a window depend on the windows in `fit`.

    Examples
    --------
    >>> learns(NeuroKitFeatures()), learns(MiniRocketFeatures())
    (False, True)
    """
    if isinstance(method, Pipeline | FeatureUnion):
        parts = method.steps if isinstance(method, Pipeline) else method.transformer_list
        return any(learns(part) for _, part in parts)
    if isinstance(method, BiosignalImageTransformer):
        return "training" in (method.value_range, method.power_range)
    return not isinstance(method, TinyBioMoEEmbedder) and get_tags(method).requires_fit


def check_methods(methods: Mapping[str, Any]) -> None:
    """Raise an error for a method that is not a transformer, or has the name of a row of others."""
    for name, method in methods.items():
        if not isinstance(name, str) or ", " in name:
            raise ValueError(
                f"A method has the name {name!r}; expected text without ', ', because the page "
                "names rows such as 'catch22, eda' and 'time, linear'."
            )
        if isinstance(method, type) or not all(
            hasattr(method, part) for part in ("fit", "transform", "get_params")
        ):
            raise TypeError(
                f"Method {name!r} is {method!r:.80}; expected a scikit-learn transformer from "
                "windows of one signal, (n_windows, n_channels, n_times), to features."
            )


def describe_channels(windows: FloatArray) -> FloatArray:
    """Return thirteen statistics of each channel, shape (n_windows, 13 * n_channels).

    Mean, standard deviation, skewness, kurtosis, quartiles with minimum and maximum, slope over the
    window, and standard deviation, mean size and maximum of the steps between samples.
    """
    steps = np.diff(windows, axis=-1)
    time = np.linspace(0, 1, windows.shape[-1])
    time -= time.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of constant windows: 0 below
        shapes = [stats.skew(windows, axis=-1), stats.kurtosis(windows, axis=-1)]
    measures = [
        windows.mean(axis=-1),
        windows.std(axis=-1),
        *map(np.nan_to_num, shapes),
        *np.quantile(windows, [0, 0.25, 0.5, 0.75, 1], axis=-1),
        windows @ time / (time @ time),
        steps.std(axis=-1),
        np.abs(steps).mean(axis=-1),
        steps.max(axis=-1),
    ]
    return np.stack(measures, axis=-1).reshape(len(windows), -1)


def compute_catch22(windows: FloatArray) -> FloatArray:
    """Return the 22 features of each channel, computed by aeon."""
    from aeon.transformations.collection.feature_based import Catch22

    return np.asarray(Catch22(replace_nans=True).fit_transform(windows))


class MiniRocketFeatures(TransformerMixin, BaseEstimator):
    """Features of MiniRocket, computed by aeon; biases are quantiles of the windows in `fit`."""

    def fit(self, X: FloatArray, y: Any = None) -> Self:
        """Draw the biases."""
        from aeon.transformations.collection.convolution_based import MiniRocket

        self.transformer_ = MiniRocket(n_kernels=MINIROCKET_KERNELS, random_state=0)
        self.transformer_.fit(X.astype(np.float32))
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return features of shape (n_windows, 924)."""
        return np.asarray(self.transformer_.transform(X.astype(np.float32)))


class NeuroKitFeatures(TransformerMixin, BaseEstimator):
    """Features of skin conductance, pulse and ECG as computed by NeuroKit2, NaN if it finds none.

    Parameters
    ----------
    modality : str, default="eda"
        "eda", "bvp", "ppg" or "ecg"; other signals have no features.
    sampling_rate : float, default=4
        In Hz.
    """

    def __init__(self, modality: str = "eda", sampling_rate: float = 4) -> None:
        self.modality = modality
        self.sampling_rate = sampling_rate

    def fit(self, X: FloatArray, y: Any = None) -> Self:
        """Do nothing."""
        return self

    def transform(self, X: FloatArray) -> FloatArray:
        """Return features of the first channel.

        Of skin conductance: mean, standard deviation and change of the tonic part, standard
        deviation of the phasic part, number of responses, and their mean and summed height. Of
        pulse and ECG: heart rate, breathing rate from the heart rate (both per minute), and mean,
        standard deviation and RMSSD of the intervals between beats in ms.
        """
        describe = {"eda": self._eda, "bvp": self._beats, "ppg": self._beats, "ecg": self._beats}
        if self.modality not in describe:
            return np.empty((len(X), 0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of windows in which nothing is found: NaN below
            return np.array([describe[self.modality](window[0]) for window in X])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def _eda(self, signal: FloatArray) -> list[float]:
        import neurokit2 as nk

        parts = nk.eda_phasic(signal, sampling_rate=self.sampling_rate, method="highpass")
        tonic, phasic = parts["EDA_Tonic"].to_numpy(), parts["EDA_Phasic"].to_numpy()
        heights = np.empty(0)
        try:
            found = nk.eda_findpeaks(phasic, sampling_rate=self.sampling_rate, method="neurokit")
            heights = np.asarray(found["SCR_Height"], dtype=float)
        except (ValueError, IndexError):  # it finds no peak
            pass
        heights = heights[heights > RESPONSE]
        mean = heights.mean() if len(heights) else 0.0
        tonic_measures = [tonic.mean(), tonic.std(), tonic[-1] - tonic[0]]
        return [*tonic_measures, phasic.std(), len(heights), mean, heights.sum()]

    def _beats(self, signal: FloatArray) -> list[float]:
        import neurokit2 as nk

        rate = self.sampling_rate
        try:
            if self.modality == "ecg":
                clean = nk.ecg_clean(signal, sampling_rate=rate)
                peaks = nk.ecg_peaks(clean, sampling_rate=rate)[1]["ECG_R_Peaks"]
            else:
                clean = nk.ppg_clean(signal, sampling_rate=rate)
                peaks = nk.ppg_findpeaks(clean, sampling_rate=rate)["PPG_Peaks"]
            intervals = 1000 * np.diff(peaks) / rate
            beats = nk.signal_rate(peaks, sampling_rate=rate, desired_length=len(signal))
        except (ValueError, IndexError, ZeroDivisionError):  # it finds too few beats
            return [np.nan] * 5
        rmssd = np.sqrt(np.mean(np.diff(intervals) ** 2))
        heart = 60_000 / np.median(intervals)
        return [heart, self._breathing(beats), intervals.mean(), intervals.std(), rmssd]

    def _breathing(self, heart_rate: FloatArray) -> float:
        import neurokit2 as nk

        rate = self.sampling_rate
        try:
            breathing = nk.ecg_rsp(heart_rate, sampling_rate=rate)
            peaks = nk.rsp_findpeaks(breathing, sampling_rate=rate)["RSP_Peaks"]
        except (ValueError, IndexError, ZeroDivisionError):
            return np.nan
        return 60 * rate / float(np.mean(np.diff(peaks))) if len(peaks) > 2 else np.nan
