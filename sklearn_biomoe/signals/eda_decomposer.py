"""Skin conductance taken apart: level, responses and sympathetic index, as channels of a window."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy  # which loads scipy.signal at first use: importing it takes time
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array
from .._validation.parameters import check_option
from . import filtering
from .modalities import check_hertz
from .windows import Windows, label_windows, validate_windows

_COMPONENTS = ("raw", "tonic", "phasic", "detrended", "sympathetic")

_CUTOFF = 0.05  # Hz, between tonic and phasic: NeuroKit's default
_CUTOFF_PADDING = 9  # samples that NeuroKit's filters of order 2 mirror at each end
_MEDIAN_SECONDS = 4  # NeuroKit's default

_SYMPATHETIC_BAND = (0.08, 0.24)  # Hz
_SYMPATHETIC_ORDER = 2  # steeper filters ring longer than windows last


class EDADecomposer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Take skin conductance apart into components, the channels of one window.

    Each window is decomposed by itself, into as many channels of its own length as components are
    asked for, so that they can be drawn together, after the multi-representation diagrams of [1]_.
    Short windows carry transients at both ends; a window of less than 20 seconds holds no period of
    the 0.05 Hz that part tonic from phasic by default.

    Parameters
    ----------
    components : sequence of str, default=("raw", "tonic", "phasic")
        The channels and their order, each once:

        - "raw": the window as it is;
        - "tonic", "phasic": slow level and fast responses, by ``method``, in the unit of the
          window (mostly microsiemens);
        - "detrended": the window without its line of least squares, in the same unit;
        - "sympathetic": index of sympathetic activity over time, without a unit: the amplitude
          (that of the analytic signal) of the part between 0.08 and 0.24 Hz, after that was scaled
          to a variance of 1 in each window. Zero throughout constant windows.
    sampling_rate : float
        In Hz. Above 0.1 for ``method="highpass"``, 0.5 for "smoothmedian" and 0.48 for the
        sympathetic index.
    method : {"highpass", "smoothmedian"}, default="highpass"
        How `neurokit2.eda_phasic` parts tonic from phasic. "highpass": by Butterworth filters at
        0.05 Hz; the two add up to the window but for the ends. "smoothmedian": tonic is the median
        of 4 seconds, phasic the rest; beyond the ends it sees zeros, which pull it down there.

    Attributes
    ----------
    n_channels_ : int
        1, the channels of each window seen in `fit`.
    n_times_ : int
        Samples of the first window that is there in `fit`.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D input, else 1.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    SignalFilter : Fills gaps, filters and resamples windows before.
    BiosignalImageTransformer : Draws the components.

    Notes
    -----
    "tonic" and "phasic" need NeuroKit: ``pip install 'sklearn-biomoe[eda]'``.

    The sympathetic index deviates from [2]_: there the band is isolated at 2 Hz by variable
    frequency complex demodulation, of which no maintained library is known; here by
    `scipy.signal.sosfiltfilt` of a Butterworth band-pass of order 2 at the window's own rate. Band,
    scaling and `scipy.signal.hilbert` are the same, but scaling here is by the window, not by the
    recording. So it tells when in a window there was activity, not how much there was.

    All but "raw" are computed in float64.

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
        """Check the parameters and the windows; nothing is learnt.

        Parameters
        ----------
        X : array-like
            Windows of one channel, in any form that `BiosignalImageTransformer` takes.
        y : None
            Ignored.

        Returns
        -------
        self : EDADecomposer

        Raises
        ------
        ValueError
            For unknown, repeated or no components, an unknown method, a sampling rate too low for
            a component, and windows that `transform` would refuse.
        ImportError
            Where a component needs NeuroKit and it is not installed.
        """
        self._check_parameters()
        self._read(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Decompose every window.

        Parameters
        ----------
        X : array-like
            Windows of one channel, in any form that `BiosignalImageTransformer` takes.

        Returns
        -------
        windows : ndarray or Series
            float32 or float64, as given. For pandas frames and Series a Series of arrays
            (n_components, n_times) with the same row labels; for all else (n_windows, n_components,
            n_times), or a 1-D object array of (n_components, n_times) where lengths differ.

        Raises
        ------
        ValueError
            For windows of several channels, windows that hold some NaN or infinity or are too short
            for a component, and another number of columns than in `fit`. The first bad row is
            named. Windows that are missing altogether stay so.
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
        """Name the channels of the output.

        Parameters
        ----------
        input_features : None
            Ignored: channels are named after the components.

        Returns
        -------
        names : ndarray of shape (n_components,), object
            Such as "eda_tonic".
        """
        check_is_fitted(self, "n_channels_")
        return np.asarray([f"eda_{name}" for name in self.components], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: windows of several channels are no table."""
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
                f"components={names!r}; expected a list of one or more names, each once, such as "
                "['raw', 'tonic', 'phasic']."
            )
        for name in names:
            check_option("component", name, _COMPONENTS)
        check_option("method", self.method, ["highpass", "smoothmedian"])
        check_hertz("sampling_rate", self.sampling_rate)
        for step, (lowest, _) in self._requirements().items():
            if self.sampling_rate <= lowest:
                raise ValueError(
                    f"sampling_rate={self.sampling_rate!r} is too low for {step}, which needs more "
                    f"than {lowest:g} Hz; leave such components out."
                )
        if self._needs_neurokit():
            _import_neurokit()

    def _needs_neurokit(self) -> bool:
        return "tonic" in self.components or "phasic" in self.components

    def _requirements(self) -> dict[str, tuple[float, int]]:
        """Say above which rate in Hz, and from how many samples on, a step works."""
        needs = {}
        if self._needs_neurokit() and self.method == "highpass":
            needs["method='highpass'"] = (2 * _CUTOFF, _CUTOFF_PADDING + 1)
        elif self._needs_neurokit():
            # NeuroKit takes whole samples, and makes them odd.
            n_median = int(_MEDIAN_SECONDS * self.sampling_rate) // 2 * 2 + 1
            needs["method='smoothmedian'"] = (2 / _MEDIAN_SECONDS, n_median)
        if "sympathetic" in self.components:
            # A band-pass of order n has n sections, and scipy mirrors as many samples at any rate.
            n_padded = 3 * (2 * _SYMPATHETIC_ORDER + 1)
            needs["component 'sympathetic'"] = (2 * _SYMPATHETIC_BAND[1], n_padded + 1)
        return needs

    def _read(self, X: Any, *, reset: bool) -> Windows:
        """Read the windows, and refuse what a component could not be computed from."""
        windows = validate_windows(self, X, modality="eda", reset=reset)
        if self.n_channels_ > 1:
            raise ValueError(
                f"Windows of modality 'eda' have {self.n_channels_} channels, but EDADecomposer "
                "takes one; pass one column, or X[:, [i]] of a 3-D array, to a decomposer each."
            )
        row, n_times = windows.shortest()
        for step, (_, n_needed) in self._requirements().items():
            if n_times < n_needed:
                raise ValueError(
                    f"Window {row} of modality 'eda' has {n_times} samples, but {step} needs "
                    f"{n_needed} or more at sampling_rate={self.sampling_rate!r}; cut longer "
                    "windows, or leave such components out."
                )
        return windows

    def _decompose(self, signals: Array) -> Array:
        """Turn windows (n_windows, 1, n_times) into (n_windows, n_components, n_times)."""
        known = signals.astype(np.float64, copy=False)
        parts = {"raw": known}
        if self._needs_neurokit():
            parts |= _tonic_and_phasic(known, self.sampling_rate, self.method)
        if "detrended" in self.components:
            parts["detrended"] = filtering.remove_trend(known, "linear")
        if "sympathetic" in self.components:
            parts["sympathetic"] = _sympathetic_index(known, self.sampling_rate)
        windows = np.concatenate([parts[name] for name in self.components], axis=1)
        return windows.astype(signals.dtype, copy=False)


def _import_neurokit() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports what scipy has deprecated
            import neurokit2
    except ImportError as error:
        raise ImportError(
            "The components 'tonic' and 'phasic' need NeuroKit: pip install 'sklearn-biomoe[eda]', "
            "or leave them out of components."
        ) from error
    return neurokit2


def _tonic_and_phasic(signals: Array, sampling_rate: float, method: str) -> dict[str, Array]:
    """Let NeuroKit part windows (n_windows, 1, n_times), which it takes one by one."""
    decompose = _import_neurokit().eda_phasic
    tables = [decompose(window[0], sampling_rate, method=method) for window in signals]
    return {
        name: np.stack([table[f"EDA_{name.capitalize()}"].to_numpy() for table in tables])[:, None]
        for name in ("tonic", "phasic")
    }


def _sympathetic_index(signals: Array, sampling_rate: float) -> Array:
    """Return the amplitude over time of the sympathetic band, scaled to a variance of 1."""
    sections = filtering.band_sections(_SYMPATHETIC_BAND, _SYMPATHETIC_ORDER, sampling_rate)
    # From their first sample on, since constant windows are then exactly zero, as is their band.
    band = filtering.band_pass(signals - signals[..., :1], sections)
    deviation = band.std(axis=-1, keepdims=True)
    return np.abs(scipy.signal.hilbert(band / np.where(deviation == 0, 1.0, deviation)))
