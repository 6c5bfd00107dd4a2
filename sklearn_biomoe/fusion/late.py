"""One estimator for each modality, and one decision from all of theirs."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.metrics import r2_score, recall_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from .._validation.parameters import check_option
from .._validation.targets import read_targets, read_values
from .branches import Array, LateFusion, read_table
from .combining import fill_with_means, learn_class_weights, learn_value_weights


class LateFusionClassifier(ClassifierMixin, LateFusion):
    """Classify by each modality, and combine what their classifiers say.

    Each classifier is trained on the windows that have its modality, and asked about those alone:
    what is left of a window decides. A modality is missing where its cell is None or NaN, or all
    its features are NaN. Windows that lack every modality get the training windows' class
    frequencies, with a warning.

    What is learnt beside the classifiers (weights, stacking, calibration) is learnt in inner folds,
    from windows that they were not trained on. Tell whose window is whose (``subject_column``, or
    ``groups`` in `fit`), and inner folds leave out whole subjects; else windows.

    Parameters
    ----------
    estimators : list of (str, classifier, columns)
        A name, a classifier or a Pipeline that ends in one, and the columns of X that it gets, for
        each modality. As in a ColumnTransformer a single name or position selects a Series or a
        1-D array, a list of them a frame.
    fusion : {"mean", "weighted", "vote", "stacking"}, default="mean"
        - "mean": the mean of the modalities' probabilities;
        - "weighted": their mean with the weights that give inner folds' true classes, each class
          counting the same, the largest likelihood;
        - "vote": each modality votes for its likeliest class. Ties go to the class of the greater
          mean probability, which counts as one more vote, shared out;
        - "stacking": ``final_estimator``, trained on probabilities of inner folds. Those of a
          missing modality are filled with their mean over the training windows.
    final_estimator : classifier, default=None
        Of fusion="stacking"; LogisticRegression where None.
    calibration : {"sigmoid", "isotonic"} or None, default=None
        Calibrate each classifier in inner folds, by `sklearn.calibration.CalibratedClassifierCV`
        with ``ensemble=False``; makes probabilities for those that have none.
    cv : int or splitter, default=5
        Inner folds. A number is one of stratified folds, by subject where subjects are told (and
        no more than there are).
    subject_column : str or int, default=None
        Name, or position, of the column of X that holds the subject.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : dict of str to classifier
        Fitted on all windows that have the modality; without modalities that were left out.
    weights_ : dict of str to float
        With fusion="weighted"; their sum is 1.
    final_estimator_ : classifier
        With fusion="stacking".
    modality_scores_ : dict of str to float
        Balanced accuracy of each modality in the inner folds of "weighted" and "stacking".
    prior_ : ndarray of shape (n_classes,)
        Class frequencies of the training windows.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : What fusion="stacking" equals where nothing is missing and
        no subjects are told.
    AdditiveFusion : Averages embeddings instead.

    Notes
    -----
    Without metadata routing `cross_validate` and `run_study` pass ``groups`` to `fit`
    (``params={"groups": groups}``), but GridSearchCV keeps them for its own folds: use
    ``subject_column``, or routing with ``set_fit_request(groups=True)``.

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
    _prior_name = "the class frequencies of the training windows"
    _cannot_teach = "are missing or of one class"

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
        self.estimators = estimators
        self.fusion = fusion
        self.final_estimator = final_estimator
        self.calibration = calibration
        self.cv = cv
        self.subject_column = subject_column

    def fit(self, X: Any, y: ArrayLike, *, groups: ArrayLike | None = None) -> Self:
        """Fit each modality's classifier, and what combines them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)
        y : array-like of shape (n_windows,)
            Classes.
        groups : array-like of shape (n_windows,), default=None
            Subjects, where no column holds them. Passed on to classifiers that take them, such as
            a GridSearchCV that splits by subject.

        Returns
        -------
        self : LateFusionClassifier

        Raises
        ------
        ValueError
            For an unknown ``fusion`` or ``calibration``, no estimators, names that are not unique,
            columns that are not in X; y or groups of another length than X; a single class; no
            modality that anything can be learnt from; a single subject where inner folds are
            needed; and what the classifiers refuse.
        TypeError
            For what is no classifier, and classifiers without ``predict_proba`` where
            ``calibration`` is None.

        Warns
        -----
        UserWarning
            Where a modality is left out, as its training windows are missing or of one class, or
            it can be tested in no inner fold; and where an inner fold skips it for the first of
            these reasons, so that what is learnt of it rests on the other folds.
        """
        self._check_parameters()
        X = read_table(X)
        validate_data(self, X, reset=True, skip_check_array=True)
        y = read_targets(y, X, type(self).__name__)
        check_classification_targets(y)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.prior_ = counts / counts.sum()
        if len(self.classes_) < 2:
            raise ValueError(
                f"All training windows are of one class, {self.classes_.tolist()[0]!r}: nothing "
                "can be learnt. Add windows of another class."
            )
        self._fit(X, y, groups)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Combine the probabilities of all modalities that are there.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_windows, n_classes), float64
            In the order of ``classes_``. With fusion="vote" the share of votes.
        """
        return self._fuse(X)

    def predict(self, X: Any) -> Array:
        """Return the likeliest class.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        classes : ndarray of shape (n_windows,)
        """
        likeliest = self._fuse(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _check_parameters(self) -> None:
        if self.calibration is not None:
            check_option("calibration", self.calibration, ["sigmoid", "isotonic"])
        super()._check_parameters()

    def _check_estimator(self, name: str, estimator: Any) -> None:
        super()._check_estimator(name, estimator)
        calibrated = self.calibration is not None and name != "final_estimator"
        if not calibrated and not hasattr(estimator, "predict_proba"):
            raise TypeError(
                f"Estimator {name!r} is {estimator!r:.80}, which has no predict_proba; give "
                "another, or pass calibration='sigmoid'."
            )

    def _can_learn(self, y: Array) -> bool:
        return len(np.unique(y)) > 1

    def _prepared(self, estimator: Any, y: Array, groups: Any) -> Any:
        if self.calibration is None:
            return clone(estimator)
        from sklearn.calibration import CalibratedClassifierCV

        splits = self._splits(y, groups)
        return CalibratedClassifierCV(
            clone(estimator), method=self.calibration, cv=splits, ensemble=False
        )

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _outputs(self, fitted: Any, part: Any) -> Array:
        """Probabilities of all classes, 0 for those that were not trained on."""
        found = fitted.predict_proba(part)
        probabilities = np.zeros((len(found), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, fitted.classes_)] = found
        return probabilities

    def _side_by_side(self, predictions: Array) -> Array:
        # Of two classes one says it all, as in scikit-learn's StackingClassifier.
        kept = slice(1, None) if len(self.classes_) == 2 else slice(None)
        return fill_with_means(predictions[..., kept], self._means[:, kept])

    def _learn_weights(self, predictions: Array, y: Array) -> Array:
        return learn_class_weights(predictions, np.searchsorted(self.classes_, y))

    def _score_of(self, y: Array, predictions: Array) -> float:
        # Balanced accuracy; its own function warns where windows with the modality lack a class.
        predicted = self.classes_[predictions.argmax(axis=1)]
        return float(recall_score(y, predicted, labels=np.unique(y), average="macro"))

    def _final_estimator(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression() if self.final_estimator is None else self.final_estimator


class LateFusionRegressor(RegressorMixin, LateFusion):
    """Predict a value by each modality, and combine what their regressors say.

    As `LateFusionClassifier` does, of which see the description of missing modalities, inner folds
    and subjects. Windows that lack every modality get the mean of the training windows.

    Parameters
    ----------
    estimators : list of (str, regressor, columns)
        A name, a regressor or a Pipeline that ends in one, and the columns of X that it gets.
    fusion : {"mean", "weighted", "stacking"}, default="mean"
        - "mean": of the modalities' values;
        - "weighted": with the weights of the smallest squared error in inner folds;
        - "stacking": ``final_estimator``, trained on values of inner folds.
    final_estimator : regressor, default=None
        Of fusion="stacking"; RidgeCV where None.
    cv : int or splitter, default=5
        Inner folds; a number is one of folds, by subject where subjects are told.
    subject_column : str or int, default=None
        Name, or position, of the column of X that holds the subject.

    Attributes
    ----------
    estimators_ : dict of str to regressor
        Fitted on all windows that have the modality.
    weights_ : dict of str to float
        With fusion="weighted"; their sum is 1.
    final_estimator_ : regressor
        With fusion="stacking".
    modality_scores_ : dict of str to float
        R² of each modality in the inner folds of "weighted" and "stacking".
    prior_ : float
        Mean of the training windows.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    LateFusionClassifier : For classes.
    sklearn.ensemble.StackingRegressor : What fusion="stacking" equals where nothing is missing and
        no subjects are told.

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
    >>> max(late.fit(X, y).weights_, key=late.weights_.get)
    'eda'
    """

    _fusions = ("mean", "weighted", "stacking")
    _prior_name = "the mean of the training windows"
    _cannot_teach = "are missing"

    def __init__(
        self,
        estimators: list[tuple[str, Any, Any]],
        *,
        fusion: str = "mean",
        final_estimator: Any = None,
        cv: Any = 5,
        subject_column: str | int | None = None,
    ) -> None:
        self.estimators = estimators
        self.fusion = fusion
        self.final_estimator = final_estimator
        self.cv = cv
        self.subject_column = subject_column

    def fit(self, X: Any, y: ArrayLike, *, groups: ArrayLike | None = None) -> Self:
        """Fit each modality's regressor, and what combines them.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)
        y : array-like of shape (n_windows,)
            Values.
        groups : array-like of shape (n_windows,), default=None
            Subjects, where no column holds them.

        Returns
        -------
        self : LateFusionRegressor

        Raises
        ------
        ValueError, TypeError
            As `LateFusionClassifier.fit` does.
        """
        self._check_parameters()
        X = read_table(X)
        validate_data(self, X, reset=True, skip_check_array=True)
        y = read_values(y, X, type(self).__name__)
        self.prior_ = float(y.mean())
        self._fit(X, y, groups)
        return self

    def predict(self, X: Any) -> Array:
        """Combine the values of all modalities that are there.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        values : ndarray of shape (n_windows,), float64
        """
        return self._fuse(X)[:, 0]

    def _can_learn(self, y: Array) -> bool:
        return len(y) > 0

    def _n_outputs(self) -> int:
        return 1

    def _outputs(self, fitted: Any, part: Any) -> Array:
        return np.asarray(fitted.predict(part), dtype=np.float64).reshape(-1, 1)

    def _side_by_side(self, predictions: Array) -> Array:
        return fill_with_means(predictions, self._means)

    def _learn_weights(self, predictions: Array, y: Array) -> Array:
        return learn_value_weights(predictions, y)

    def _score_of(self, y: Array, predictions: Array) -> float:
        return float(r2_score(y, predictions[:, 0]))

    def _final_estimator(self) -> Any:
        from sklearn.linear_model import RidgeCV

        return RidgeCV() if self.final_estimator is None else self.final_estimator
