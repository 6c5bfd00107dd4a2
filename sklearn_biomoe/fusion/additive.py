"""Additive fusion: the mean of several embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._typing import Array
from .._validation.parameters import check_integer


class AdditiveFusion(TransformerMixin, BaseEstimator):
    """Replace the embeddings of a window by their mean; missing embeddings are ignored.

    The embeddings may be of modalities, representations or both, and are concatenated along the
    columns of X. The output has the size of one embedding, however many there are, and is defined
    for windows that lack a modality.

    Parameters
    ----------
    embedding_size : int, default=192
        Columns of each embedding.

    Attributes
    ----------
    n_embeddings_ : int
        Number of embeddings of a window.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if all are strings.

    See Also
    --------
    TinyBioMoEEmbedder : Averages the images of one modality with ``fuse="mean"``.
    LateFusionClassifier : Averages predictions.

    Notes
    -----
    The additive fusion of Gkikas et al. (arXiv 2507.21875) is a sum. The mean differs from it by a
    constant factor, and is not smaller for windows that lack a modality.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.fusion import AdditiveFusion
    >>> eda_and_bvp = np.array([[1.0, 2.0, 3.0, 6.0], [1.0, 2.0, np.nan, np.nan]])
    >>> AdditiveFusion(embedding_size=2).fit_transform(eda_and_bvp)
    array([[2., 4.],
           [1., 2.]])
    """

    def __init__(self, embedding_size: int = 192) -> None:
        self.embedding_size = embedding_size

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the number of columns; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_embeddings x embedding_size)
        y : None
            Ignored.

        Returns
        -------
        self : AdditiveFusion

        Raises
        ------
        ValueError
            If ``embedding_size`` is not a positive integer, the number of columns is not a multiple
            of it, or X contains infinity.
        """
        check_integer("embedding_size", self.embedding_size)
        n_columns = self._read(X, reset=True).shape[1]
        if n_columns % self.embedding_size:
            raise ValueError(
                f"X has {n_columns} columns, which is not a multiple of "
                f"embedding_size={self.embedding_size}; keep other features in another branch."
            )
        self.n_embeddings_ = n_columns // int(self.embedding_size)
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Average the embeddings of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_embeddings x embedding_size)
            An embedding is missing if all its values are NaN.

        Returns
        -------
        embeddings : ndarray of shape (n_windows, embedding_size)
            float32 or float64, as X. NaN if all embeddings of a window are missing.

        Raises
        ------
        ValueError
            If X has another number of columns than in `fit`, or contains infinity.
        """
        check_is_fitted(self, "n_embeddings_")
        features = self._read(X, reset=False)
        # (n_windows, n_embeddings x size) -> (n_windows, n_embeddings, size)
        embeddings = features.reshape(len(features), self.n_embeddings_, self.embedding_size)
        present = ~np.isnan(embeddings).all(axis=2, keepdims=True)
        count = present.sum(axis=1)
        total = np.where(present, embeddings, 0).sum(axis=1, dtype=np.float64)
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return mean.astype(features.dtype, copy=False)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of shape (embedding_size,), object
            "mean_000", "mean_001", ...
        """
        check_is_fitted(self, "n_embeddings_")
        return np.asarray([f"mean_{i:03d}" for i in range(self.embedding_size)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _read(self, X: Any, *, reset: bool) -> Array:
        return validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
        )
