"""The base class of the fine-tuned estimators: parameters, training, outputs of the network."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._progress import shows_progress
from .._typing import Array, FloatArray, Rows
from .._validation.parameters import check_integer, check_number, check_option
from ..backbone.network import named
from ..images.stack import BiosignalImages
from ..inference import (
    Engine,
    check_precision,
    choose_batch_size,
    draw_images,
    embed,
    get_engine,
    read_images,
    resolve_device,
)
from ..inference.cache import open_cache
from ..transformers import UntrainedBackboneWarning
from ..transformers.diagrams import show_weights
from ..transformers.pickling import VersionedPickle
from ..weights import BackboneWeights, weights_sha256
from .augmentation import augment_images, check_augmentation
from .checkpoints import Checkpoint, compute_fingerprint
from .head_network import Head, Network, TunedBackbone, backbone_changes, hash_backbone
from .training_loop import TrainingResult, TrainingSettings, WindowDataset, train
from .validation_split import split_validation

Images = BiosignalImages | Array

# Parameters that do not change what is learnt, or whose effect is in the fingerprint anyway.
NOT_IN_FINGERPRINT = {
    *("device", "progress", "cache", "checkpoint"),
    *("weights", "weights_sha256", "random_state", "validation"),
}


@dataclass(frozen=True)
class Targets:
    """What the network is trained to return."""

    values: Tensor  # positions of classes (n_windows,), or standardised values (n_windows, 1)
    criterion: nn.Module
    n_outputs: int


class BaseFineTuned(VersionedPickle, BaseEstimator, ABC):
    """Base class of classifier and regressor."""

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
        progress: bool | str = "auto",
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

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "head_weight_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _sk_visual_block_(self) -> Any:
        return show_weights(self)

    @abstractmethod
    def _read_y(self, y: Any, X: Any) -> Array:
        """Return the valid target of each window."""

    @abstractmethod
    def _make_targets(self, y: Array, training: Rows) -> Targets:
        """Return what to train on; classes or the scale of values come from training windows."""

    def fit(
        self, X: BiosignalImages | ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Self:
        """Train the head, and the trainable part of the backbone.

        Parameters
        ----------
        X : BiosignalImages, array of shape (n, 224, 224, 3) or (n, k, 224, 224, 3), or PIL images
            uint8, or float in [0, 1].
        y : array-like of shape (n_windows,)
            Classes for the classifier, numbers for the regressor.
        groups : array-like of shape (n_windows,), default=None
            Subjects; required if ``validation`` is not None.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range; if a device or precision is not available; if there is
            a cache and the backbone is trained; if X is augmented but holds images; if windows are
            missing; if y or groups differ from X in length; if there is a single class, or a class
            that only validation subjects have; if a subject is in training and in validation; if
            the checkpoint is damaged.
        RuntimeError
            If training diverges.

        Warns
        -----
        UntrainedBackboneWarning
            If the frozen backbone has random weights.
        """
        targets = self._read_y(y, X)
        device = resolve_device(self.device)
        self._check_parameters(device)
        images = self._read_images(X)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31))
        training, self.held_out_ = split_validation(self.validation, targets, groups, self.seed_)
        network_targets = self._make_targets(targets, training)
        self.weights_sha256_ = weights_sha256(
            self.weights, self.seed_, expected=self.weights_sha256
        )
        checkpoint = self._open_checkpoint(images, targets, training)
        state = None if checkpoint is None else checkpoint.read()
        if state is not None and "result" in state:  # the run is complete
            result = TrainingResult(**state["result"])
        else:
            result = self._train(images, training, network_targets, device, checkpoint, state)
        self._set_result(result)
        return self

    def _train(
        self,
        images: Images,
        training: Rows,
        targets: Targets,
        device: str,
        checkpoint: Checkpoint | None,
        state: Mapping[str, Any] | None,
    ) -> TrainingResult:
        engine, frozen = get_engine(self._initial_weights(), device), self.trainable == "head"
        rows = np.arange(len(images)) if frozen else training
        embedded = self._embed(engine, images[rows])
        embeddings = np.empty((len(images), embedded[0].size), dtype=np.float32)
        embeddings[rows] = embedded.reshape(len(rows), -1)
        scaler = StandardScaler().fit(embeddings[training].astype(np.float64))
        head = Head(scaler.mean_, scaler.scale_, targets.n_outputs, self.seed_)
        module: nn.Module = named(head=head)
        if not frozen:
            backbone = self._initial_weights().load()
            module = Network(backbone, head, self.trainable, self.precision)

        def read(rows: Rows, random: np.random.Generator | None) -> Tensor:
            if frozen and (self.augmentation is None or random is None):
                return torch.from_numpy(embeddings[rows])
            batch: Any = images[rows]
            if self.augmentation is not None and random is not None:
                batch = augment_images(batch, self.augmentation, random)
            if frozen:
                return torch.from_numpy(self._embed(engine, batch, keep=False)).flatten(1)
            drawn = draw_images(batch, np.arange(len(batch) * batch.shape[1]), device)
            return drawn.unflatten(0, (len(batch), -1))

        return train(
            module,
            targets.criterion,
            TrainingSettings(
                self.max_epochs,
                self.learning_rate,
                self.backbone_learning_rate_factor,
                self.weight_decay,
                self.batch_size,
                self.patience,
                device,
                self.precision,
                self.seed_,
            ),
            WindowDataset(read, targets.values, training),
            WindowDataset(read, targets.values, self.held_out_) if len(self.held_out_) else None,
            checkpoint=checkpoint,
            state=state,
            progress=shows_progress(self.progress),
        )

    def _set_result(self, result: TrainingResult) -> None:
        self.history_ = result.history
        self.n_epochs_ = len(result.history)
        self.best_epoch_ = result.best_epoch
        self.embedding_mean_, self.embedding_scale_, self.head_weight_, self.head_bias_ = (
            result.learnt[f"head.{name}"].numpy() for name in ("mean", "scale", "weight", "bias")
        )
        self.backbone_changes_ = backbone_changes(result.learnt)
        self.backbone_sha256_ = hash_backbone(self.weights_sha256_, self.backbone_changes_)

    def _open_checkpoint(self, images: Images, y: Array, training: Rows) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        parameters = self.get_params(deep=False)
        determining = {name: parameters[name] for name in parameters.keys() - NOT_IN_FINGERPRINT}
        determining |= {
            "estimator": type(self).__name__,
            "seed": self.seed_,
            "sha256": self.weights_sha256_,
        }
        rows = (training, self.held_out_)
        return Checkpoint(self.checkpoint, compute_fingerprint(determining, images, y, *rows))

    def _compute_outputs(self, X: Any) -> FloatArray:
        """Return logits or standardised values, (n_windows, n_outputs).

        The head is computed in float64, so that outputs do not depend on the number of windows.
        """
        check_is_fitted(self)
        images = read_images(X)
        if images.shape[1] != len(self.image_names_):
            raise ValueError(
                f"Windows have {images.shape[1]} images, but {type(self).__name__} was fitted "
                f"with {len(self.image_names_)}: {self.image_names_}."
            )
        _check_none_missing(images)
        embeddings = self._embed_images(images).reshape(len(images), -1)
        inputs = (embeddings - self.embedding_mean_.astype(np.float64)) / self.embedding_scale_
        inputs = np.where(inputs > 0, inputs, np.expm1(np.minimum(inputs, 0)))  # ELU
        return inputs @ self.head_weight_.T.astype(np.float64) + self.head_bias_

    def _embed(self, engine: Engine, images: Any, keep: bool = True) -> Array:
        """Embed each window's images, (n_windows, n_images, 192), and keep them in the cache."""
        return embed(
            engine,
            images,
            batch_size=self._batch_size(),
            progress=self.progress if keep else False,
            cache=open_cache(self.cache) if keep else None,
        )

    # The interface that explanations use, as in TinyBioMoEEmbedder

    def _embed_images(self, images: Images) -> Array:
        return self._embed(self._engine(), images)

    def _engine(self) -> Engine:
        return get_engine(self._backbone(), resolve_device(self.device))

    def _batch_size(self) -> int:
        return choose_batch_size(resolve_device(self.device))

    def _load_backbone(self) -> nn.Module:
        return self._backbone().load()

    def _backbone(self) -> BackboneWeights | TunedBackbone:
        initial = self._initial_weights()
        if not self.backbone_changes_:
            return initial
        return TunedBackbone(initial, self.backbone_changes_, self.backbone_sha256_)

    def _initial_weights(self) -> BackboneWeights:
        return BackboneWeights(fspath(self.weights), self.seed_, self.weights_sha256_)

    def _read_images(self, X: Any) -> Images:
        images = read_images(X)
        if self.augmentation is not None and not isinstance(images, BiosignalImages):
            raise ValueError(
                "augmentation changes signals before images are drawn, but X holds images: "
                f"{type(X).__name__} of shape {images.shape}. Pass the output of "
                "BiosignalImageTransformer, or augmentation=None."
            )
        _check_none_missing(images)
        self.image_names_ = [f"image{i}" for i in range(images.shape[1])]
        if isinstance(images, BiosignalImages):
            self.image_names_ = images.image_names
        return images

    def _check_parameters(self, device: str) -> None:
        check_option("trainable", self.trainable, ["all", "head", "last_stages"])
        for name in ("max_epochs", "batch_size", "patience"):
            check_integer(name, getattr(self, name))
        for name in ("learning_rate", "backbone_learning_rate_factor"):
            check_number(name, getattr(self, name), above=0)
        check_number("weight_decay", self.weight_decay, minimum=0)
        shows_progress(self.progress)  # raises an error if it is wrong
        check_augmentation(self.augmentation)
        check_precision(self.precision, device)
        if self.cache is not None and self.trainable != "head":
            raise ValueError(
                f"cache={self.cache!r} stores embeddings, but trainable={self.trainable!r} changes "
                "the backbone that computes them; pass cache=None, or trainable='head'."
            )
        if self.checkpoint is not None and self.random_state is None:
            raise ValueError(
                "checkpoint requires a seed, without which an interrupted run cannot be resumed; "
                "pass random_state=0 or another number instead of None."
            )
        if self.weights == "random" and self.trainable != "all":
            warnings.warn(
                f"weights='random' with trainable={self.trainable!r}: most of the backbone stays "
                "untrained. Pass weights='open', which are pretrained, or trainable='all'.",
                UntrainedBackboneWarning,
                stacklevel=3,
            )


def _check_none_missing(images: Images) -> None:
    if isinstance(images, BiosignalImages) and (missing := images.missing).any():
        raise ValueError(
            f"Window {int(missing.argmax())} is missing ({missing.sum()} of {len(images)} windows "
            "are), and has no images. Drop missing windows."
        )
