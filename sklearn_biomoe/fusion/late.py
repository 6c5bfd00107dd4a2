"""Late fusion: one estimator per modality, and one prediction from all of theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, recall_score

from .._typing import Array, FloatArray
from .._validation.parameters import check_option
from .._validation.predictors import check_predict_proba
from .._validation.targets import predict_probabilities, read_classes, read_values
from .combination_rules import fit_class_weights, fit_value_weights
from .modality_ensemble import ModalityEnsemble


class LateFusionClassifier(ClassifierMixin, ModalityEnsemble):
    """Classify by each modality, and combine the predictions.

    Each classifier is fitted on the windows that have its modality, and predicts only those. A
    modality is missing if its cell is None or NaN, or all its features are NaN; the prediction is
    then made from the other modalities. Windows that lack every modality are predicted as the
    class frequencies of the training windows, with a warning.

    Weights, stacking and calibration are fitted in inner folds, on predictions for windows that the
    classifiers were not fitted on. If subjects are given (``subject_column``, or ``groups`` in
    `fit`), inner folds hold out whole subjects, else windows.

    Parameters
    ----------
    estimators : list of (str, classifier, columns)
        For each modality a name, a classifier or a Pipeline that ends in one, and its columns of X.
        As in a ColumnTransformer, a single name or position selects a Series or a 1-D array, a
        list of them a frame.
    fusion : {"mean", "weighted", "vote", "stacking"}, default="mean"
        - "mean": the mean of the modalities' probabilities;
        - "weighted": their weighted mean. The weights maximise the likelihood of the true classes
          in the inner folds, in which all classes have the same total weight;
        - "vote": each modality votes for its most likely class. The mean probabilities count as one
          more vote, so that they break ties;
        - "stacking": ``final_estimator``, fitted on the probabilities of the inner folds. Those of
          a missing modality are replaced by their mean over the training windows.
    final_estimator : classifier, default=None
        Only for fusion="stacking". None is LogisticRegression.
    calibration : {"sigmoid", "isotonic"} or None, default=None
        Calibrate each classifier in inner folds, by `sklearn.calibration.CalibratedClassifierCV`
        with ``ensemble=False``. Required for classifiers without ``predict_proba``.
    cv : int or splitter, default=5
        Inner folds. An integer is a number of stratified folds; if subjects are given, they are
        split by subject, with at most one fold per subject.
    subject_column : str or int, default=None
        Name or position of the column of X that contains the subject.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : dict of str to classifier
        Fitted on all windows that have the modality. Modalities that were dropped are not included.
    weights_ : dict of str to float
        Weights with a sum of 1, if fusion="weighted".
    final_estimator_ : classifier
        The fitted ``final_estimator``, if fusion="stacking".
    modality_scores_ : dict of str to float
        Balanced accuracy of each modality in the inner folds, if fusion is "weighted" or
        "stacking".
    prior_ : ndarray of shape (n_classes,)
        Class frequencies of the training windows.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if all are strings.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : Equal to fusion="stacking" if nothing is missing and no
        subjects are given.
    AdditiveFusion : Averages embeddings instead of predictions.

    Notes
    -----
    Without metadata routing, `cross_validate` and `run_study` pass ``groups`` to `fit`
    (``params={"groups": groups}``), but GridSearchCV uses them only for its own folds. In a search,
    pass ``subject_column``, or use routing and ``set_fit_request(groups=True)``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_biomoe.fusion import LateFusionClassifier
    >>> random = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 20)
    >>> X = random.normal(size=(40, 4)) + 2 * y[:, None]
    >>> X[::3, :2] = np.nan  # the first sensor dropped out
    >>> late = LateFusionClassifier(
    ...     [("eda", LogisticRegression(), [0, 1]), ("bvp", LogisticRegression(), [2, 3])]
    ... )
    >>> late.fit(X, y).score(X, y)
    0.975
    >>> late.predict_by_modality(X[:2])["eda"].round(1)
    array([[nan, nan],
           [0.1, 0.9]])
    """

    _fusions = ("mean", "weighted", "vote", "stacking")
    _default_final_estimator = LogisticRegression
    _prior_name = "the class frequencies of the training windows"
    _reason_to_drop = "are missing or of one class"

    def __init__(
        self,
        estimators: list[tuple[str, Any, Any]],
        *,
        fusion: str = "mean",
        final_estimator: Any = None,
        calibration: str | None = None,
        cv: Any = 5,
        subject_column: str | int | None = None,
    ) -> None:
        super().__init__(
            estimators,
            fusion=fusion,
            final_estimator=final_estimator,
            cv=cv,
            subject_column=subject_column,
        )
        self.calibration = calibration

    def predict_proba(self, X: Any) -> FloatArray:
        """Combine the probabilities of the modalities that each window has.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_windows, n_classes), float64
            In the order of ``classes_``. With fusion="vote" the share of the votes.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If the columns of X differ from those in `fit`.

        Warns
        -----
        UserWarning
            If windows lack every modality.
        """
        return self._fuse(X)

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each window.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        classes : ndarray of shape (n_windows,)

        Raises
        ------
        NotFittedError, ValueError
            As `predict_proba`.

        Warns
        -----
        UserWarning
            As `predict_proba`.
        """
        most_likely = self._fuse(X).argmax(axis=1)
        return self.classes_[most_likely]

    def _check_parameters(self) -> None:
        if self.calibration is not None:
            check_option("calibration", self.calibration, ["sigmoid", "isotonic"])
        super()._check_parameters()

    def _check_estimator(self, name: str, estimator: Any) -> None:
        super()._check_estimator(name, estimator)
        if self.calibration is None or name == "final_estimator":
            check_predict_proba(name, estimator, "pass calibration='sigmoid'")

    def _read_targets(self, y: Any, X: Any) -> Array:
        self.classes_, codes = read_classes(y, X, type(self).__name__)
        self.prior_ = np.bincount(codes) / len(codes)
        return self.classes_[codes]

    def _can_fit(self, y: Array) -> bool:
        return len(np.unique(y)) > 1

    def _prepare(self, estimator: Any, y: Array, subjects: Any) -> Any:
        estimator = clone(estimator)
        if self.calibration is None:
            return estimator
        splits = self._split(y, subjects)
        return CalibratedClassifierCV(estimator, method=self.calibration, cv=splits, ensemble=False)

    def _predict_with(self, fitted: Any, X: Any) -> FloatArray:
        return predict_probabilities(fitted, X, self.classes_)

    def _fit_weights(self, predictions: FloatArray, y: Array) -> FloatArray:
        return fit_class_weights(predictions, np.searchsorted(self.classes_, y))

    def _score_predictions(self, y: Array, predictions: FloatArray) -> float:
        # balanced_accuracy_score warns if the windows that have the modality lack a class.
        predicted = self.classes_[predictions.argmax(axis=1)]
        return float(recall_score(y, predicted, labels=np.unique(y), average="macro"))


class LateFusionRegressor(RegressorMixin, ModalityEnsemble):
    """Predict a value by each modality, and combine the predictions.

    Missing modalities, inner folds and subjects are handled as in `LateFusionClassifier`. Windows
    that lack every modality are predicted as the mean of the training windows.

    Parameters
    ----------
    estimators : list of (str, regressor, columns)
        For each modality a name, a regressor or a Pipeline that ends in one, and its columns of X.
    fusion : {"mean", "weighted", "stacking"}, default="mean"
        - "mean": the mean of the modalities' values;
        - "weighted": their weighted mean. The weights minimise the squared error in the inner
          folds;
        - "stacking": ``final_estimator``, fitted on the values of the inner folds.
    final_estimator : regressor, default=None
        Only for fusion="stacking". None is RidgeCV.
    cv : int or splitter, default=5
        Inner folds. An integer is a number of folds, split by subject if subjects are given.
    subject_column : str or int, default=None
        Name or position of the column of X that contains the subject.

    Attributes
    ----------
    estimators_ : dict of str to regressor
        Fitted on all windows that have the modality.
    weights_ : dict of str to float
        Weights with a sum of 1, if fusion="weighted".
    final_estimator_ : regressor
        The fitted ``final_estimator``, if fusion="stacking".
    modality_scores_ : dict of str to float
        R² of each modality in the inner folds, if fusion is "weighted" or "stacking".
    prior_ : float
        Mean value of the training windows.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if all are strings.

    See Also
    --------
    LateFusionClassifier : For classes.
    sklearn.ensemble.StackingRegressor : Equal to fusion="stacking" if nothing is missing and no
        subjects are given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_biomoe.fusion import LateFusionRegressor
    >>> X = np.column_stack([np.arange(20.0), np.arange(20.0) % 7])
    >>> y = 3 * X[:, 0]
    >>> late = LateFusionRegressor(
    ...     [("eda", Ridge(), [0]), ("bvp", Ridge(), [1])], fusion="weighted"
    ... )
    >>> subjects = np.repeat([1, 2, 3, 4, 5], 4)
    >>> max(late.fit(X, y, groups=subjects).weights_, key=late.weights_.get)
    'eda'
    """

    _fusions = ("mean", "weighted", "stacking")
    _default_final_estimator = RidgeCV
    _prior_name = "the mean of the training windows"
    _reason_to_drop = "are missing"

    def predict(self, X: Any) -> FloatArray:
        """Combine the values of the modalities that each window has.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        values : ndarray of shape (n_windows,), float64

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If the columns of X differ from those in `fit`.

        Warns
        -----
        UserWarning
            If windows lack every modality.
        """
        return self._fuse(X)[:, 0]

    def _read_targets(self, y: Any, X: Any) -> FloatArray:
        y = read_values(y, X, type(self).__name__)
        self.prior_ = float(y.mean())
        return y

    def _can_fit(self, y: Array) -> bool:
        return len(y) > 0

    def _predict_with(self, fitted: Any, X: Any) -> FloatArray:
        return np.asarray(fitted.predict(X), dtype=np.float64).reshape(-1, 1)

    def _fit_weights(self, predictions: FloatArray, y: FloatArray) -> FloatArray:
        return fit_value_weights(predictions, y)

    def _score_predictions(self, y: FloatArray, predictions: FloatArray) -> float:
        return float(r2_score(y, predictions[:, 0]))
