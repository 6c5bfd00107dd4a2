"""Attention pooling: estimators that learn which windows of a bag its label is about."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._validation.targets import read_targets, read_values
from .bags import Array, Bags, validate_bags

if TYPE_CHECKING:
    from .attention_network import AttentionMIL

# Modules that import torch are imported where they are first needed: loading it takes as long again
# as all of `import sklearn_biomoe`.


class _AttentionPooling(BaseEstimator):
    """What classifier and regressor share: standardised windows, and the network."""

    hidden_size: int
    dropout: float
    max_epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    window_size: int | None
    device: str
    random_state: int | np.random.RandomState | None

    n_window_features_: int

    def attention(self, X: Any) -> list[Array]:
        """Tell how much each window counts in what is predicted of its bag.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.

        Returns
        -------
        attention : list of ndarray of shape (n_windows,), float64
            For each bag a weight for each of its windows; their sum is 1. Missing windows have 0.
        """
        bags = self._read(X)
        rows = self._run(bags, "attention")
        return [row[:n_windows] for row, n_windows in zip(rows, bags.lengths, strict=True)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _check_parameters(self) -> None:
        for name in ("hidden_size", "max_epochs", "batch_size"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        check_scalar(self.dropout, "dropout", Real, min_val=0, max_val=1, include_boundaries="left")
        check_scalar(
            self.learning_rate, "learning_rate", Real, min_val=0, include_boundaries="neither"
        )
        check_scalar(self.weight_decay, "weight_decay", Real, min_val=0)

    def _fit(
        self, bags: Bags, targets: Array, n_outputs: int, class_weights: Array | None = None
    ) -> None:
        """Train a network on bags, standardised by the windows that are there."""
        import torch

        from ..inference import resolve_device
        from .attention_network import train

        device = resolve_device(self.device)
        there = bags.without_missing().windows.astype(np.float64)
        self.mean_ = there.mean(axis=0)
        scale = there.std(axis=0)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        seed = int(check_random_state(self.random_state).randint(2**31))
        n_gpus = 0 if device == "cpu" else torch.cuda.device_count()
        with torch.random.fork_rng(devices=range(n_gpus)):
            torch.manual_seed(seed)
            network = self._new_network(n_outputs)
            losses = train(
                network,
                self._standardised(bags),
                targets,
                class_weights=class_weights,
                max_epochs=self.max_epochs,
                lr=self.learning_rate,
                optimizer__weight_decay=self.weight_decay,
                batch_size=self.batch_size,
                device=device,
            )
        # As arrays, which are of no device.
        self.weights_: dict[str, Array] = {
            name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()
        }
        epochs = pd.RangeIndex(1, len(losses) + 1, name="epoch")
        self.history_ = pd.DataFrame({"train_loss": losses}, index=epochs)

    def _read(self, X: Any) -> Bags:
        check_is_fitted(self, "weights_")
        return validate_bags(self, X, reset=False)

    def _run(self, bags: Bags, method: str) -> list[Array]:
        """Ask the network for its outputs ("forward") or "attention", a row for each bag."""
        import torch

        from ..inference import resolve_device
        from .attention_network import pad

        device = resolve_device(self.device)
        network = self._new_network(len(self.weights_["output.bias"])).to(device).eval()
        network.load_state_dict(
            {name: torch.from_numpy(array) for name, array in self.weights_.items()}
        )
        cells = self._standardised(bags)
        rows: list[Array] = []
        with torch.inference_mode():
            for start in range(0, len(cells), self.batch_size):
                batch = pad(list(cells[start : start + self.batch_size])).to(device)
                rows.extend(getattr(network, method)(batch).cpu().numpy())
        return rows

    def _new_network(self, n_outputs: int) -> AttentionMIL:
        from .attention_network import AttentionMIL

        return AttentionMIL(self.n_window_features_, self.hidden_size, n_outputs, self.dropout)

    def _standardised(self, bags: Bags) -> NDArray[np.object_]:
        """One array for each bag, as skorch indexes them."""
        cells = np.empty(len(bags), dtype=object)
        for position, windows in enumerate(bags.split((bags.windows - self.mean_) / self.scale_)):
            cells[position] = windows
        return cells


class AttentionMILClassifier(ClassifierMixin, _AttentionPooling):
    """Classify bags of windows by a weighted mean of their windows, learning the weights.

    One label for many windows: a trial of several minutes, of which few show what the label is
    about. The network is small. Gated attention gives each window a weight, and a linear layer
    classifies the weighted mean of the windows' features; where all weights are equal that is
    logistic regression on the mean. skorch trains it by AdamW, on a CPU in one thread. Features are
    standardised inside by mean and standard deviation of all training windows, so no scaler is
    needed before.

    Bags come in all forms that `TrialAggregator` describes; rows of NaN are missing windows.

    Parameters
    ----------
    hidden_size : int, default=32
        Of the attention: columns of V and U.
    dropout : float, default=0.25
        Share of pooled features, and of the attention's hidden values, that each training step
        leaves out.
    max_epochs : int, default=50
        Times that training sees each bag. There is no early stopping, which would take subjects
        away.
    learning_rate : float, default=0.001
    weight_decay : float, default=0.01
        Of AdamW.
    batch_size : int, default=32
        Bags in each training step, and predicted at once.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes in the loss, as in LogisticRegression.
    window_size : int, default=None
        Columns of each window where windows stand side by side: 192 for what `TinyBioMoEEmbedder`
        makes of tiles. None takes a row as one window.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" takes CUDA where torch sees it, else the CPU.
    random_state : int, RandomState instance or None, default=0
        Of initial weights, the order of bags and dropout. On a CPU the same seed gives the same
        result; torch's global generator is left as it was.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    history_ : DataFrame
        Column ``train_loss``, the mean cross-entropy of each epoch.
    weights_ : dict of str to ndarray
        Of the network, by the names of its parameters.
    mean_, scale_ : ndarray of shape (``n_window_features_``,)
        That windows are standardised with.
    n_window_features_ : int
        Features of each window.
    n_features_in_ : int
        Columns seen in `fit`; of bags in arrays of their own, features of each window.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame of numbers whose column names are all strings.

    See Also
    --------
    gather_trials : Makes bags of rows of windows.
    TrialAggregator, WindowVotingClassifier : Have nothing to learn about windows, so they need
        fewer bags.

    Notes
    -----
    Attention tells what this network looked at, not what caused the label.

    References
    ----------
    Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018, arXiv
    1802.04712, equations 8 and 9. For biosignals: arXiv 2604.06990.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.trials import AttentionMILClassifier
    >>> random = np.random.default_rng(0)
    >>> y = np.tile(["none", "pain"], 20)
    >>> bags = [random.normal(label == "pain", size=(random.integers(3, 9), 4)) for label in y]
    >>> model = AttentionMILClassifier(learning_rate=0.01).fit(bags, y)
    >>> model.score(bags, y)
    1.0
    >>> [weights.shape for weights in model.attention(bags[:2])] == [(len(b),) for b in bags[:2]]
    True
    """

    def __init__(
        self,
        *,
        hidden_size: int = 32,
        dropout: float = 0.25,
        max_epochs: int = 50,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int = 32,
        class_weight: Mapping[Any, float] | str | None = None,
        window_size: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.window_size = window_size
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.
        y : array-like of shape (n_bags,)
            Classes.

        Returns
        -------
        self : AttentionMILClassifier

        Raises
        ------
        ValueError
            For parameters out of range and devices that are not there; bags that `TrialAggregator`
            refuses; y of another length than X, with gaps, or of a single class.
        TypeError
            For parameters that are no numbers.
        """
        self._check_parameters()
        bags = validate_bags(self, X, reset=True)
        labels = read_targets(y, bags, type(self).__name__)
        check_classification_targets(labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"All training bags are of one class, {self.classes_.tolist()[0]!r}: nothing can "
                "be learnt. Add bags of another class."
            )
        weights = None
        if self.class_weight is not None:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        self._fit(bags, targets.astype(np.int64), len(self.classes_), weights)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        probabilities : ndarray of shape (n_bags, n_classes), float64
            In the order of ``classes_``.
        """
        from scipy.special import softmax

        probabilities: Array = softmax(np.stack(self._run(self._read(X), "forward")), axis=1)
        return probabilities

    def predict(self, X: Any) -> Array:
        """Return the likeliest class.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        classes : ndarray of shape (n_bags,)
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]


class AttentionMILRegressor(RegressorMixin, _AttentionPooling):
    """Predict a value of bags of windows from a weighted mean, learning the weights.

    As `AttentionMILClassifier` does, of which see the description; the loss is the squared error of
    values that are standardised inside, so that ``learning_rate`` suits values of any unit.

    Parameters
    ----------
    hidden_size : int, default=32
        Of the attention.
    dropout : float, default=0.25
        Share of pooled features, and of the attention's hidden values, that each training step
        leaves out.
    max_epochs : int, default=50
        Times that training sees each bag.
    learning_rate : float, default=0.001
    weight_decay : float, default=0.01
        Of AdamW.
    batch_size : int, default=32
        Bags in each training step, and predicted at once.
    window_size : int, default=None
        Columns of each window where windows stand side by side. None takes a row as one window.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" takes CUDA where torch sees it, else the CPU.
    random_state : int, RandomState instance or None, default=0
        Of initial weights, the order of bags and dropout.

    Attributes
    ----------
    target_mean_, target_scale_ : float
        That values are standardised with.
    history_ : DataFrame
        Column ``train_loss``, the mean squared error of each epoch, of standardised values.
    weights_ : dict of str to ndarray
        Of the network, by the names of its parameters.
    mean_, scale_ : ndarray of shape (``n_window_features_``,)
        That windows are standardised with.
    n_window_features_ : int
        Features of each window.
    n_features_in_ : int
        Columns seen in `fit`; of bags in arrays of their own, features of each window.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame of numbers whose column names are all strings.

    See Also
    --------
    AttentionMILClassifier : For classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.trials import AttentionMILRegressor
    >>> random = np.random.default_rng(0)
    >>> y = random.uniform(0, 10, size=40)
    >>> bags = [random.normal(value, size=(random.integers(3, 9), 4)) for value in y]
    >>> AttentionMILRegressor(learning_rate=0.01).fit(bags, y).score(bags, y) > 0.9
    True
    """

    def __init__(
        self,
        *,
        hidden_size: int = 32,
        dropout: float = 0.25,
        max_epochs: int = 50,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int = 32,
        window_size: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.window_size = window_size
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.
        y : array-like of shape (n_bags,)
            Values.

        Returns
        -------
        self : AttentionMILRegressor

        Raises
        ------
        ValueError
            For parameters out of range and devices that are not there; bags that `TrialAggregator`
            refuses; y of another length than X, or with gaps.
        TypeError
            For parameters that are no numbers.
        """
        self._check_parameters()
        bags = validate_bags(self, X, reset=True)
        values = read_values(y, bags, type(self).__name__)
        self.target_mean_ = float(values.mean())
        self.target_scale_ = float(values.std()) or 1.0
        standardised = (values - self.target_mean_) / self.target_scale_
        self._fit(bags, standardised[:, None], n_outputs=1)
        return self

    def predict(self, X: Any) -> Array:
        """Return each bag's value.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        values : ndarray of shape (n_bags,), float64
        """
        outputs = np.concatenate(self._run(self._read(X), "forward"))
        values: Array = outputs * self.target_scale_ + self.target_mean_
        return values
