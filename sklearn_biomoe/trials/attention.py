"""Attention-based multiple-instance learning: estimators that learn a weight for each window."""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from .._typing import Array, FloatArray
from .._validation.parameters import check_integer, check_number
from .._validation.targets import read_classes, read_values
from ..inference import resolve_device
from .attention_network import AttentionMIL, pad, train
from .bags import Bags, validate_bags

_TRAINING = threading.Lock()  # torch has one random state and one number of threads per process


class _AttentionPooling(BaseEstimator, ABC):
    """Base of the attention estimators: standardises the windows, and trains the network."""

    n_window_features_: int

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
            Classes, or the values of a regressor.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a parameter is out of range, ``device`` is not available, `TrialAggregator` would
            refuse the bags, or y has another length than X, gaps or a single class.
        """
        for name in ("hidden_size", "max_epochs", "batch_size"):
            check_integer(name, getattr(self, name))
        check_number("dropout", self.dropout, minimum=0, below=1)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, minimum=0)
        bags = validate_bags(self, X, reset=True)
        if (bags.lengths == 1).all():
            warnings.warn(
                f"Each of the {len(bags)} bags has a single window: all attention weights are 1. "
                "Pass the windows of a trial as one bag, see TrialAggregator.",
                UserWarning,
                stacklevel=2,
            )
        targets, n_outputs, class_weights = self._encode_targets(y, bags)
        windows = bags.without_missing().windows.astype(np.float64)
        is_constant = windows.max(axis=0) == windows.min(axis=0)  # std is a rounding error
        deviation = windows.std(axis=0)
        self.mean_ = np.where(is_constant, windows[0], windows.mean(axis=0))
        self.scale_ = np.where(is_constant | (deviation == 0), 1.0, deviation)  # 0 by underflow
        network, losses = self._train(self._standardised(bags), targets, n_outputs, class_weights)
        # NumPy arrays, so that a model trained on a GPU can be loaded without one.
        self.weights_: dict[str, Array] = {
            name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()
        }
        epochs = pd.RangeIndex(1, len(losses) + 1, name="epoch")
        self.history_ = pd.DataFrame({"train_loss": losses}, index=epochs)
        return self

    def attention(self, X: Any) -> list[FloatArray]:
        """Return the weight of each window in the prediction for its bag.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.

        Returns
        -------
        attention : list of ndarray of shape (n_windows,), float64
            For each bag, the weights of its windows, with a sum of 1. Those of missing windows are
            0.
        """
        bags = self._read(X)
        rows = self._run(bags, "attention")
        return [row[:n_windows] for row, n_windows in zip(rows, bags.lengths, strict=True)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @abstractmethod
    def _encode_targets(self, y: ArrayLike, bags: Bags) -> tuple[Array, int, FloatArray | None]:
        """Return the targets of the network, its number of outputs, and weights of classes."""

    def _train(
        self, cells: Array, targets: Array, n_outputs: int, class_weights: FloatArray | None
    ) -> tuple[AttentionMIL, list[float]]:
        """Return a trained network and the loss of each epoch; keep torch's random state."""
        device = resolve_device(self.device)
        seed = int(check_random_state(self.random_state).randint(2**31))
        n_gpus = 0 if device == "cpu" else torch.cuda.device_count()
        with _TRAINING, torch.random.fork_rng(devices=range(n_gpus)):
            torch.manual_seed(seed)
            network = self._new_network(n_outputs)
            losses = train(
                network,
                cells,
                targets,
                class_weights=class_weights,
                max_epochs=self.max_epochs,
                lr=self.learning_rate,
                optimizer__weight_decay=self.weight_decay,
                batch_size=self.batch_size,
                device=device,
            )
        return network, losses

    def _read(self, X: Any) -> Bags:
        check_is_fitted(self, "weights_")
        return validate_bags(self, X, reset=False)

    def _run(self, bags: Bags, method: str) -> list[FloatArray]:
        """Return one row per bag of the network's outputs ("forward") or "attention"."""
        device = resolve_device(self.device)
        with torch.device("meta"):  # without initial weights, which would be random numbers
            network = self._new_network(len(self.weights_["output.bias"]))
        weights = {name: torch.from_numpy(array) for name, array in self.weights_.items()}
        network.load_state_dict(weights, assign=True)
        network.to(device).eval()
        cells = self._standardised(bags)
        rows: list[FloatArray] = []
        with torch.inference_mode():
            for start in range(0, len(cells), self.batch_size):
                batch = pad(list(cells[start : start + self.batch_size])).to(device)
                rows.extend(getattr(network, method)(batch).cpu().numpy())
        return rows

    def _new_network(self, n_outputs: int) -> AttentionMIL:
        return AttentionMIL(self.n_window_features_, self.hidden_size, n_outputs, self.dropout)

    def _standardised(self, bags: Bags) -> Array:
        return Bags((bags.windows - self.mean_) / self.scale_, bags.lengths).to_cells()


class AttentionMILClassifier(ClassifierMixin, _AttentionPooling):
    """Classify bags by a weighted mean of their windows, with learned weights.

    For one label of many windows, such as a trial of several minutes of which only a few windows
    show the labelled state. Gated attention gives each window a weight, and a linear layer
    classifies the weighted mean of the windows' features. With equal weights, this is logistic
    regression on the mean. The network is small: skorch trains it with AdamW, on a CPU in one
    thread. Features are standardised by the mean and standard deviation of the training windows, so
    a scaler is not needed.

    Bags are given in any form that `TrialAggregator` describes; rows of NaN are missing windows.

    Parameters
    ----------
    hidden_size : int, default=32
        Size of the hidden layer of the attention (columns of V and U in the paper).
    dropout : float, default=0.25
        Dropout probability of pooled features and of hidden values of the attention.
    max_epochs : int, default=50
        Number of training epochs. There is no early stopping, which would need held-out subjects.
    learning_rate : float, default=0.001
        Learning rate of AdamW.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    batch_size : int, default=32
        Number of bags in a batch.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes in the loss, as in LogisticRegression.
    window_size : int, default=None
        Columns of each window if bags are rows of concatenated windows: 192 for the output of
        `TinyBioMoEEmbedder` for tiles. None takes a row as one window.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" is CUDA if available, else the CPU.
    random_state : int, RandomState instance or None, default=0
        Seed of initial weights, the order of bags and dropout. The same seed gives the same result
        on a CPU. The state of torch's global generator is not changed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    history_ : DataFrame
        Mean cross-entropy of each epoch, in column ``train_loss``.
    weights_ : dict of str to ndarray
        Parameters of the network, by name.
    mean_, scale_ : ndarray of shape (``n_window_features_``,)
        Mean and standard deviation of the training windows.
    n_window_features_ : int
        Number of features of each window.
    n_features_in_ : int
        Number of columns seen in `fit`, or of features of each window if bags are arrays.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if X is a frame of numbers and all are strings.

    See Also
    --------
    gather_trials : Groups rows of windows into bags.
    TrialAggregator, WindowVotingClassifier : Learn no weights of windows, and need fewer bags.

    Notes
    -----
    The weights describe this network's predictions, not the causes of a label.

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
        super().__init__(
            hidden_size=hidden_size,
            dropout=dropout,
            max_epochs=max_epochs,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            window_size=window_size,
            device=device,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        probabilities : ndarray of shape (n_bags, n_classes), float64
            In the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `TrialAggregator` would refuse the bags, windows have another number of features than
            in `fit`, or ``device`` is not available.
        """
        probabilities: FloatArray = softmax(np.stack(self._run(self._read(X), "forward")), axis=1)
        return probabilities

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        classes : ndarray of shape (n_bags,)

        Raises
        ------
        NotFittedError, ValueError
            As `predict_proba`.
        """
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]

    def _encode_targets(self, y: ArrayLike, bags: Bags) -> tuple[Array, int, FloatArray | None]:
        self.classes_, targets = read_classes(y, bags, type(self).__name__, "bags")
        weights = None
        if self.class_weight is not None:
            labels = self.classes_[targets]
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        return targets.astype(np.int64), len(self.classes_), weights


class AttentionMILRegressor(RegressorMixin, _AttentionPooling):
    """Predict a value of each bag from a weighted mean of its windows, with learned weights.

    The network is that of `AttentionMILClassifier`. It is trained on the squared error of
    standardised values, so that ``learning_rate`` does not depend on their unit.

    Parameters
    ----------
    hidden_size : int, default=32
        Size of the hidden layer of the attention.
    dropout : float, default=0.25
        Dropout probability of pooled features and of hidden values of the attention.
    max_epochs : int, default=50
        Number of training epochs.
    learning_rate : float, default=0.001
        Learning rate of AdamW.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    batch_size : int, default=32
        Number of bags in a batch.
    window_size : int, default=None
        Columns of each window if bags are rows of concatenated windows. None takes a row as one
        window.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" is CUDA if available, else the CPU.
    random_state : int, RandomState instance or None, default=0
        Seed of initial weights, the order of bags and dropout.

    Attributes
    ----------
    target_mean_, target_scale_ : float
        Mean and standard deviation of the training values.
    history_ : DataFrame
        Mean squared error of standardised values in each epoch, in column ``train_loss``.
    weights_ : dict of str to ndarray
        Parameters of the network, by name.
    mean_, scale_ : ndarray of shape (``n_window_features_``,)
        Mean and standard deviation of the training windows.
    n_window_features_ : int
        Number of features of each window.
    n_features_in_ : int
        Number of columns seen in `fit`, or of features of each window if bags are arrays.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if X is a frame of numbers and all are strings.

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

    def predict(self, X: Any) -> FloatArray:
        """Return the value of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        values : ndarray of shape (n_bags,), float64

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `TrialAggregator` would refuse the bags, windows have another number of features than
            in `fit`, or ``device`` is not available.
        """
        outputs = np.concatenate(self._run(self._read(X), "forward"))
        return outputs * self.target_scale_ + self.target_mean_

    def _encode_targets(self, y: ArrayLike, bags: Bags) -> tuple[Array, int, FloatArray | None]:
        values = read_values(y, bags, type(self).__name__)
        self.target_mean_ = float(values.mean())
        self.target_scale_ = float(values.std()) or 1.0
        return ((values - self.target_mean_) / self.target_scale_)[:, None], 1, None
