"""The two transformers: signals to pictures, and pictures to embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from .images import BiosignalImages, image_names
from .signals import MODALITIES, check_known, validate_windows

# Modules that import torch are imported where they are first needed: loading it takes as long again
# as all of `import sklearn_biomoe`.


class UntrainedBackboneWarning(UserWarning):
    """The backbone's weights are random: embeddings carry what an untrained network lets pass."""


class BiosignalImageTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Draw each window of a biosignal as one picture per channel and representation.

    Windows come as numbers of shape (n_windows, n_times), such as wide DataFrame columns, as an
    array of shape (n_windows, n_channels, n_times), or as a column, list, Series, Arrow array or
    polars Series whose cells are arrays that may differ in length. Several columns of such cells
    are channels of one signal. Pictures are drawn when they are looked at or embedded: the
    transformer's output holds no more than the signals.

    Parameters
    ----------
    representations : sequence of str, default=("waveform",)
        What to draw, any of

        - "waveform": a thin dark curve on white;
        - "spectrogram_psd": power of the short-time Fourier transform, in decibels;
        - "spectrogram_angle": its phase, from -pi to pi;
        - "spectrogram_phase": its phase unwrapped along time;
        - "scalogram": power of the Morlet wavelet transform, in decibels;
        - "recurrence": distances between all pairs of samples, near ones dark;
        - "recurrence_thresholded": pairs nearer than 20 % of the largest distance in black;
        - "gasf", "gadf": Gramian angular summation and difference fields, from -1 to 1;
        - "mtf": Markov transition field.

        Colours are viridis'. Curves, powers, phases, distances and probabilities are scaled to
        each window. Frequency and the time of a map's rows go upwards, time goes to the right.
        Maps of pairs of samples compare at most 224, averaged from longer windows.
    sampling_rate : float or None, default=None
        In Hz. Required by representations with a frequency axis.
    modality : str, default="generic"
        Kind of signal: "eda", "bvp", "ppg", "resp", "spo2", "ecg", "emg", "eeg" or "generic".
        Decides the window length and frequency range of spectrograms, and names the features.
    image_size : int, default=224
        Pixels on each side. The backbone takes 224.

    Attributes
    ----------
    n_channels_ : int
        Channels of each window seen in `fit`.
    n_features_in_ : int
        Columns seen in `fit`: n_times of 2-D, n_channels of 3-D input, else columns of cells.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    TinyBioMoEEmbedder : Embeds the pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> windows = np.random.default_rng(0).normal(size=(5, 240))
    >>> drawer = BiosignalImageTransformer(
    ...     ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    ... )
    >>> drawer.fit_transform(windows)
    BiosignalImages(5 windows x ['eda_waveform', 'eda_spectrogram_psd'], 224 x 224 pixels)
    """

    def __init__(
        self,
        representations: Sequence[str] = ("waveform",),
        *,
        sampling_rate: float | None = None,
        modality: str = "generic",
        image_size: int = 224,
    ) -> None:
        self.representations = representations
        self.sampling_rate = sampling_rate
        self.modality = modality
        self.image_size = image_size

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the parameters and the form of the windows; nothing is learnt.

        Parameters
        ----------
        X : array-like
            Windows in any form that the class describes.
        y : None
            Ignored.

        Returns
        -------
        self : BiosignalImageTransformer

        Raises
        ------
        ValueError
            For unknown representations or modalities, a missing or non-positive sampling rate, a
            frequency range above the Nyquist limit, and windows that `transform` would refuse.
        """
        self._check_parameters()
        validate_windows(self, X, modality=self.modality, reset=True)
        return self

    def transform(self, X: ArrayLike) -> BiosignalImages:
        """Stack the pictures of all windows, to be drawn on access.

        Parameters
        ----------
        X : array-like
            Windows in any form that the class describes.

        Returns
        -------
        images : BiosignalImages of shape (n_windows, n_images, image_size, image_size, 3)
            uint8, with n_images = channels x representations.

        Raises
        ------
        ValueError
            For windows that hold NaN or infinity, are empty or not numeric, or have another number
            of channels or columns than in `fit`; the first bad row is named.
        """
        check_is_fitted(self, "n_channels_")
        self._check_parameters()
        return BiosignalImages(
            validate_windows(self, X, modality=self.modality, reset=False),
            representations=self.representations,
            sampling_rate=self.sampling_rate,
            modality=self.modality,
            image_size=self.image_size,
            index=X.index if isinstance(X, pd.DataFrame | pd.Series) else None,
        )

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name each window's pictures.

        Parameters
        ----------
        input_features : None
            Ignored: pictures are named after the modality.

        Returns
        -------
        names : ndarray of shape (n_images,), object
            Such as "eda_spectrogram_psd", or "eeg_1_waveform" where there are several channels.
        """
        check_is_fitted(self, "n_channels_")
        names = image_names(self.n_channels_, self.representations, self.modality)
        return np.asarray(names, dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: pictures fit in no frame, but a Pipeline sets the output of all its steps."""
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _check_parameters(self) -> None:
        from .representations import check_representations

        check_known("modality", self.modality, list(MODALITIES))
        if np.ndim(self.representations) != 1 or not len(self.representations):
            raise ValueError(
                f"representations={self.representations!r}; expected a list of one or more names, "
                "such as ['waveform', 'spectrogram_psd']."
            )
        if self.sampling_rate is not None and not (
            isinstance(self.sampling_rate, Real)
            and not isinstance(self.sampling_rate, bool)
            and 0 < self.sampling_rate < np.inf
        ):
            raise ValueError(
                f"sampling_rate={self.sampling_rate!r}; expected a positive number in Hz."
            )
        if not isinstance(self.image_size, Integral) or self.image_size < 8:
            raise ValueError(f"image_size={self.image_size!r}; expected an integer of 8 or more.")
        check_representations(self.representations, self.sampling_rate, self.modality)


class _ContainerOutput(TransformerMixin):
    """Gives `transform` to scikit-learn's `set_output`, so that a subclass can finish frames."""

    def transform(self, X: Any) -> Any:
        return self._embed(X)


class TinyBioMoEEmbedder(_ContainerOutput, BaseEstimator):
    """Embed pictures of biosignals with the frozen Tiny-BioMoE backbone.

    `fit` trains nothing: it checks the pictures and reads the weights. The backbone runs in
    evaluation mode without gradients; all embedders of a process with the same weights share one
    copy of it, and pickles hold parameters and the weights' hash alone.

    Parameters
    ----------
    weights : str or path, default="random"
        "random" for an untrained backbone, seeded by ``random_state``; a warning says so. Else the
        path of a ``.safetensors`` or ``.pth`` state dict, which is read without executing code.
    fuse : {"concatenate", "mean"}, default="concatenate"
        How the embeddings of a window's pictures become one row: side by side, or their mean.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" takes CUDA where torch sees it, else the CPU.
    batch_size : int, default=8
        Pictures embedded at once. The last batch is filled up with blanks, so that an embedding
        does not depend on what it was batched with.
    progress : bool, default=False
        Show a progress bar.
    random_state : int, RandomState instance or None, default=0
        Seed of random weights.

    Attributes
    ----------
    weights_sha256_ : str
        Hash of the weights' file, or of the random weights' values.
    seed_ : int
        That random weights are drawn from.
    image_names_ : list of str
        Names of each window's pictures, as seen in `fit`.

    See Also
    --------
    BiosignalImageTransformer : Draws the pictures.

    References
    ----------
    Gkikas et al., "Tiny-BioMoE: a Lightweight Embedding Model for Biosignal Analysis", arXiv
    2507.21875, doi 10.1145/3747327.3764788.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import (
    ...     BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning
    ... )
    >>> warnings.simplefilter("ignore", UntrainedBackboneWarning)
    >>> windows = np.random.default_rng(0).normal(size=(5, 240))
    >>> embedder = make_pipeline(BiosignalImageTransformer(modality="eda"), TinyBioMoEEmbedder())
    >>> embedder.fit_transform(windows).shape
    (5, 192)
    >>> embedder.get_feature_names_out()[0]
    'eda_waveform_000'
    """

    def __init__(
        self,
        weights: str | PathLike[str] = "random",
        *,
        fuse: str = "concatenate",
        device: str = "auto",
        batch_size: int = 8,
        progress: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.weights = weights
        self.fuse = fuse
        self.device = device
        self.batch_size = batch_size
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: BiosignalImages | ArrayLike, y: Any = None) -> Self:
        """Check the pictures and read the weights; nothing is trained.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].
        y : None
            Ignored.

        Returns
        -------
        self : TinyBioMoEEmbedder

        Raises
        ------
        ValueError
            For anything but such pictures, an unknown ``fuse``, a device that is not there, and a
            weights file that is damaged or not the backbone's.
        FileNotFoundError
            Where there is no weights file.
        """
        from .inference import get_backbone, read_images, resolve_device
        from .weights import weights_sha256

        self._check_parameters()
        images = read_images(X)
        device = resolve_device(self.device)
        if isinstance(images, BiosignalImages):
            self.image_names_ = list(images.image_names)
        else:
            self.image_names_ = [f"image{i}" for i in range(images.shape[1])]
        self.seed_ = int(check_random_state(self.random_state).randint(2**31))
        self.weights_sha256_ = weights_sha256(self.weights, self.seed_)
        get_backbone(self.weights, self.seed_, self.weights_sha256_, device)
        if self.weights == "random":
            warnings.warn(
                "weights='random': the backbone is untrained, so embeddings carry little of what "
                "pretrained ones do. Pass weights='path/to/Tiny-BioMoE.pth' for the authors'.",
                UntrainedBackboneWarning,
                stacklevel=2,
            )
        return self

    def transform(self, X: BiosignalImages | ArrayLike) -> Any:
        """Embed each window's pictures.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].

        Returns
        -------
        embeddings : ndarray of shape (n_windows, n_images x 192) or (n_windows, 192), float32
            The latter with ``fuse="mean"``. A pandas or polars frame where `set_output` asks for
            it, with the row labels of the pandas signals that the pictures were drawn from.

        Raises
        ------
        ValueError
            For anything but such pictures, another number of them than in `fit`, a device that is
            not there, and weights that have changed since `fit`.
        """
        output = super().transform(X)
        # scikit-learn takes row labels from pandas inputs alone, and a ColumnTransformer joins its
        # parts by them: rows numbered anew would meet other windows' columns.
        if isinstance(output, pd.DataFrame) and isinstance(X, BiosignalImages):
            output.index = output.index if X.index is None else X.index
        return output

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name each value of a row.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the pictures; where given, they have to be those seen in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features,), object
            Such as "eda_waveform_000", or "mean_000" with ``fuse="mean"``.
        """
        from .backbone import EMBEDDING_SIZE

        check_is_fitted(self, "image_names_")
        if input_features is not None and list(input_features) != self.image_names_:
            raise ValueError(
                f"input_features is {list(input_features)}, but {type(self).__name__} was fitted "
                f"with pictures {self.image_names_}."
            )
        prefixes = ["mean"] if self.fuse == "mean" else self.image_names_
        names = [f"{prefix}_{i:03d}" for prefix in prefixes for i in range(EMBEDDING_SIZE)]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _embed(self, X: Any) -> NDArray[np.float32]:
        from .inference import embed, get_backbone, read_images, resolve_device

        check_is_fitted(self, "weights_sha256_")
        self._check_parameters()
        images = read_images(X)
        if images.shape[1] != len(self.image_names_):
            raise ValueError(
                f"Windows have {images.shape[1]} pictures, but {type(self).__name__} was fitted "
                f"with {len(self.image_names_)}: {self.image_names_}."
            )
        device = resolve_device(self.device)
        embeddings = embed(
            get_backbone(self.weights, self.seed_, self.weights_sha256_, device),
            images,
            device=device,
            batch_size=self.batch_size,
            progress=self.progress,
        )  # (n_windows, n_images, 192)
        return (
            embeddings.mean(axis=1) if self.fuse == "mean" else embeddings.reshape(len(images), -1)
        )

    def _check_parameters(self) -> None:
        if self.fuse not in ("concatenate", "mean"):
            raise ValueError(f"fuse={self.fuse!r}; expected 'concatenate' or 'mean'.")
        if not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size!r}; expected an integer of 1 or more.")
