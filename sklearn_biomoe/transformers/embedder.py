"""TinyBioMoEEmbedder: from images to embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._progress import shows_progress
from .._typing import Array
from .._validation.parameters import check_integer, check_option
from ..backbone.network import EMBEDDING_SIZE
from ..images.stack import BiosignalImages
from ..inference import (
    CacheInfo,
    Engine,
    check_precision,
    choose_batch_size,
    embed,
    get_engine,
    open_cache,
    read_images,
    resolve_device,
    resolve_engine,
)
from ..weights import BackboneWeights, weights_sha256
from .diagrams import show_weights
from .pickling import VersionedPickle


class UntrainedBackboneWarning(UserWarning):
    """The weights of the backbone are random, so embeddings are those of an untrained network."""


class _ContainerOutput(TransformerMixin):
    """Has scikit-learn wrap `transform` for `set_output`, so that a subclass can label frames."""

    def transform(self, X: Any) -> Any:
        return self._embed(X)


class TinyBioMoEEmbedder(_ContainerOutput, VersionedPickle, BaseEstimator):
    """Embed images of biosignals with the frozen Tiny-BioMoE backbone.

    `fit` trains nothing: it checks the images and reads the weights. The backbone runs in
    evaluation mode without gradients; all embedders of a process with the same weights share one
    copy. Pickles hold parameters, versions and the hash of the weights; an unpickled embedder
    refuses other weights and warns of other versions.

    Parameters
    ----------
    weights : str or path, default="open"
        "open" for those in the package, pretrained on simulated signals of all modalities. "paper"
        for the authors' checkpoint, which is downloaded at first use (extra ``data``). "random"
        for an untrained backbone, seeded by ``random_state``, with a warning.
        ``hf://owner/name`` or ``hf://owner/name@revision`` for those of a repository on the
        Hugging Face Hub (extra ``hub``), whose commit and hash are recorded at first use.
        Otherwise the path of a ``.safetensors`` or ``.pth`` state dict. Files are read without
        executing code.
    weights_sha256 : str or None, default=None
        Required hash of the weights, as in ``weights_sha256_``. A file with another hash is refused
        before it is parsed.
    fuse : {"concatenate", "mean", "mean_tiles"}, default="concatenate"
        How the embeddings of a window's images become one row: concatenated, averaged, or
        concatenated after the tiles of each image are averaged.
    device : str, default="auto"
        "cpu", "cuda", "cuda:<index>" or "mps"; "auto" is CUDA if torch finds a CUDA device, else
        the CPU. "mps", a GPU of Apple, is experimental: the CPU draws the images for it.
    precision : {"float32", "tf32", "bfloat16"}, default="float32"
        Of the backbone's computations, from the most to the least exact. float32 is exact on every
        device, whatever torch is set to. TF32 rounds the factors of convolutions and matrix
        products to 10 bits; only CUDA devices have it. bfloat16 is the fastest. A precision that
        the device has no instructions for is an error.
    engine : {"torch", "compile", "onnxruntime", "auto"}, default="torch"
        What runs the backbone. "compile" is `torch.compile`, on CUDA devices and CPUs: it takes up
        to a minute in each process, and is faster for many images on a GPU. ONNX Runtime (extra
        ``onnx``; on a CPU, in float32) is faster. When weights are first used it exports them,
        which takes several seconds, and stores the result in the folder ``SKLEARN_BIOMOE_CACHE`` or
        else the platform's folder for caches. "auto" is ONNX Runtime if it is installed and can
        run, else "torch".
    batch_size : int or "auto", default="auto"
        Images embedded at once. "auto" is 8 on a CPU, since larger batches do not fit into its
        caches, and a power of two from 8 to 256 on a GPU, depending on its memory. The last batch
        is filled with blanks, so that an embedding does not depend on the others in its batch.
        Halved if a GPU runs out of memory.
    cache : "memory", path or None, default="memory"
        Where embeddings are cached by the content of their images, so that folds, grid points and
        clones embed each image once: in this process (the last 256 MB), in an SQLite file that
        several processes share, or not at all.
    progress : "auto" or bool, default="auto"
        Show a progress bar. "auto" shows it in terminals and notebooks if tqdm is installed.
    random_state : int, RandomState instance or None, default=0
        Seed of random weights.

    Attributes
    ----------
    weights_sha256_ : str
        Hash of the weights' file, or of the random weights' values.
    seed_ : int
        Of random weights.
    image_names_ : list of str
        Names of each window's images, as seen in `fit`.
    n_tiles_ : int
        Tiles of each image, as seen in `fit`.

    See Also
    --------
    BiosignalImageTransformer : Draws the images.

    References
    ----------
    Gkikas et al., "Tiny-BioMoE: a Lightweight Embedding Model for Biosignal Analysis", arXiv
    2507.21875, doi 10.1145/3747327.3764788.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
    >>> windows = np.random.default_rng(0).uniform(2, 3, size=(5, 240))  # in µS
    >>> embedder = make_pipeline(BiosignalImageTransformer(modality="eda"), TinyBioMoEEmbedder())
    >>> embedder.fit_transform(windows).shape
    (5, 192)
    >>> embedder.get_feature_names_out()[0]
    'eda_waveform_000'
    """

    def __init__(
        self,
        weights: str | PathLike[str] = "open",
        *,
        weights_sha256: str | None = None,
        fuse: str = "concatenate",
        device: str = "auto",
        precision: str = "float32",
        engine: str = "torch",
        batch_size: int | str = "auto",
        cache: str | PathLike[str] | None = "memory",
        progress: bool | str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.weights = weights
        self.weights_sha256 = weights_sha256
        self.fuse = fuse
        self.device = device
        self.precision = precision
        self.engine = engine
        self.batch_size = batch_size
        self.cache = cache
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: BiosignalImages | ArrayLike, y: Any = None) -> Self:
        """Check the images and read the weights; nothing is trained.

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
            If X does not hold such images, ``fuse`` is unknown, the device is not available or
            does not have the precision or the engine, or the weights are damaged, not the
            backbone's, or have another hash.
        RuntimeError
            If the device is CUDA, and this process was forked from one that has used CUDA.
        OSError
            If the weights file does not exist or cannot be downloaded.
        """
        self._check_parameters()
        images = read_images(X)
        if isinstance(images, BiosignalImages):
            self.image_names_ = images.image_names
            self.n_tiles_ = images.settings.n_tiles
        else:
            self.image_names_ = [f"image{i}" for i in range(images.shape[1])]
            self.n_tiles_ = 1
        self.seed_ = int(check_random_state(self.random_state).randint(2**31))
        self.weights_sha256_ = weights_sha256(
            self.weights, self.seed_, expected=self.weights_sha256
        )
        self._engine()
        if self.weights == "random":
            warnings.warn(
                "weights='random': the backbone is untrained, and so its embeddings are much less "
                "informative than pretrained ones. The default, weights='open', is pretrained.",
                UntrainedBackboneWarning,
                stacklevel=2,
            )
        return self

    def transform(self, X: BiosignalImages | ArrayLike) -> Any:
        """Embed each window's images.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].

        Returns
        -------
        embeddings : ndarray of shape (n_windows, n_images x 192), float32
            NaN for missing windows. Of shape (n_windows, 192) with ``fuse="mean"``, and with 192
            columns for each ``n_tiles_`` images with ``fuse="mean_tiles"``. A pandas or polars
            frame if `set_output` requests it, with the row labels of the pandas signals.

        Raises
        ------
        ValueError
            If X does not hold such images or another number of them than in `fit`, the device is
            not available, or the weights have changed since `fit`.
        """
        output = super().transform(X)
        # scikit-learn takes row labels from pandas inputs only. A ColumnTransformer joins its parts
        # by row labels, and would combine the columns of different windows.
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
            Names of the images; if given, they must be those seen in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features,), object
            Such as "eda_waveform_000", or "mean_000" with ``fuse="mean"``.
        """
        check_is_fitted(self, "image_names_")
        if input_features is not None and list(input_features) != self.image_names_:
            raise ValueError(
                f"input_features is {list(input_features)}, but {type(self).__name__} was fitted "
                f"with images {self.image_names_}."
            )
        prefixes = {
            "concatenate": self.image_names_,
            "mean": ["mean"],
            "mean_tiles": [
                name.removesuffix("_tile0") for name in self.image_names_[:: self.n_tiles_]
            ],
        }[self.fuse]
        names = [f"{prefix}_{i:03d}" for prefix in prefixes for i in range(EMBEDDING_SIZE)]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _sk_visual_block_(self) -> Any:
        return show_weights(self)

    def _embed(self, X: Any) -> NDArray[np.float32]:
        check_is_fitted(self, "weights_sha256_")
        self._check_parameters()
        images = read_images(X)
        if images.shape[1] != len(self.image_names_):
            raise ValueError(
                f"Windows have {images.shape[1]} images, but {type(self).__name__} was fitted "
                f"with {len(self.image_names_)}: {self.image_names_}."
            )
        embeddings = self._embed_images(images)  # (n_windows, n_images, 192)
        if self.fuse == "mean":
            return embeddings.mean(axis=1)
        if self.fuse == "mean_tiles":  # -> (n_windows, n_panels, n_tiles, 192)
            embeddings = embeddings.reshape(len(images), -1, self.n_tiles_, EMBEDDING_SIZE)
            embeddings = embeddings.mean(axis=2)
        return embeddings.reshape(len(images), -1)

    def _embed_images(self, images: BiosignalImages | Array) -> NDArray[np.float32]:
        engine = self._engine()
        size = self.batch_size
        if isinstance(size, str):  # "auto"
            size = choose_batch_size(engine.device)
        cache = open_cache(self.cache)
        return embed(engine, images, batch_size=size, progress=self.progress, cache=cache)

    def cache_info(self) -> CacheInfo | None:
        """Count lookups of this process in the cache, and its rows.

        Returns
        -------
        info : CacheInfo(hits, misses, rows, bytes) or None
            None if ``cache`` is None.
        """
        cache = open_cache(self.cache)
        return None if cache is None else cache.info()

    def _engine(self) -> Engine:
        device, engine = self._resolve()
        return get_engine(self._weights(), device, self.precision, engine)

    def _resolve(self) -> tuple[str, str]:
        """Return the device and the engine, or raise if they are not available."""
        device = resolve_device(self.device)
        check_precision(self.precision, device)
        return device, resolve_engine(self.engine, device, self.precision)

    def _weights(self) -> BackboneWeights:
        return BackboneWeights(fspath(self.weights), self.seed_, self.weights_sha256_)

    def _load_backbone(self) -> nn.Module:
        return self._weights().load()

    def _check_parameters(self) -> None:
        check_option("fuse", self.fuse, ["concatenate", "mean", "mean_tiles"])
        shows_progress(self.progress)  # raises an error if it is wrong
        if self.batch_size != "auto":
            check_integer("batch_size", self.batch_size, alternative="'auto'")
        self._resolve()
