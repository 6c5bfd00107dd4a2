"""A transformer that decomposes skin conductance into tonic, phasic and other components."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy  # loads scipy.signal on first use, which takes time
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array
from .._validation.parameters import check_number, check_option
from .signal_filter import check_shortest
from .windows import Windows, label_windows, validate_windows

_COMPONENTS = ("raw", "tonic", "phasic", "detrended", "sympathetic")

_CUTOFF = 0.05  # Hz, between tonic and phasic: NeuroKit's default
_CUTOFF_PADDING = 9  # samples that NeuroKit's filters of order 2 add at each end
_MEDIAN_SECONDS = 4  # NeuroKit's default

_SYMPATHETIC_BAND = (0.08, 0.24)  # Hz
_SYMPATHETIC_ORDER = 2  # steeper filters ring for longer than a window


class EDADecomposer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Decompose skin conductance into components, the channels of one window.

    Each window is decomposed separately into one channel per component, all of the same length, so
    that they can be drawn together as in the multi-representation diagrams of [1]_. The filters
    cause transients at both ends of short windows. A window of less than 20 seconds is shorter than
    a period of the default cutoff between tonic and phasic, 0.05 Hz.

    Parameters
    ----------
    components : sequence of str, default=("raw", "tonic", "phasic")
        The output channels in their order, without repeats:

        - "raw": the unchanged window;
        - "tonic", "phasic": the slow level and the fast responses, computed by ``method``, in the
          unit of the window (usually microsiemens);
        - "detrended": the window minus its least-squares line, in the same unit;
        - "sympathetic": an index of sympathetic activity over time, without a unit: the amplitude
          of the analytic signal of the band from 0.08 to 0.24 Hz, scaled to unit variance in each
          window. It is 0 for constant windows.
    sampling_rate : float
        In Hz. Above 0.1 for ``method="highpass"``, 0.5 for "smoothmedian" and 0.48 for the
        sympathetic index.
    method : {"highpass", "smoothmedian"}, default="highpass"
        How `neurokit2.eda_phasic` separates tonic and phasic. "highpass": with Butterworth filters
        at 0.05 Hz; the sum of both is the window except near its ends. "smoothmedian": tonic is
        the moving median over 4 seconds, phasic the rest; the median is zero-padded, which lowers
        tonic near the ends.

    Attributes
    ----------
    n_channels_ : int
        Channels of each window seen in `fit`, always 1.
    n_times_ : int
        Samples of the first window seen in `fit` that is not missing.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D input, else 1.
    feature_names_in_ : ndarray of str
        Column names seen in `fit`, if they are all strings.

    See Also
    --------
    SignalFilter : Fills gaps, filters and resamples windows beforehand.
    BiosignalImageTransformer : Draws the components.

    Notes
    -----
    "tonic" and "phasic" require NeuroKit: ``pip install 'sklearn-biomoe[eda]'``.

    The sympathetic index differs from [2]_, which isolates the band at 2 Hz by variable frequency
    complex demodulation. No maintained library implements that; here `scipy.signal.sosfiltfilt`
    applies a Butterworth band-pass filter of order 2 at the sampling rate of the window. The band,
    the scaling and `scipy.signal.hilbert` are as in [2]_, but the scaling is per window and not per
    recording: the index shows when activity occurs in a window, and not how strong it is.

    All components except "raw" are computed in float64.

    References
    ----------
    .. [1] S. Gkikas, I. Kyprakis, M. Tsiknakis, "Multi-Representation Diagrams for Pain
           Recognition: Integrating Various Electrodermal Activity Signals into a Single Image",
           arXiv:2507.21881, 2025.
    .. [2] H. F. Posada-Quintero et al., "Highly sensitive index of sympathetic activity based on
           time-frequency spectral analysis of electrodermal activity", American Journal of
           Physiology: Regulatory, Integrative and Comparative Physiology 311(3), R582-R591, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import EDADecomposer
    >>> seconds = np.arange(0, 60, 1 / 4)
    >>> window = 2 + 0.01 * seconds + 0.1 * np.sin(2 * np.pi * 0.15 * seconds)
    >>> decomposer = EDADecomposer(["raw", "detrended", "sympathetic"], sampling_rate=4)
    >>> decomposer.fit_transform(np.stack([window, window])).shape
    (2, 3, 240)
    >>> decomposer.get_feature_names_out()
    array(['eda_raw', 'eda_detrended', 'eda_sympathetic'], dtype=object)
    """

    def __init__(
        self,
        components: Sequence[str] = ("raw", "tonic", "phasic"),
        *,
        sampling_rate: float,
        method: str = "highpass",
    ) -> None:
        self.components = components
        self.sampling_rate = sampling_rate
        self.method = method

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the parameters and the windows.

        Parameters
        ----------
        X : array-like
            Windows of one channel, in any form that `BiosignalImageTransformer` accepts.
        y : None
            Ignored.

        Returns
        -------
        self : EDADecomposer

        Raises
        ------
        ValueError
            If components are unknown, repeated or empty, the method is unknown, the sampling rate
            is too low for a component, or the windows are not valid in `transform`.
        ImportError
            If a component requires NeuroKit and it is not installed.
        """
        self._check_parameters()
        self._read(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Decompose each window.

        Parameters
        ----------
        X : array-like
            Windows of one channel, in any form that `BiosignalImageTransformer` accepts.

        Returns
        -------
        windows : ndarray or Series
            float32 or float64, like the input. For a pandas DataFrame or Series, a Series of arrays
            (n_components, n_times) with the same row labels; otherwise an array of shape
            (n_windows, n_components, n_times), or a 1-D object array of arrays (n_components,
            n_times) if lengths differ. Missing windows stay missing.

        Raises
        ------
        ValueError
            If windows have several channels, contain some NaN or infinity, are too short for a
            component, or have another number of columns than in `fit`. The message names the first
            such row.
        """
        check_is_fitted(self, "n_channels_")
        self._check_parameters()
        windows = self._read(X, reset=False).map(self._decompose).values
        if isinstance(X, pd.DataFrame | pd.Series):
            return label_windows(list(windows), X, modality="eda")
        return windows

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the output channels.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of shape (n_components,), object
            Such as "eda_tonic".
        """
        check_is_fitted(self, "n_channels_")
        return np.asarray([f"eda_{name}" for name in self.components], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: windows of several channels are not a table."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        names = self.components
        if np.ndim(names) != 1 or not len(names) or len(set(names)) < len(names):
            raise ValueError(
                f"components={names!r}; expected a list of one or more distinct names, such as "
                "['raw', 'tonic', 'phasic']."
            )
        for name in names:
            check_option("component", name, _COMPONENTS)
        check_option("method", self.method, ["highpass", "smoothmedian"])
        check_number("sampling_rate", self.sampling_rate, above=0, unit="Hz")
        for step, (lowest, _) in self._requirements().items():
            if self.sampling_rate <= lowest:
                raise ValueError(
                    f"sampling_rate={self.sampling_rate!r} is too low for {step}, which requires "
                    f"more than {lowest:g} Hz; remove such components or use a higher rate."
                )
        if self._uses_neurokit():
            _neurokit()

    def _uses_neurokit(self) -> bool:
        return "tonic" in self.components or "phasic" in self.components

    def _requirements(self) -> dict[str, tuple[float, int]]:
        """Return the rate in Hz that must be exceeded and the least number of samples, by step."""
        requirements = {}
        if self._uses_neurokit() and self.method == "highpass":
            requirements["method='highpass'"] = (2 * _CUTOFF, _CUTOFF_PADDING + 1)
        elif self._uses_neurokit():
            n_median = int(_MEDIAN_SECONDS * self.sampling_rate) // 2 * 2 + 1  # odd in NeuroKit
            requirements["method='smoothmedian'"] = (2 / _MEDIAN_SECONDS, n_median)
        if "sympathetic" in self.components:
            n_padded = 3 * (2 * _SYMPATHETIC_ORDER + 1)  # by sosfiltfilt, at any sampling rate
            requirements["component 'sympathetic'"] = (2 * _SYMPATHETIC_BAND[1], n_padded + 1)
        return requirements

    def _read(self, X: Any, *, reset: bool) -> Windows:
        """Parse the windows, and check that every component can be computed."""
        windows = validate_windows(self, X, modality="eda", reset=reset)
        if self.n_channels_ > 1:
            raise ValueError(
                f"Windows of modality 'eda' have {self.n_channels_} channels, but EDADecomposer "
                "accepts one; use one EDADecomposer for each column, or for each X[:, [i]] of a "
                "3-D array."
            )
        needed = {step: n_times for step, (_, n_times) in self._requirements().items()}
        check_shortest(windows, needed, "eda")
        return windows

    def _decompose(self, signals: Array) -> Array:
        # (n_windows, 1, n_times) -> (n_windows, n_components, n_times)
        raw = signals.astype(np.float64, copy=False)
        channels = {"raw": raw}
        if self._uses_neurokit():
            channels |= _tonic_and_phasic(raw, self.sampling_rate, self.method)
        if "detrended" in self.components:
            channels["detrended"] = scipy.signal.detrend(raw)
        if "sympathetic" in self.components:
            channels["sympathetic"] = _sympathetic_index(raw, self.sampling_rate)
        windows = np.concatenate([channels[name] for name in self.components], axis=1)
        return windows.astype(signals.dtype, copy=False)


def import_neurokit(purpose: str, otherwise: str) -> Any:
    """Return NeuroKit2; the ImportError says what needs it, how to get it, and what else to do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports deprecated functions of scipy
            import neurokit2
    except ImportError as error:
        raise ImportError(
            f"{purpose} NeuroKit: pip install 'sklearn-biomoe[eda]', or {otherwise}."
        ) from error
    return neurokit2


def _neurokit() -> Any:
    purpose = "The components 'tonic' and 'phasic' require"
    return import_neurokit(purpose, "remove them from components")


def _tonic_and_phasic(signals: Array, sampling_rate: float, method: str) -> dict[str, Array]:
    """Decompose windows (n_windows, 1, n_times) with NeuroKit, which processes one at a time."""
    decompose = _neurokit().eda_phasic
    tables = [decompose(window[0], sampling_rate, method=method) for window in signals]
    return {
        name: np.stack([table[f"EDA_{name.capitalize()}"].to_numpy() for table in tables])[:, None]
        for name in ("tonic", "phasic")
    }


def _sympathetic_index(signals: Array, sampling_rate: float) -> Array:
    """Return the amplitude of the sympathetic band over time, scaled to unit variance."""
    sections = scipy.signal.butter(
        _SYMPATHETIC_ORDER, _SYMPATHETIC_BAND, "bandpass", fs=sampling_rate, output="sos"
    )
    # After subtraction of the first sample, constant windows are exactly 0 after filtering.
    band = scipy.signal.sosfiltfilt(sections, signals - signals[..., :1])
    deviation = band.std(axis=-1, keepdims=True)
    return np.abs(scipy.signal.hilbert(band / np.where(deviation == 0, 1.0, deviation)))
