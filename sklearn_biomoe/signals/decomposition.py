"""Skin conductance taken apart: its level, its responses, and what drives them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy  # which loads scipy.signal at first use: importing it takes time
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from . import filtering
from .modalities import check_known
from .reading import Signals, validate_windows

Array = NDArray[Any]

COMPONENTS = ("raw", "tonic", "phasic", "detrended", "sympathetic")
SYMPATHETIC_BAND = (0.08, 0.24)  # Hz
SYMPATHETIC_ORDER = 4
SHORTEST_TONIC = 10  # samples: NeuroKit2's filter pads nine


class EDADecomposer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Turn each window of skin conductance into several processed versions of it, as channels.

    Drawn together (``BiosignalImageTransformer(["waveform_stacked"], ...)``) they make the
    multi-representation diagrams of Gkikas et al. Each window is decomposed by itself.

    Parameters
    ----------
    components : sequence of str, default=("raw", "tonic", "phasic")
        In this order, any of

        - "raw": the window as it is;
        - "tonic", "phasic": its level and its responses, by `neurokit2.eda_phasic`;
        - "detrended": without its line of least squares;
        - "sympathetic": time-varying index of sympathetic activity, without unit: the amplitude
          (of the analytic signal) of what lies between 0.08 and 0.24 Hz, after scaling that to
          unit variance. Constant windows have zeros.
    sampling_rate : float or None, default=None
        In Hz. Required by "tonic", "phasic" and "sympathetic".
    method : {"highpass", "smoothmedian"}, default="highpass"
        How NeuroKit2 parts tonic and phasic: Butterworth filters at 0.05 Hz, or a running median
        over 4 s, whose remainder is phasic.

    Attributes
    ----------
    n_channels_ : int
        1.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D input, else 1.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    BiosignalImageTransformer : Draws the components, each by itself or all in one picture.

    Notes
    -----
    The sympathetic index is that of Posada-Quintero et al., but for the filter that isolates the
    band: theirs is a variable frequency complex demodulation of the signal at 2 Hz, ours a
    Butterworth band-pass of order 4 run forth and back (`scipy.signal.sosfiltfilt`).

    References
    ----------
    Gkikas, Kyprakis and Tsiknakis, "Multi-Representation Diagrams for Pain Recognition:
    Integrating Various Electrodermal Activity Signals into a Single Image", arXiv 2507.21881.

    Makowski et al. (2021), "NeuroKit2: A Python toolbox for neurophysiological signal
    processing".

    Posada-Quintero et al. (2016), "Time-varying analysis of electrodermal activity during
    exercise".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import EDADecomposer
    >>> seconds = np.arange(0, 60, 1 / 4)
    >>> windows = 5 + 0.02 * seconds + 0.3 * np.sin(2 * np.pi * 0.15 * seconds) * np.ones((3, 1))
    >>> decomposer = EDADecomposer(("raw", "detrended", "sympathetic"), sampling_rate=4)
    >>> decomposer.fit_transform(windows).shape
    (3, 3, 240)
    """

    def __init__(
        self,
        components: Sequence[str] = ("raw", "tonic", "phasic"),
        *,
        sampling_rate: float | None = None,
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
            Windows of one channel in any form that `BiosignalImageTransformer` takes.
        y : None
            Ignored.

        Returns
        -------
        self : EDADecomposer

        Raises
        ------
        ValueError
            For unknown components or methods, a missing or too low sampling rate, and windows that
            `transform` would refuse.
        ImportError
            Where "tonic" or "phasic" are asked for without NeuroKit2.
        """
        self._check_parameters()
        self._read(X, reset=True)
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Decompose every window.

        Parameters
        ----------
        X : array-like
            Windows of one channel in any form that `BiosignalImageTransformer` takes.

        Returns
        -------
        windows : ndarray or Series
            float32 or float64, as given: of shape (n_windows, n_components, n_times), or a 1-D
            object array of (n_components, n_times) where lengths differ. For pandas input a Series
            of such arrays, with the same row labels.

        Raises
        ------
        ValueError
            For windows that hold NaN or infinity, are too short, or have several channels; the
            first bad row is named.
        """
        check_is_fitted(self, "n_channels_")
        windows = filtering.by_length(self._read(X, reset=False), self._decompose)
        if not isinstance(X, pd.DataFrame | pd.Series):
            return windows
        return pd.Series(list(windows), index=X.index, name="eda", dtype=object)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name the components.

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
        """Do nothing: windows of several channels are no table."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        names = self.components
        if isinstance(names, str) or np.ndim(names) != 1 or not len(names):
            raise ValueError(
                f"components={names!r}; expected a list of one or more of {list(COMPONENTS)}."
            )
        for name in names:
            check_known("component", name, COMPONENTS)
        if len(set(names)) < len(names):
            raise ValueError(f"components={names!r} names one twice.")
        check_known("method", self.method, ["highpass", "smoothmedian"])
        slow = [name for name in names if name not in ("raw", "detrended")]
        rate = self.sampling_rate
        lowest = 2 * SYMPATHETIC_BAND[1]
        if slow and not (isinstance(rate, Real) and np.isfinite(float(rate)) and rate > lowest):
            raise ValueError(
                f"sampling_rate={rate!r}; component {slow[0]!r} needs a number above {lowest:g} Hz."
            )
        if {"tonic", "phasic"} & set(names):
            _neurokit()

    def _read(self, X: Any, *, reset: bool) -> Signals:
        signals = validate_windows(self, X, modality="eda", reset=reset)
        if self.n_channels_ > 1:
            raise ValueError(
                f"Windows have {self.n_channels_} channels; EDADecomposer takes one, skin "
                "conductance. Give each channel a decomposer of its own."
            )
        lengths = [window.shape[-1] for window in signals]
        row = int(np.argmin(lengths))
        for name in self.components:
            if lengths[row] < self._shortest(name):
                raise ValueError(
                    f"Window {row} of modality 'eda' has {lengths[row]} samples, but component "
                    f"{name!r} needs {self._shortest(name)} or more; cut longer windows or leave "
                    "it out."
                )
        return signals

    def _shortest(self, component: str) -> int:
        """Count the samples that a component cannot do without."""
        if component == "sympathetic":
            return filtering.band_padding(self._sections()) + 1
        return SHORTEST_TONIC if component in ("tonic", "phasic") else 1

    def _sections(self) -> Array:
        rate = float(self.sampling_rate or 0)
        return filtering.band_sections(SYMPATHETIC_BAND, SYMPATHETIC_ORDER, rate)

    def _decompose(self, signals: Array) -> Array:
        """(n_windows, 1, n_times) to (n_windows, n_components, n_times)."""
        dtype, signals = signals.dtype, signals.astype(np.float64, copy=False)
        found = {"raw": signals}
        if {"tonic", "phasic"} & set(self.components):
            found["tonic"], found["phasic"] = self._tonic_and_phasic(signals)
        if "detrended" in self.components:
            found["detrended"] = filtering.remove_trend(signals, "linear")
        if "sympathetic" in self.components:
            found["sympathetic"] = self._sympathetic(signals)
        decomposed = np.concatenate([found[name] for name in self.components], axis=1)
        return decomposed.astype(dtype, copy=False)

    def _tonic_and_phasic(self, signals: Array) -> tuple[Array, Array]:
        decompose = _neurokit().eda_phasic
        parts = [decompose(window[0], self.sampling_rate, method=self.method) for window in signals]
        tonic, phasic = (
            np.stack([part[name].to_numpy() for part in parts])[:, None]
            for name in ("EDA_Tonic", "EDA_Phasic")
        )
        return tonic, phasic

    def _sympathetic(self, signals: Array) -> Array:
        # Counted from the first sample, a constant window is zero, and so is its band.
        band = filtering.band_pass(signals - signals[..., :1], self._sections())
        spread = band.std(axis=-1, keepdims=True)
        unit = np.divide(band, spread, out=np.zeros_like(band), where=spread > 0)
        return np.abs(scipy.signal.hilbert(unit))


def _neurokit() -> Any:
    try:
        with warnings.catch_warnings():  # NeuroKit2 looks into a deprecated corner of scipy
            warnings.simplefilter("ignore", DeprecationWarning)
            import neurokit2
    except ImportError as error:
        raise ImportError(
            "The components 'tonic' and 'phasic' need NeuroKit2: pip install 'sklearn-biomoe[eda]'."
        ) from error
    return neurokit2
