"""The mean of embeddings that stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


class AdditiveFusion(TransformerMixin, BaseEstimator):
    """Replace the embeddings of a row by their mean, leaving out those that are missing.

    Of modalities, representations or both: whatever stands side by side counts the same. Rows keep
    the size of one embedding however many there are, and a window without one of its modalities
    is embedded by the others.

    Parameters
    ----------
    embedding_size : int, default=192
        Columns of each embedding.

    Attributes
    ----------
    n_embeddings_ : int
        That stand side by side.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    TinyBioMoEEmbedder : Its ``fuse="mean"`` averages the images of one modality.
    LateFusionClassifier : Averages decisions.

    Notes
    -----
    The additive fusion of Gkikas et al. (arXiv 2507.21875) sums; the mean differs by a factor
    alone where nothing is missing, and does not shrink where something is.

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
        """Count the embeddings; nothing is learnt.

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
            Where the columns are no whole number of embeddings, and for infinite values.
        """
        if not isinstance(self.embedding_size, Integral) or self.embedding_size < 1:
            raise ValueError(
                f"embedding_size={self.embedding_size!r}; expected an integer of 1 or more."
            )
        features = self._read(X, reset=True)
        self.n_embeddings_: int = features.shape[1] // int(self.embedding_size)
        if features.shape[1] % self.embedding_size:
            raise ValueError(
                f"X has {features.shape[1]} columns, which are no whole number of embeddings of "
                f"{self.embedding_size}; keep other features in another branch."
            )
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Average the embeddings of each row.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_embeddings x embedding_size)
            An embedding of NaN alone is missing.

        Returns
        -------
        embeddings : ndarray of shape (n_windows, embedding_size)
            float32 or float64, as given; NaN where all of a row's embeddings are missing.

        Raises
        ------
        ValueError
            For another number of columns than in `fit`, and infinite values.
        """
        check_is_fitted(self, "n_embeddings_")
        features = self._read(X, reset=False)
        # (n_windows, n_embeddings x size) -> (n_windows, n_embeddings, size)
        embeddings = features.reshape(len(features), self.n_embeddings_, self.embedding_size)
        there = ~np.isnan(embeddings).all(axis=2, keepdims=True)
        count = there.sum(axis=1)
        total = np.where(there, embeddings, 0).sum(axis=1, dtype=np.float64)
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return mean.astype(features.dtype, copy=False)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name each value of a row.

        Parameters
        ----------
        input_features : None
            Ignored: values are of no single input.

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

    def _read(self, X: Any, *, reset: bool) -> NDArray[Any]:
        return validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
        )
