"""A transformer that fills gaps in windows, detrends, filters and resamples them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy  # loads scipy.signal on first use, which takes time
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array
from .._validation.parameters import check_integer, check_number, check_option
from ..recordings.resampling import resampling_ratio
from .containers import cell_columns
from .modalities import MODALITIES, find_modality
from .windows import Windows, label_windows, validate_windows

_NOTCH_PADDING = 9  # samples that `filtfilt` adds at each end: three times the coefficients


class SignalFilter(  # type: ignore[call-arg]
    OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Fill gaps, remove trends, filter and resample each window.

    The steps run in the order ``missing``, ``detrend``, ``band``, ``notch``, ``resample_to``.
    Steps set to None are skipped; by default the windows are returned unchanged. Filters run
    forward and backward, which gives zero phase and twice the attenuation (in dB) of one pass.
    They cause transients at both ends of short windows: if whole recordings are available, filter
    each of them as one window before cutting.

    Parameters
    ----------
    sampling_rate : float or None, default=None
        In Hz. Required by ``band``, ``notch`` and ``resample_to``.
    band : (float or None, float or None), "preset" or None, default=None
        Lowest and highest frequency to keep, in Hz; None leaves that side open. The Butterworth
        filter halves the amplitude at these frequencies. "preset" takes the band of the modality,
        see `sklearn_biomoe.signals.MODALITIES`.
    order : int, default=4
        Order of the Butterworth filter.
    notch : float or None, default=None
        Frequency to remove, in Hz: 50 or 60 for power line noise.
    notch_quality : float, default=30.0
        Quality factor of the notch filter: ``notch`` divided by the bandwidth in Hz.
    detrend : {"constant", "linear"} or None, default=None
        Subtract the mean or the least-squares line.
    resample_to : float or None, default=None
        New sampling rate in Hz. Windows are extended at both ends along the line through their
        first and last sample, to avoid edge effects.
    missing : {"error", "interpolate", "propagate"}, default="error"
        How to handle NaN. "error": raise ValueError. "interpolate": fill gaps linearly, and gaps at
        the ends with the nearest sample. "propagate": if any step is set, a channel with NaN
        becomes NaN throughout. Missing windows (see `missing_windows`), and channels of a dead
        sensor, which are NaN throughout, stay so in all three cases.
    modality : str, default="generic"
        Kind of signal, used in error messages and new feature names, and for band="preset".

    Attributes
    ----------
    n_channels_ : int
        Channels of each window seen in `fit`.
    n_times_ : int
        Samples of the first window seen in `fit` that is not missing.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D input, n_channels of 3-D input, else the number of
        columns whose cells are arrays.
    feature_names_in_ : ndarray of str
        Column names seen in `fit`, if they are all strings.

    See Also
    --------
    BiosignalImageTransformer : Draws the windows.

    Notes
    -----
    The steps are `scipy.signal.detrend`, `sosfiltfilt` of `butter(output="sos")`, `filtfilt` of
    `iirnotch`, and `resample_poly(padtype="line")`, with scipy's default padding. They run in
    float64 on all windows of one length at once.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import SignalFilter
    >>> seconds = np.arange(0, 60, 1 / 64)
    >>> pulse = 5 + np.sin(2 * np.pi * 1.2 * seconds) + np.sin(2 * np.pi * 20 * seconds)
    >>> clean = SignalFilter(sampling_rate=64, band=(0.5, 8.0), resample_to=32, modality="bvp")
    >>> windows = clean.fit_transform(np.stack([pulse, pulse]))
    >>> windows.shape
    (2, 1920)
    >>> middle = slice(320, 1600)
    >>> expected = np.sin(2 * np.pi * 1.2 * seconds[::2])
    >>> bool(np.abs(windows[0] - expected)[middle].max() < 0.02)
    True
    """

    def __init__(
        self,
        sampling_rate: float | None = None,
        *,
        band: tuple[float | None, float | None] | str | None = None,
        order: int = 4,
        notch: float | None = None,
        notch_quality: float = 30.0,
        detrend: str | None = None,
        resample_to: float | None = None,
        missing: str = "error",
        modality: str = "generic",
    ) -> None:
        self.sampling_rate: Any = sampling_rate
        self.band: Any = band
        self.order = order
        self.notch: Any = notch
        self.notch_quality = notch_quality
        self.detrend: Any = detrend
        self.resample_to: Any = resample_to
        self.missing = missing
        self.modality = modality

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the parameters and the windows.

        Parameters
        ----------
        X : array-like
            Windows in any form that `BiosignalImageTransformer` accepts.
        y : None
            Ignored.

        Returns
        -------
        self : SignalFilter

        Raises
        ------
        ValueError
            If a parameter is out of range, a frequency is not below the Nyquist frequency, or the
            windows are not valid in `transform`.
        """
        self._check_parameters()
        windows = self._read(X, reset=True)
        self._n_times_in = windows.values.shape[-1] if _is_matrix(X) else None
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Filter each window.

        Parameters
        ----------
        X : array-like
            Windows in any form that `BiosignalImageTransformer` accepts.

        Returns
        -------
        windows : ndarray, DataFrame or Series
            float32 or float64, like the input. The form depends on the input:

            - 2-D numbers: an array of shape (n_windows, n_times), or a DataFrame with the same row
              labels for a wide pandas DataFrame;
            - pandas cells: a Series of arrays with the same row labels, each of shape (n_times,),
              or (n_channels, n_times) if there are several channels;
            - otherwise: an array of shape (n_windows, n_channels, n_times), or a 1-D object array
              of arrays (n_channels, n_times) if lengths differ.

            Resampled windows have ``ceil(n_times * resample_to / sampling_rate)`` samples.

        Raises
        ------
        ValueError
            If a window contains infinity, or NaN with ``missing="error"``; if a window is shorter
            than the padding of a filter; or if the number of channels or columns differs from
            `fit`. The message names the first such row.
        """
        check_is_fitted(self, "n_channels_")
        self._check_parameters()
        windows = self._read(X, reset=False).map(self._prepare).values
        if _is_matrix(X):
            if not isinstance(X, pd.DataFrame):
                return windows[:, 0]
            columns = X.columns if self.resample_to is None else self.get_feature_names_out()
            return pd.DataFrame(windows[:, 0], index=X.index, columns=columns)
        if isinstance(X, pd.DataFrame | pd.Series):
            cells = [window[0] if self.n_channels_ == 1 else window for window in windows]
            return label_windows(cells, X, modality=self.modality)
        return windows

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns. They must match ``feature_names_in_`` if it is defined.

        Returns
        -------
        names : ndarray of shape (n_features,), object
            The input names, or "eda_0", "eda_1", ... for resampled 2-D windows.
        """
        names = super().get_feature_names_out(input_features)
        if self._n_times_in is None or self.resample_to is None:
            return names
        n_times = ceil(self._n_times_in * resampling_ratio(self.sampling_rate, self.resample_to))
        return np.asarray([f"{self.modality}_{i}" for i in range(n_times)], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output has the form of the input."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        find_modality(self.modality)
        check_option("missing", self.missing, ["error", "interpolate", "propagate"])
        if self.detrend is not None:
            check_option("detrend", self.detrend, ["constant", "linear"])
        check_integer("order", self.order)
        check_number("notch_quality", self.notch_quality, above=0)
        if self.sampling_rate is not None:
            check_number("sampling_rate", self.sampling_rate, above=0, unit="Hz")
        for name in ("band", "notch", "resample_to"):
            value = getattr(self, name)
            if value is not None and self.sampling_rate is None:
                raise ValueError(f"{name}={value!r} requires sampling_rate in Hz, but it is None.")
        if self.band is not None:
            self._check_band()
        if self.notch is not None:
            self._check_frequency("notch", self.notch, self.notch)
        if self.resample_to is not None:
            self._check_resample_to()

    def _band(self) -> Any:
        """Return ``band``, or that of the modality for "preset"."""
        is_preset = isinstance(self.band, str) and self.band == "preset"
        return MODALITIES[find_modality(self.modality)].band if is_preset else self.band

    def _check_band(self) -> None:
        band = self._band()
        if band is None:
            known = sorted(name for name, preset in MODALITIES.items() if preset.band)
            raise ValueError(
                f"band='preset', but modality={self.modality!r} has no preset; pass (low, high) in "
                f"Hz, or one of the modalities {known}."
            )
        if np.shape(np.asarray(band, dtype=object)) != (2,):
            raise ValueError(
                f"band={band!r}; expected 'preset', or (low, high) in Hz with None for an open "
                "side."
            )
        edges = [edge for edge in band if edge is not None]
        if not edges:
            raise ValueError("band=(None, None) keeps all frequencies; pass band=None instead.")
        for edge in edges:
            self._check_frequency("band", edge, band)
        if len(edges) == 2 and edges[0] >= edges[1]:
            raise ValueError(f"band={band!r}; expected low < high.")

    def _check_frequency(self, name: str, frequency: Any, given: Any) -> None:
        check_number(name, frequency, above=0, unit="Hz", given=given)
        if frequency >= self.sampling_rate / 2:
            open_side = ", or None for an open side" if name == "band" else ""
            raise ValueError(
                f"{name}={given!r} contains {frequency:g} Hz, which is not below the Nyquist "
                f"frequency, {self.sampling_rate / 2:g} Hz at sampling_rate={self.sampling_rate:g};"
                f" pass a lower frequency{open_side}."
            )

    def _check_resample_to(self) -> None:
        check_number("resample_to", self.resample_to, above=0, unit="Hz")
        nearest = float(self.sampling_rate * resampling_ratio(self.sampling_rate, self.resample_to))
        if abs(nearest - self.resample_to) > 1e-9 * self.resample_to:
            raise ValueError(
                f"resample_to={self.resample_to!r} divided by sampling_rate={self.sampling_rate!r} "
                "is not a fraction with a denominator of at most 1000; the nearest possible rate "
                f"is {nearest!r} Hz."
            )

    def _butterworth(self) -> Array:
        """Return the second-order sections of the filter for ``band``."""
        low, high = self._band()
        kind: Any = "lowpass" if low is None else "highpass" if high is None else "bandpass"
        edges = np.squeeze([edge for edge in (low, high) if edge is not None])
        return scipy.signal.butter(self.order, edges, kind, fs=self.sampling_rate, output="sos")

    def _read(self, X: Any, *, reset: bool) -> Windows:
        """Parse the windows, and check that every step can process them."""
        windows = validate_windows(
            self, X, modality=self.modality, reset=reset, allow_nan=self.missing != "error"
        )
        needed = {}
        if self.band is not None:
            name = f"band={self._band()!r} of order {self.order}"
            needed[name] = _sections_padding(self._butterworth()) + 1
        if self.notch is not None:
            needed[f"notch={self.notch!r}"] = _NOTCH_PADDING + 1
        check_shortest(windows, needed, self.modality)
        return windows

    def _prepare(self, signals: Array) -> Array:
        """Apply all steps to windows of one length, (n_windows, n_channels, n_times)."""
        gaps = np.asarray(np.isnan(signals).any(axis=-1))
        if gaps.any() and self.missing == "interpolate":
            dead = np.asarray(np.isnan(signals).all(axis=-1))
            signals = signals.copy()
            signals[gaps & ~dead] = _fill_gaps(signals[gaps & ~dead])
            gaps = dead
        steps = (self.detrend, self.band, self.notch, self.resample_to)
        if all(step is None for step in steps):
            return signals
        # Filters spread NaN over the window, and scipy's detrend raises.
        filtered = self._filter(np.where(gaps[..., None], 0.0, signals).astype(np.float64))
        filtered[gaps] = np.nan
        return filtered.astype(signals.dtype, copy=False)

    def _filter(self, signals: Array) -> Array:
        if self.detrend is not None:
            signals = scipy.signal.detrend(signals, type=self.detrend)
        if self.band is not None:
            signals = scipy.signal.sosfiltfilt(self._butterworth(), signals)
        if self.notch is not None:
            notch = scipy.signal.iirnotch(self.notch, self.notch_quality, fs=self.sampling_rate)
            signals = scipy.signal.filtfilt(*notch, signals)
        if self.resample_to is not None:
            up, down = resampling_ratio(self.sampling_rate, self.resample_to).as_integer_ratio()
            signals = scipy.signal.resample_poly(signals, up, down, axis=-1, padtype="line")
        return signals


def check_shortest(windows: Windows, needed: dict[str, int], modality: str) -> None:
    """Raise ValueError if a window has fewer samples than ``needed`` by one of the steps."""
    row, n_times = windows.shortest()
    for step, n_needed in needed.items():
        if n_times < n_needed:
            raise ValueError(
                f"Window {row} of modality {modality!r} has {n_times} samples, but {step} needs "
                f"{n_needed} or more; cut longer windows or leave out that step."
            )


def _fill_gaps(signals: Array) -> Array:
    """Interpolate NaN in each row, and fill the ends with the nearest sample; changes signals."""
    times = np.arange(signals.shape[-1])
    for row in signals:
        known = ~np.isnan(row)
        row[:] = np.interp(times, times[known], row[known])
    return signals


def _sections_padding(sections: Array) -> int:
    """Return how many samples `sosfiltfilt` adds at each end, as in its documentation."""
    n_zeros = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    return int(3 * (2 * len(sections) + 1 - n_zeros))


def _is_matrix(X: Any) -> bool:
    """Return whether ``X`` holds numbers of shape (n_windows, n_times)."""
    if cell_columns(X) is not None:
        return False
    return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 2
