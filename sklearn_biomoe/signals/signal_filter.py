"""Windows made ready to be looked at: gaps, trends, bands, mains hum and sampling rates."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array
from .._validation.parameters import check_option
from . import filtering
from .containers import cell_columns
from .modalities import MODALITIES, check_hertz
from .windows import Windows, label_windows, validate_windows


class SignalFilter(  # type: ignore[call-arg]
    OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Fill gaps, remove trends, filter and resample windows, each window by itself.

    The steps are taken in this order: ``missing``, ``detrend``, ``band``, ``notch``,
    ``resample_to``; what is None is left out, and the default changes nothing. Filters run forth
    and back, so they shift nothing in time, and damp twice as much in decibels as one run. Short
    windows carry transients at both ends: where whole recordings are at hand, filter those (each a
    "window") before cutting them.

    Parameters
    ----------
    sampling_rate : float or None, default=None
        In Hz. Required by ``band``, ``notch`` and ``resample_to``.
    band : (float or None, float or None), "preset" or None, default=None
        Lowest and highest frequency to keep, in Hz; None leaves that side open. At each of them
        the Butterworth filter lets half of the amplitude through. "preset" takes the modality's,
        see `sklearn_biomoe.signals.MODALITIES`.
    order : int, default=4
        Of the Butterworth filter.
    notch : float or None, default=None
        Frequency to remove, in Hz: 50 or 60 for mains hum.
    notch_quality : float, default=30.0
        ``notch`` divided by the width of what is removed.
    detrend : {"constant", "linear"} or None, default=None
        Subtract the mean, or the line of least squares.
    resample_to : float or None, default=None
        New sampling rate in Hz. Beyond its ends a window is taken to go on along the line through
        its first and last sample, so that its level causes no jump.
    missing : {"error", "interpolate", "propagate"}, default="error"
        What to do with NaN. "error": refuse them, naming the window. "interpolate": fill gaps by a
        straight line, and gaps at the ends by the nearest sample. "propagate": where any step is
        asked for, a channel that holds NaN comes out as NaN throughout. Windows that are missing
        altogether (see `missing_windows`) stay so whatever is asked for.
    modality : str, default="generic"
        Kind of signal, named in errors and in new feature names; decides what band="preset" is.

    Attributes
    ----------
    n_channels_ : int
        Channels of each window seen in `fit`.
    n_times_ : int
        Samples of the first window that is there in `fit`.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D, n_channels of 3-D input, else columns of cells.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    BiosignalImageTransformer : Draws the windows.

    Notes
    -----
    Each step is scipy's: `scipy.signal.detrend`, `sosfiltfilt` of `butter(output="sos")`,
    `filtfilt` of `iirnotch`, and `resample_poly(padtype="line")`, all with their default padding.
    They run in float64 on all equally long windows at once.

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
        self.notch = notch
        self.notch_quality = notch_quality
        self.detrend: Any = detrend
        self.resample_to: Any = resample_to
        self.missing = missing
        self.modality = modality

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the parameters and the windows; nothing is learnt.

        Parameters
        ----------
        X : array-like
            Windows in any form that `BiosignalImageTransformer` takes.
        y : None
            Ignored.

        Returns
        -------
        self : SignalFilter

        Raises
        ------
        ValueError
            For parameters out of range, frequencies that are not below the Nyquist limit, and
            windows that `transform` would refuse.
        """
        self._check_parameters()
        windows = self._read(X, reset=True)
        # Names of 2-D output; output of any other form is one column of cells.
        self._n_times_in = windows.values.shape[-1] if _is_matrix(X) else None
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Filter every window.

        Parameters
        ----------
        X : array-like
            Windows in any form that `BiosignalImageTransformer` takes.

        Returns
        -------
        windows : ndarray, DataFrame or Series
            float32 or float64, as given. Of shape (n_windows, n_times) for 2-D numbers, a frame
            with the same row labels for a wide pandas frame; for pandas cells a Series of arrays
            (n_times,), or (n_channels, n_times) where there are several channels, with the same row
            labels; for all else (n_windows, n_channels, n_times), or a 1-D object array of
            (n_channels, n_times) where lengths differ. Resampling makes n_times
            ``ceil(n_times * resample_to / sampling_rate)``.

        Raises
        ------
        ValueError
            For windows that hold infinity, or some NaN with ``missing="error"``; a single channel
            of NaN alone with ``missing="interpolate"``; windows too short for a filter's padding;
            and another number of channels or columns than in `fit`. The first bad row is named.
        """
        check_is_fitted(self, "n_channels_")
        self._check_parameters()
        windows = self._read(X, reset=False).map(self._prepare)
        return self._in_the_form_of(X, windows.values)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name the columns of the output.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input's columns; where `fit` saw names, they have to be those.

        Returns
        -------
        names : ndarray of shape (n_features,), object
            Those of the input, but "eda_0", "eda_1", ... for resampled wide windows.
        """
        names = super().get_feature_names_out(input_features)
        if self._n_times_in is None or self.resample_to is None:
            return names
        n_times = ceil(self._n_times_in * self._ratio())
        return np.asarray([f"{self.modality}_{i}" for i in range(n_times)], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output follows the input, and windows of cells are no table."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        check_option("modality", self.modality, list(MODALITIES))
        check_option("missing", self.missing, ["error", "interpolate", "propagate"])
        if self.detrend is not None:
            check_option("detrend", self.detrend, ["constant", "linear"])
        if not isinstance(self.order, Integral) or self.order < 1:
            raise ValueError(f"order={self.order!r}; expected an integer of 1 or more.")
        check_hertz("notch_quality", self.notch_quality)
        steps = ("band", "notch", "resample_to")
        asked = [name for name in steps if getattr(self, name) is not None]
        if self.sampling_rate is not None or asked:
            hint = f" {asked[0]}={getattr(self, asked[0])!r} needs it." if asked else ""
            check_hertz("sampling_rate", self.sampling_rate, hint)
        if self.band is not None:
            self._check_band()
        if self.notch is not None:
            self._check_below_nyquist("notch", self.notch, self.notch)
        if self.resample_to is not None:
            self._check_ratio()

    def _band(self) -> Any:
        """(low, high), the modality's where that is asked for."""
        return MODALITIES[self.modality].band if _is_preset(self.band) else self.band

    def _check_band(self) -> None:
        band = self._band()
        if band is None:
            known = sorted(name for name, preset in MODALITIES.items() if preset.band)
            raise ValueError(
                f"band='preset', but modality={self.modality!r} has none; pass (low, high) in Hz, "
                f"or one of the modalities {known}."
            )
        if np.ndim(np.asarray(band, dtype=object)) != 1 or len(band) != 2:
            raise ValueError(
                f"band={band!r}; expected 'preset', or (low, high) in Hz, where None leaves a side "
                "open."
            )
        edges = [edge for edge in band if edge is not None]
        if not edges:
            raise ValueError("band=(None, None) keeps everything; pass band=None.")
        for edge in edges:
            self._check_below_nyquist("band", edge, band)
        if edges != sorted(set(edges)):
            raise ValueError(f"band={band!r}; expected low < high.")

    def _check_below_nyquist(self, name: str, frequency: Any, value: Any) -> None:
        rate = self.sampling_rate
        check_hertz(name, frequency, given=value)
        if frequency >= rate / 2:
            fix = "a lower frequency" + (" or None for an open side" if name == "band" else "")
            raise ValueError(
                f"{name}={value!r} holds {frequency:g} Hz, which is not below the Nyquist limit of "
                f"{rate / 2:g} Hz at sampling_rate={rate:g}; pass {fix}."
            )

    def _check_ratio(self) -> None:
        target, rate = self.resample_to, self.sampling_rate
        check_hertz("resample_to", target)
        nearest = float(rate * self._ratio())
        if abs(nearest - target) > 1e-9 * target:
            raise ValueError(
                f"resample_to={target!r} is {target / rate:g} times sampling_rate={rate!r}, which "
                "is no fraction with a denominator up to 1000; the nearest rate that is one is "
                f"{nearest!r}."
            )

    def _ratio(self) -> Fraction:
        return filtering.resampling_ratio(self.resample_to, self.sampling_rate)

    def _sections(self) -> Array:
        return filtering.band_sections(self._band(), self.order, self.sampling_rate)

    def _read(self, X: Any, *, reset: bool) -> Windows:
        """Read the windows, and refuse what a step could not work on."""
        windows = validate_windows(
            self, X, modality=self.modality, reset=reset, allow_nan=self.missing != "error"
        )
        if self.missing == "interpolate":
            _refuse_empty_channels(windows, self.modality)
        self._refuse_short(windows)
        return windows

    def _refuse_short(self, windows: Windows) -> None:
        padding = {}
        if self.band is not None:
            padding[f"band={self._band()!r} of order {self.order}"] = filtering.band_padding(
                self._sections()
            )
        if self.notch is not None:
            padding[f"notch={self.notch!r}"] = filtering.NOTCH_PADDING
        row, n_times = windows.shortest()
        for step, n_padded in padding.items():
            if n_times <= n_padded:
                raise ValueError(
                    f"Window {row} of modality {self.modality!r} has {n_times} samples, "
                    f"but {step} mirrors {n_padded} at each end and needs {n_padded + 1} or more; "
                    "cut longer windows, lower a band's order, or filter the recording before "
                    "cutting it."
                )

    def _prepare(self, signals: Array) -> Array:
        """Take all steps on equally long windows, (n_windows, n_channels, n_times)."""
        gaps = np.asarray(np.isnan(signals).any(axis=-1))
        if gaps.any() and self.missing == "interpolate":
            signals = signals.copy()
            signals[gaps] = filtering.fill_gaps(signals[gaps])
            gaps = np.zeros_like(gaps)
        steps = (self.detrend, self.band, self.notch, self.resample_to)
        if all(step is None for step in steps):
            return signals
        # No step is to meet NaN: filters spread them, the line of least squares refuses them.
        known = np.where(gaps[..., None], 0.0, signals).astype(np.float64, copy=False)
        prepared = self._filter(known)
        prepared[gaps] = np.nan
        return prepared.astype(signals.dtype, copy=False)

    def _filter(self, signals: Array) -> Array:
        rate = self.sampling_rate
        if self.detrend is not None:
            signals = filtering.remove_trend(signals, self.detrend)
        if self.band is not None:
            signals = filtering.band_pass(signals, self._sections())
        if self.notch is not None:
            signals = filtering.remove_frequency(signals, self.notch, self.notch_quality, rate)
        if self.resample_to is not None:
            signals = filtering.resample(signals, self._ratio())
        return signals

    def _in_the_form_of(self, X: Any, windows: Array) -> Any:
        if _is_matrix(X):
            if not isinstance(X, pd.DataFrame):
                return windows[:, 0]
            columns = X.columns if self.resample_to is None else self.get_feature_names_out()
            return pd.DataFrame(windows[:, 0], index=X.index, columns=columns)
        if isinstance(X, pd.DataFrame | pd.Series):
            cells = [window[0] if self.n_channels_ == 1 else window for window in windows]
            return label_windows(cells, X, modality=self.modality)
        return windows


def _is_preset(band: Any) -> bool:
    return isinstance(band, str) and band == "preset"


def _is_matrix(X: Any) -> bool:
    """Whether ``X`` is numbers of shape (n_windows, n_times)."""
    if cell_columns(X) is not None:
        return False
    return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 2


def _refuse_empty_channels(windows: Windows, modality: str) -> None:
    empty = np.stack([np.isnan(window).all(axis=-1) for window in windows.values])
    empty[empty.all(axis=1)] = False  # windows that are missing stay so
    if empty.any():
        row, channel = np.argwhere(empty)[0]
        of = "" if empty.shape[1] == 1 else f" in channel {channel}"
        raise ValueError(
            f"Window {row} of modality {modality!r} holds NaN alone{of} ({windows.lengths[row]} "
            "samples), so there is nothing to interpolate from; drop the window."
        )
