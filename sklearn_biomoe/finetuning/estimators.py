"""The classifier and the regressor on images."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._typing import Array, FloatArray, Rows
from .._validation.subjects import name_some
from .._validation.targets import read_classes, read_values
from ..images.stack import BiosignalImages
from ._base import BaseFineTuned, Targets


class TinyBioMoEClassifier(ClassifierMixin, BaseFineTuned):
    """Classify windows by a head on the backbone; train the head, and optionally the backbone.

    The head is that of the paper, ELU and a linear layer, on the concatenated embeddings of a
    window's images. Embeddings are standardised first, by their mean and standard deviation over
    the training windows before training, so that the head learns in few epochs whatever the
    embeddings' scale is.

    With ``trainable="head"`` and without augmentation images are embedded once, and training
    takes seconds. Otherwise images are drawn and embedded batch by batch in each epoch.

    Parameters
    ----------
    trainable : {"head", "last_stages", "all"}, default="head"
        What is trained: the head on a frozen backbone; also the last stage of both of the
        backbone's encoders and the layers that join them; or everything. Averages of batch
        normalisations do not change.
    weights : str or path, default="open"
        Initial weights of the backbone, see `TinyBioMoEEmbedder`.
    weights_sha256 : str or None, default=None
        Hash that the initial weights must have.
    max_epochs : int, default=50
        Number of epochs, unless training stops earlier.
    learning_rate : float, default=1e-3
        Of the head, in the first epoch. All learning rates fall to 0 along half a cosine.
    backbone_learning_rate_factor : float, default=0.1
        Ratio of the learning rate of the last of the backbone's four stages to that of the head.
        The learning rate of each earlier stage is half of that of the next one.
    weight_decay : float, default=0.01
        Of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101); biases and gains do not decay.
    batch_size : int, default=16
        Windows in a training step.
    augmentation : dict of str to float or None, default=None
        Random changes of training windows in each epoch, before images are drawn; X must be the
        output of `BiosignalImageTransformer`. Any of

        - "noise": normal noise; its standard deviation, in standard deviations of each channel;
        - "scaling": a factor; the standard deviation of its logarithm. Not for signals whose level
          is a measurement, such as SpO2. Without effect if each window is drawn on its own scale;
        - "time_shift": a shift, padded with the mirror image; the largest one, as a share of the
          window;
        - "time_masking": a gap bridged by a straight line; the longest one, as a share of the
          window.
    validation : float, splitter or None, default=None
        Subjects held out of training; training stops by the loss on them. A share of the subjects,
        or a scikit-learn splitter, whose first split is used. Requires ``groups`` in `fit`. None
        trains on all windows for all epochs.
    patience : int, default=5
        Epochs without a smaller validation loss after which training stops. The parameters of the
        epoch with the smallest loss are kept.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes in the loss. "balanced" gives all classes of the training windows the
        same total weight.
    device : str, default="auto"
        "cpu", "cuda", "cuda:<index>" or "mps" (experimental); "auto" is CUDA if available, else
        the CPU.
    precision : {"float32", "tf32", "bfloat16"}, default="float32"
        Precision of the backbone's computations while it is trained; parameters stay float32. A
        frozen backbone and predictions use float32. See `TinyBioMoEEmbedder`.
    cache : "memory", path or None, default=None
        Where embeddings of the frozen backbone are stored, see `TinyBioMoEEmbedder`. Must be None
        unless ``trainable`` is "head".
    checkpoint : path or None, default=None
        Folder for a file that is written after each epoch. If training is interrupted, calling the
        same `fit` again resumes it, on the same machine's CPU with the same result bit for bit.
        Folds and grid points can share a folder: each run has its own file, named by a hash of
        everything that determines the result.
    progress : "auto" or bool, default="auto"
        Show progress bars. "auto" shows them in terminals and notebooks if tqdm is installed.
    random_state : int, RandomState instance or None, default=0
        Seed of the head's initial weights, the order of windows, augmentation, the validation
        split and random weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    history_ : list of dict
        For each epoch "epoch", "learning_rate" (the head's), "train_loss", and "valid_loss" if
        subjects are held out.
    n_epochs_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch whose parameters are kept, from 1.
    held_out_ : ndarray of int
        Rows of windows held out for validation.
    embedding_mean_, embedding_scale_ : ndarray of shape (n_images * 192,), float32
        By which embeddings are standardised.
    head_weight_ : ndarray of shape (n_classes, n_images * 192), float32
    head_bias_ : ndarray of shape (n_classes,), float32
    backbone_changes_ : dict of str to ndarray, float32
        Trained parameters of the backbone; empty if it is frozen.
    weights_sha256_ : str
        Hash of the backbone's initial weights.
    backbone_sha256_ : str
        Hash of the initial weights and of the changes.
    image_names_ : list of str
        Names of each window's images.
    seed_ : int
        Seed drawn from ``random_state``.

    See Also
    --------
    TinyBioMoEEmbedder : Embeds images for any classifier of scikit-learn.

    Notes
    -----
    Pickles contain what was learnt as NumPy arrays, whatever the device: 30 MB if the whole
    backbone was trained, otherwise less, and the hash of the initial weights. Parameters that were
    not trained are read from ``weights`` again.

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
        progress: bool | str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            trainable,
            weights=weights,
            weights_sha256=weights_sha256,
            max_epochs=max_epochs,
            learning_rate=learning_rate,
            backbone_learning_rate_factor=backbone_learning_rate_factor,
            weight_decay=weight_decay,
            batch_size=batch_size,
            augmentation=augmentation,
            validation=validation,
            patience=patience,
            device=device,
            precision=precision,
            cache=cache,
            checkpoint=checkpoint,
            progress=progress,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def _read_y(self, y: Any, X: Any) -> Array:
        classes, codes = read_classes(y, X, type(self).__name__)
        return classes[codes]

    def _make_targets(self, y: Array, training: Rows) -> Targets:
        self.classes_, codes = np.unique(y, return_inverse=True)
        labels = y[training]
        if len(lacking := np.setdiff1d(self.classes_, labels)):
            raise ValueError(
                f"Only validation subjects have windows of class {name_some(lacking)}, with "
                f"validation={self.validation!r}. Hold out other subjects, or fewer."
            )
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        criterion = nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float32))
        return Targets(torch.tensor(codes), criterion, len(weights))

    def predict_proba(self, X: BiosignalImages | ArrayLike) -> FloatArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_windows, n_classes), float64
            In the order of ``classes_``. They do not depend on the other windows of a batch.

        Raises
        ------
        ValueError
            If the number of images differs from `fit`, or windows are missing.
        """
        return softmax(self._compute_outputs(X), axis=1)

    def predict(self, X: BiosignalImages | ArrayLike) -> Array:
        """Predict the most probable class.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        classes : ndarray of shape (n_windows,)
        """
        best = self._compute_outputs(X).argmax(axis=1)
        return self.classes_[best]


class TinyBioMoERegressor(RegressorMixin, BaseFineTuned):
    """Predict a value of windows by a head on the backbone, trained as in `TinyBioMoEClassifier`.

    The loss is the mean squared error of values standardised over the training windows, so that
    the same learning rates suit any unit.

    Parameters
    ----------
    trainable : {"head", "last_stages", "all"}, default="head"
        What is trained. All parameters are as in `TinyBioMoEClassifier`.
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
    precision : {"float32", "tf32", "bfloat16"}, default="float32"
    cache : "memory", path or None, default=None
    checkpoint : path or None, default=None
    progress : "auto" or bool, default="auto"
    random_state : int, RandomState instance or None, default=0

    Attributes
    ----------
    target_mean_, target_scale_ : float
        By which target values are standardised.
    head_weight_ : ndarray of shape (1, n_images * 192), float32
    head_bias_ : ndarray of shape (1,), float32
    history_, n_epochs_, best_epoch_, held_out_, embedding_mean_, embedding_scale_ : object
        As in `TinyBioMoEClassifier`, which lists all attributes.

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

    def _read_y(self, y: Any, X: Any) -> FloatArray:
        return read_values(y, X, type(self).__name__)

    def _make_targets(self, y: Array, training: Rows) -> Targets:
        self.target_mean_ = float(y[training].mean())
        self.target_scale_ = float(y[training].std()) or 1.0  # if all values are equal
        values = torch.tensor((y - self.target_mean_) / self.target_scale_, dtype=torch.float32)
        return Targets(values[:, None], nn.MSELoss(), 1)

    def predict(self, X: BiosignalImages | ArrayLike) -> FloatArray:
        """Predict the value of each window.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            With as many images of each window as in `fit`.

        Returns
        -------
        values : ndarray of shape (n_windows,), float64
        """
        check_is_fitted(self)
        return self._compute_outputs(X)[:, 0] * self.target_scale_ + self.target_mean_
