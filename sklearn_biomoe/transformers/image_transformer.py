"""Signals to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ..images.fitting import check_lengths, fit_settings
from ..images.parameters import ImageParameters
from ..images.settings import ImageSettings
from ..images.stack import BiosignalImages
from ..images.value_ranges import refuse_meaningless, warn_outside
from ..representations import REPRESENTATIONS
from ..signals.modalities import ValueRange
from ..signals.windows import validate_windows
from .pickling import VersionedPickle


class BiosignalImageTransformer(  # type: ignore[call-arg]
    VersionedPickle,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    """Draw each window of a biosignal as one image per channel and representation.

    Windows are numbers of shape (n_windows, n_times), such as wide DataFrame columns; an array of
    shape (n_windows, n_channels, n_times); or a column, list, Series, Arrow array or polars Series
    whose cells are arrays that may differ in length. Several columns of such cells are channels of
    one signal. The output holds the signals; an image is drawn when it is accessed or embedded.

    A window is missing if its cell is None or NaN, or if all its samples are NaN, for example
    because a sensor dropped out. Nothing is learnt from it; its image is blank, and its embedding
    is NaN. Windows with some NaN samples are refused.

    Parameters
    ----------
    representations : "preset", str or sequence of str, default="preset"
        What to draw. "preset" uses those of the modality, see `sklearn_biomoe.signals.MODALITIES`.
        One or more of

        - "waveform": a thin dark curve on white;
        - "waveform_stacked", "waveform_overlaid": the curves of all channels in one image, one
          above the other or over each other, in distinct colours;
        - "spectrogram_psd": power of the short-time Fourier transform, in decibels;
        - "spectrogram_angle": its phase, from -pi to pi;
        - "spectrogram_phase": its phase unwrapped along frequency;
        - "scalogram": power of the Morlet wavelet transform, in decibels;
        - "recurrence": distances between all pairs of samples, near ones dark;
        - "recurrence_thresholded": pairs nearer than 20 % of the largest distance in black;
        - "gasf", "gadf": Gramian angular summation and difference fields, from -1 to 1;
        - "mtf": Markov transition field;
        - "composite": three greys as red, green and blue: waveform, spectrogram_psd and scalogram,
          the powers of each window on their own scale.

        Unwrapped phases, distances and transitions are scaled to each window, curves by
        ``value_range`` and powers by ``power_range``. Frequency, and the time of a map's rows,
        increase upwards; time increases to the right. Maps of pairs compare at most 224 samples,
        to which longer windows are averaged.
    sampling_rate : float or None, default=None
        In Hz. Required by representations with a frequency axis and by tiles.
    modality : str or list of str, default="generic"
        "eda", "bvp", "ppg", "resp", "resp_rate", "spo2", "ecg", "emg", "eeg" or "generic", or a
        common name of one of them in any case, such as "GSR"; a list has one for each channel.
        Part of the images' names; determines the presets.
    value_range : "preset", "window", "training", tuple or list, default="preset"
        Range of the vertical axis of a waveform: (low, high) or, on a logarithmic axis, (low, high,
        "log") in the signal's unit; "window", each window's smallest and largest value;
        "training", the 1st to the 99th percentile of all samples seen in `fit`, on a logarithmic
        axis (and of positive samples) if the preset is logarithmic. "preset" is a fixed range for
        modalities with a unit ("eda", "resp_rate", "spo2"), else "window". A list has one for each
        channel. Values beyond the range are drawn at the border, with a warning unless it is
        "training".
    power_range : "window", "training" or (float, float), default="window"
        Powers at the darkest and the brightest colour of a spectrogram or scalogram, in decibels of
        1 unit of power. "window": from 50 dB below each window's maximum up to it. "training": up
        to the 99th percentile of the maxima of windows seen in `fit`.
    spectrogram_window : "preset", float or None, default="preset"
        Length of spectrogram windows, in seconds; None is an eighth of the window.
    frequency_range : "preset", (float, float) or None, default="preset"
        Frequencies of spectrograms and scalograms in Hz; None shows all up to the Nyquist limit.
    colormap : str, default="viridis"
        Of spectrograms, scalograms, Gramian and Markov fields: a name in the package cmap, which
        has those of matplotlib.
    tile_length : float or None, default=None
        Cut each window into tiles of so many seconds, and draw an image of each. Single beats of
        pulse or ECG are visible in 5 to 10 s, and not in a minute.
    tile_step : float or None, default=None
        Seconds from tile to tile, ``tile_length`` if None. The last tile ends with the window.
    image_size : int, default=224
        Pixels on each side. The backbone needs 224.

    Attributes
    ----------
    n_channels_ : int
        Channels of each window seen in `fit`.
    n_times_ : int
        Samples of the first window in `fit` that is not missing.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D and n_channels of 3-D input, else columns of cells.
    feature_names_in_ : ndarray of str
        If `fit` saw a frame whose column names are all strings.
    settings_ : ImageSettings
        How windows are drawn: presets or parameters that override them, and ranges learnt in
        `fit`.

    See Also
    --------
    TinyBioMoEEmbedder : Embeds the images.
    sklearn_biomoe.plotting.plot_images : Shows images with their axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> windows = np.random.default_rng(0).uniform(2, 3, size=(5, 240))  # in µS
    >>> to_images = BiosignalImageTransformer(
    ...     ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    ... )
    >>> to_images.fit_transform(windows)
    BiosignalImages(5 windows x ['eda_waveform', 'eda_spectrogram_psd'], 224 x 224 pixels)
    """

    def __init__(
        self,
        representations: str | Sequence[str] = "preset",
        *,
        sampling_rate: float | None = None,
        modality: str | Sequence[str] = "generic",
        value_range: str | ValueRange | list[Any] = "preset",
        power_range: str | tuple[float, float] = "window",
        spectrogram_window: str | float | None = "preset",
        frequency_range: str | tuple[float, float] | None = "preset",
        colormap: str = "viridis",
        tile_length: float | None = None,
        tile_step: float | None = None,
        image_size: int = 224,
    ) -> None:
        self.representations = representations
        self.sampling_rate = sampling_rate
        self.modality = modality
        self.value_range = value_range
        self.power_range = power_range
        self.spectrogram_window = spectrogram_window
        self.frequency_range = frequency_range
        self.colormap = colormap
        self.tile_length = tile_length
        self.tile_step = tile_step
        self.image_size = image_size

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check parameters and windows, and learn the ranges that are "training".

        Parameters
        ----------
        X : array-like
            Windows in any form that the class describes.
        y : array-like of shape (n_windows,) or None
            Labels; only their number is checked.

        Returns
        -------
        self : BiosignalImageTransformer

        Raises
        ------
        ValueError
            For unknown representations, modalities and colormaps, a missing or non-positive
            sampling rate, and a frequency range above the Nyquist limit. If windows are shorter
            than a spectrogram window or than a tile, a range cannot be learnt, the number
            of labels differs from that of windows, all windows are missing, or `transform` would
            refuse them. If, of 10 windows or more, more than 95 % are entirely beyond the preset
            value range, or all of a modality other than "generic" are equal.
        """
        parameters = self._parameters()
        parameters.check()
        windows = validate_windows(self, X, modality=parameters.label, reset=True)
        _check_labels(y, len(windows), parameters.label)
        settings = fit_settings(parameters, windows)
        refuse_meaningless(settings, parameters, windows.present)
        self.settings_ = settings
        return self

    def transform(self, X: ArrayLike) -> BiosignalImages:
        """Stack the images of all windows, which are drawn on access.

        Parameters
        ----------
        X : array-like
            Windows in any form that the class describes.

        Returns
        -------
        images : BiosignalImages of shape (n_windows, n_images, image_size, image_size, 3)
            uint8. First the images of each channel, then those that join channels; the tiles of one
            image are next to each other.

        Raises
        ------
        ValueError
            If windows hold NaN or infinity, are empty, too short or not numeric, or have another
            number of channels, columns or tiles than in `fit`; the message names the first such
            row. Windows that are missing entirely are accepted. If a representation of one's own
            is not registered in this process.
        """
        check_is_fitted(self, "settings_")
        _check_registered(self.settings_)
        parameters = self._parameters()
        windows = validate_windows(self, X, modality=parameters.label, reset=False)
        check_lengths(self.settings_, windows, parameters.label)
        warn_outside(self.settings_, parameters, windows.present)
        return BiosignalImages(windows, self.settings_)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name each window's images.

        Parameters
        ----------
        input_features : None
            Ignored: images are named after the modality.

        Returns
        -------
        names : ndarray of shape (n_images,), object
            Such as "eda_spectrogram_psd", "eeg_1_waveform" if several channels share a modality,
            "eda_bvp_waveform_stacked" if channels are joined, "bvp_waveform_tile0".
        """
        check_is_fitted(self, "settings_")
        return np.asarray(self.settings_.image_names, dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images do not fit in frames, but a Pipeline configures all its steps."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _parameters(self) -> ImageParameters:
        return ImageParameters(**self.get_params(deep=False))


def _check_registered(settings: ImageSettings) -> None:
    for panel in settings.panels:
        if panel.representation not in REPRESENTATIONS:
            raise ValueError(
                f"Representation {panel.representation!r} is not known in this process; import the "
                "module that adds it to REPRESENTATIONS before transform."
            )


def _check_labels(y: Any, n_windows: int, label: str) -> None:
    if y is None or (n_labels := len(np.asarray(y))) == n_windows:
        return
    first = min(n_windows, n_labels)
    problem = "has no label" if n_labels < n_windows else "does not exist, but has a label"
    raise ValueError(
        f"There are {n_windows} windows of modality {label!r} but {n_labels} labels: window "
        f"{first} {problem}. Pass one label for each window, in the same order."
    )
