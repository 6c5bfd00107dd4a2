"""The classifier and the regressor on images."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._validation.subjects import name_some
from .._validation.targets import read_targets, read_values
from ..images.stack import BiosignalImages
from ._base import FineTuned, Targets


class TinyBioMoEClassifier(ClassifierMixin, FineTuned):
    """Classify windows by a head on the backbone, and train as much of the backbone as is wanted.

    The head is that of the paper, ELU and a linear layer, on the embeddings of a window's images
    side by side. Each of their values is standardised before, by mean and standard deviation over
    the training windows as the backbone embeds them before training: the head learns in few epochs
    then, whatever the embeddings' scale is.

    With ``trainable="head"`` and without augmentation images are embedded once, and training
    takes seconds. Else they are drawn and embedded, batch by batch, in each epoch.

    Parameters
    ----------
    trainable : {"head", "last_stages", "all"}, default="head"
        What is trained: the head on a frozen backbone; also the last stage of both of the
        backbone's encoders and the layers that join them; or everything. Averages of batch
        normalisations stay as they are.
    weights : str or path, default="open"
        What the backbone begins with, see `TinyBioMoEEmbedder`.
    weights_sha256 : str or None, default=None
        Hash that the weights have to have.
    max_epochs : int, default=50
        Epochs, if training is not stopped before.
    learning_rate : float, default=1e-3
        Of the head, in the first epoch. All rates fall to 0 along half a cosine.
    backbone_learning_rate_factor : float, default=0.1
        The rate of the last of the backbone's four stages to that of the head. Each stage before
        has half of the rate of the one after it.
    weight_decay : float, default=0.01
        Of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101); biases and gains do not decay.
    batch_size : int, default=16
        Windows of one step.
    augmentation : dict of str to float or None, default=None
        Changes of training windows, drawn anew in each epoch, before images are drawn: X has to
        be the image transformer's output. Any of

        - "noise": normal noise, of so many standard deviations of each channel;
        - "scaling": a factor whose logarithm has this standard deviation. Not for signals whose
          level is a measure, such as SpO2; and where each window is drawn on its own scale,
          nothing of it is seen;
        - "time_shift": a shift by up to this share of the window, filled up with its mirror image;
        - "time_masking": a gap of up to this share of the window, bridged by a straight line.
    validation : float, splitter or None, default=None
        Subjects held out of training, on whose loss it is decided when to stop: a share of them, or
        a scikit-learn splitter, of which the first split is taken. Needs ``groups`` in `fit`. None
        trains on all windows for all epochs.
    patience : int, default=5
        Epochs without a smaller loss of the held-out subjects after which training stops. What was
        learnt by the epoch of the smallest loss is kept.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes in the loss. "balanced" makes all classes of the training windows count
        the same.
    device : str, default="auto"
        "cpu", "cuda" or "cuda:<index>"; "auto" takes CUDA where torch sees it, else the CPU.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        What the backbone computes in while it is trained; parameters stay float32. float16 is for
        CUDA alone. Where the backbone is frozen, and to predict, it computes in float32.
    cache : "memory", path or None, default=None
        Where embeddings by the frozen backbone are remembered, see `TinyBioMoEEmbedder`. With
        another ``trainable`` than "head" it has to be None.
    checkpoint : path or None, default=None
        Folder to which each epoch is written. A training run that was killed goes on from there
        when the same `fit` is called again, and on the same machine and a CPU comes to the same
        result, bit for bit. Each run has a file of its own there, named by all that decides it:
        folds and grid points share a folder.
    progress : bool, default=False
        Show progress bars.
    random_state : int, RandomState instance or None, default=0
        Seed of the head's first weights, of the order of windows, of augmentation, of who is held
        out, and of random weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    history_ : list of dict
        For each epoch "epoch", "learning_rate" (the head's), "train_loss", and "valid_loss" where
        subjects are held out.
    n_epochs_ : int
        How many were trained.
    best_epoch_ : int
        The one whose outcome is kept, from 1.
    held_out_ : ndarray of int
        Positions of windows that were held out.
    embedding_mean_, embedding_scale_ : ndarray of shape (n_images * 192,), float32
        By which embeddings are standardised.
    head_weight_ : ndarray of shape (n_classes, n_images * 192), float32
    head_bias_ : ndarray of shape (n_classes,), float32
    backbone_changes_ : dict of str to ndarray, float32
        The backbone's parameters that were trained; empty where it was frozen.
    weights_sha256_ : str
        Hash of the weights that the backbone began with.
    backbone_sha256_ : str
        Hash of these and of the changes.
    image_names_ : list of str
        Names of each window's images.
    seed_ : int

    See Also
    --------
    TinyBioMoEEmbedder : Embeds for any classifier of scikit-learn.

    Notes
    -----
    Pickles hold what was learnt as NumPy arrays, whatever the device: 30 MB where the whole
    backbone was trained, else less, and the weights' hash. What was not trained is read from
    ``weights`` again.

    References
    ----------
    Gkikas et al., "Tiny-BioMoE: a Lightweight Embedding Model for Biosignal Analysis", arXiv
    2507.21875.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> from sklearn_biomoe.datasets import make_biosignal_windows
    >>> from sklearn_biomoe.finetuning import TinyBioMoEClassifier
    >>> windows = make_biosignal_windows(3, 4, modalities=["eda"], random_state=0)
    >>> model = make_pipeline(
    ...     BiosignalImageTransformer(modality="eda", sampling_rate=4), TinyBioMoEClassifier()
    ... )
    >>> model.fit(windows.data["eda"], windows.target).predict_proba(windows.data["eda"][:5]).shape
    (5, 2)
    """

    classes_: NDArray[Any]

    def __init__(
        self,
        trainable: str = "head",
        *,
        weights: str | PathLike[str] = "open",
        weights_sha256: str | None = None,
        max_epochs: int = 50,
        learning_rate: float = 1e-3,
        backbone_learning_rate_factor: float = 0.1,
        weight_decay: float = 0.01,
        batch_size: int = 16,
        augmentation: Mapping[str, float] | None = None,
        validation: Any = None,
        patience: int = 5,
        class_weight: Mapping[Any, float] | str | None = None,
        device: str = "auto",
        precision: str = "float32",
        cache: str | PathLike[str] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        progress: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.trainable = trainable
        self.weights = weights
        self.weights_sha256 = weights_sha256
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.backbone_learning_rate_factor = backbone_learning_rate_factor
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.validation = validation
        self.patience = patience
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.cache = cache
        self.checkpoint = checkpoint
        self.progress = progress
        self.random_state = random_state

    def fit(
        self, X: BiosignalImages | ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Self:
        """Train the head, and what else is trainable.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].
        y : array-like of shape (n_windows,)
            Classes.
        groups : array-like of shape (n_windows,), default=None
            Subjects; needed where ``validation`` holds some out.

        Returns
        -------
        self : TinyBioMoEClassifier

        Raises
        ------
        ValueError
            For parameters out of range; a device or a precision that is not there; a cache while
            the backbone is trained; augmentation of what is no longer a signal; missing windows;
            y or groups of another length than X; a single class; classes that only held-out
            subjects have; subjects on both sides; and a checkpoint that is damaged.
        RuntimeError
            Where training runs out of bounds.

        Warns
        -----
        UntrainedBackboneWarning
            Where the frozen backbone's weights are random.
        """
        labels = read_targets(y, X, type(self).__name__)
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"All training windows are of one class, {name_some(classes)}: nothing can be "
                "learnt. Add windows of another class."
            )

        def targets_of(training: NDArray[np.int64]) -> Targets:
            return self._targets(classes, codes, training)

        self._fit(X, codes, groups, targets_of, decided_by={"classes": classes.tolist()})
        self.classes_ = classes
        return self

    def predict_proba(self, X: BiosignalImages | ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_windows, n_classes), float64
            In the order of ``classes_``. They do not depend on what a window is batched with.

        Raises
        ------
        ValueError
            For another number of images, and for missing windows.
        """
        return softmax(self._outputs(X), axis=1)

    def predict(self, X: BiosignalImages | ArrayLike) -> NDArray[Any]:
        """Return the likeliest class.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        classes : ndarray of shape (n_windows,)
        """
        likeliest = self._outputs(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _targets(
        self, classes: NDArray[Any], codes: NDArray[np.int64], training: NDArray[np.int64]
    ) -> Targets:
        lacking = np.setdiff1d(np.arange(len(classes)), codes[training])
        if len(lacking):
            raise ValueError(
                f"Only subjects that validation={self.validation!r} holds out have windows of "
                f"class {name_some(classes[lacking])}. Hold out others, or fewer."
            )
        labels = classes[codes[training]]
        weights = compute_class_weight(self.class_weight, classes=classes, y=labels)
        return Targets.of_classes(codes, weights)


class TinyBioMoERegressor(RegressorMixin, FineTuned):
    """Predict a value of windows by a head on the backbone, trained as `TinyBioMoEClassifier` is.

    The loss is the mean squared error of values that are standardised by the training windows, so
    that rates of learning suit any unit.

    Parameters
    ----------
    trainable : {"head", "last_stages", "all"}, default="head"
        What is trained. All parameters are those of `TinyBioMoEClassifier`.
    weights : str or path, default="open"
    weights_sha256 : str or None, default=None
    max_epochs : int, default=50
    learning_rate : float, default=1e-3
    backbone_learning_rate_factor : float, default=0.1
    weight_decay : float, default=0.01
    batch_size : int, default=16
    augmentation : dict of str to float or None, default=None
    validation : float, splitter or None, default=None
    patience : int, default=5
    device : str, default="auto"
    precision : {"float32", "bfloat16", "float16"}, default="float32"
    cache : "memory", path or None, default=None
    checkpoint : path or None, default=None
    progress : bool, default=False
    random_state : int, RandomState instance or None, default=0

    Attributes
    ----------
    target_mean_, target_scale_ : float
        By which values are standardised.
    head_weight_ : ndarray of shape (1, n_images * 192), float32
    head_bias_ : ndarray of shape (1,), float32
    history_, n_epochs_, best_epoch_, held_out_, embedding_mean_, embedding_scale_ : object
        As those of `TinyBioMoEClassifier`, which has more of them.

    See Also
    --------
    TinyBioMoEClassifier : For classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> from sklearn_biomoe.finetuning import TinyBioMoERegressor
    >>> rates = np.linspace(0.1, 0.5, 16)  # of breathing, in Hz
    >>> windows = np.sin(2 * np.pi * rates[:, None] * np.arange(0, 60, 0.25))
    >>> model = make_pipeline(
    ...     BiosignalImageTransformer(["waveform"], modality="resp"),
    ...     TinyBioMoERegressor(max_epochs=100),
    ... )
    >>> bool(model.fit(windows, rates).score(windows, rates) > 0.9)
    True
    """

    def __init__(
        self,
        trainable: str = "head",
        *,
        weights: str | PathLike[str] = "open",
        weights_sha256: str | None = None,
        max_epochs: int = 50,
        learning_rate: float = 1e-3,
        backbone_learning_rate_factor: float = 0.1,
        weight_decay: float = 0.01,
        batch_size: int = 16,
        augmentation: Mapping[str, float] | None = None,
        validation: Any = None,
        patience: int = 5,
        device: str = "auto",
        precision: str = "float32",
        cache: str | PathLike[str] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        progress: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.trainable = trainable
        self.weights = weights
        self.weights_sha256 = weights_sha256
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.backbone_learning_rate_factor = backbone_learning_rate_factor
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.validation = validation
        self.patience = patience
        self.device = device
        self.precision = precision
        self.cache = cache
        self.checkpoint = checkpoint
        self.progress = progress
        self.random_state = random_state

    def fit(
        self, X: BiosignalImages | ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Self:
        """Train the head, and what else is trainable.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].
        y : array-like of shape (n_windows,)
            Values.
        groups : array-like of shape (n_windows,), default=None
            Subjects; needed where ``validation`` holds some out.

        Returns
        -------
        self : TinyBioMoERegressor

        Raises
        ------
        ValueError, RuntimeError
            As `TinyBioMoEClassifier.fit` does.
        """
        values = read_values(y, X, type(self).__name__)

        def targets_of(training: NDArray[np.int64]) -> Targets:
            self.target_mean_ = float(values[training].mean())
            self.target_scale_ = float(values[training].std()) or 1.0  # where all are equal
            return Targets.of_values((values - self.target_mean_) / self.target_scale_)

        self._fit(X, values, groups, targets_of, decided_by={})
        return self

    def predict(self, X: BiosignalImages | ArrayLike) -> NDArray[np.float64]:
        """Return the value of each window.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        values : ndarray of shape (n_windows,), float64
        """
        check_is_fitted(self)
        return self._outputs(X)[:, 0] * self.target_scale_ + self.target_mean_
