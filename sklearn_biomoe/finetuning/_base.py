"""What classifier and regressor share: how they are fitted, and what their heads say."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._typing import Rows
from .._validation.parameters import check_option
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
from ..transformers.pickling import VersionedPickle
from ..weights import BackboneWeights, load_backbone, weights_sha256
from .augmentation import augment_images, check_augmentation
from .checkpoints import Checkpoint, fingerprint_of
from .head_network import (
    Head,
    TunedBackbone,
    changes_of_backbone,
    hash_backbone,
    make_module,
)
from .training_loop import Outcome, Plan, Windows, outcome_of, train
from .validation_split import hold_out

Images = BiosignalImages | NDArray[Any]

PRECISIONS = ["bfloat16", "float16", "float32"]
# What does not decide what is learnt, or is decided on before and told by itself.
NOT_DECIDING = (
    *("device", "progress", "cache", "checkpoint"),
    *("weights", "weights_sha256", "random_state", "validation"),
)


@dataclass(frozen=True)
class Targets:
    """What the network's outputs are compared with.

    Parameters
    ----------
    values : Tensor of shape (n_windows,) or (n_windows, 1)
        Of classes, their positions; else float32.
    criterion : torch.nn.Module
    n_outputs : int
    """

    values: Tensor
    criterion: nn.Module
    n_outputs: int

    @classmethod
    def of_classes(cls, codes: NDArray[np.int64], weights: NDArray[np.float64]) -> Targets:
        """Positions of classes, and a weight for each class."""
        weight = torch.tensor(weights, dtype=torch.float32)
        return cls(torch.tensor(codes), nn.CrossEntropyLoss(weight), len(weights))

    @classmethod
    def of_values(cls, values: NDArray[np.float64]) -> Targets:
        """Values around 0."""
        return cls(torch.tensor(values, dtype=torch.float32)[:, None], nn.MSELoss(), 1)


class FineTuned(VersionedPickle, BaseEstimator):
    """What classifier and regressor share."""

    trainable: str
    weights: str | PathLike[str]
    weights_sha256: str | None
    max_epochs: int
    learning_rate: float
    backbone_learning_rate_factor: float
    weight_decay: float
    batch_size: int
    augmentation: Mapping[str, float] | None
    validation: Any
    patience: int
    device: str
    precision: str
    cache: str | PathLike[str] | None
    checkpoint: str | PathLike[str] | None
    progress: bool
    random_state: int | np.random.RandomState | None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "head_weight_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    # Fitting

    def _fit(
        self,
        X: Any,
        y: NDArray[Any],
        groups: Any,
        targets_of: Callable[[Rows], Targets],
        decided_by: dict[str, Any],
    ) -> None:
        """Train, and keep what was learnt.

        Parameters
        ----------
        X : object
            Images.
        y : ndarray of shape (n_windows,)
            Numbers.
        groups : array-like of shape (n_windows,) or None
        targets_of : callable
            Positions of training windows to the targets of all windows.
        decided_by : dict
            What else the outcome depends on.
        """
        device = resolve_device(self.device)
        self._check_parameters(device)
        images = self._read_images(X)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31))
        training, self.held_out_ = hold_out(self.validation, y, groups, self.seed_)
        targets = targets_of(training)
        self.weights_sha256_ = weights_sha256(
            self.weights, self.seed_, expected=self.weights_sha256
        )
        self._warn_of_untrained()
        checkpoint = self._checkpoint(images, decided_by, y, training)
        kept = None if checkpoint is None else checkpoint.read()
        if kept is not None and kept["finished"]:
            outcome = outcome_of(kept)
        else:
            outcome = self._train(images, training, targets, device, checkpoint)
        self._keep(outcome)

    def _train(
        self,
        images: Images,
        training: Rows,
        targets: Targets,
        device: str,
        checkpoint: Checkpoint | None,
    ) -> Outcome:
        engine = self._frozen_engine(device)
        embeds_once = self.trainable == "head" and self.augmentation is None
        embedded = np.arange(len(images)) if self.trainable == "head" else training
        seen = self._embed(engine, images if embeds_once else images[embedded])
        embeddings = np.empty((len(images), seen.shape[1] * seen.shape[2]), dtype=np.float32)
        embeddings[embedded] = seen.reshape(len(seen), -1)
        scaler = StandardScaler().fit(embeddings[training].astype(np.float64))
        head = Head(scaler.mean_, scaler.scale_, targets.n_outputs, self.seed_)
        backbone = None
        if self.trainable != "head":
            backbone = load_backbone(self.weights, self.seed_, expected=self.weights_sha256_)

        def read(rows: Rows, random: np.random.Generator | None) -> Tensor:
            if embeds_once or (self.trainable == "head" and random is None):
                return torch.from_numpy(embeddings[rows])
            chosen: Any = images[rows]
            if self.augmentation is not None and random is not None:
                chosen = augment_images(chosen, self.augmentation, random)
            if self.trainable == "head":
                embedded_anew = self._embed(engine, chosen, remember=False)
                return torch.from_numpy(embedded_anew).flatten(1)
            drawn = draw_images(chosen, np.arange(len(chosen) * chosen.shape[1]), device)
            return drawn.unflatten(0, (len(chosen), -1))

        def part(rows: Rows) -> Windows:
            return Windows(lambda at, random: read(rows[at], random), targets.values[rows])

        return train(
            make_module(head, backbone, self.trainable),
            targets.criterion,
            self._plan(device),
            part(training),
            part(self.held_out_) if len(self.held_out_) else None,
            checkpoint=checkpoint,
            progress=self.progress,
        )

    def _plan(self, device: str) -> Plan:
        return Plan(
            max_epochs=self.max_epochs,
            learning_rate=self.learning_rate,
            backbone_factor=self.backbone_learning_rate_factor,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            patience=self.patience,
            precision=self.precision if self.trainable != "head" else "float32",
            device=device,
            seed=self.seed_,
        )

    def _keep(self, outcome: Outcome) -> None:
        learnt = outcome.learnt
        self.history_ = outcome.history
        self.n_epochs_ = len(outcome.history)
        self.best_epoch_ = outcome.best_epoch
        self.embedding_mean_ = learnt["head.mean"].numpy()
        self.embedding_scale_ = learnt["head.scale"].numpy()
        self.head_weight_ = learnt["head.weight"].numpy()
        self.head_bias_ = learnt["head.bias"].numpy()
        self.backbone_changes_ = changes_of_backbone(learnt)
        self.backbone_sha256_ = hash_backbone(self.weights_sha256_, self.backbone_changes_)

    def _checkpoint(
        self, images: Images, decided_by: dict[str, Any], y: NDArray[Any], training: Rows
    ) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        parameters = self.get_params(deep=False)
        decisions = {
            **{name: parameters[name] for name in parameters if name not in NOT_DECIDING},
            **decided_by,
            "estimator": type(self).__name__,
            "seed": self.seed_,
            "sha256": self.weights_sha256_,
        }
        fingerprint = fingerprint_of(decisions, images, y, training)
        return Checkpoint(self.checkpoint, fingerprint)

    # Saying

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Logits, or standardised values, (n_windows, n_outputs).

        In float64, so that they do not depend on how many windows there are.
        """
        check_is_fitted(self)
        images = read_images(X)
        if images.shape[1] != len(self.image_names_):
            raise ValueError(
                f"Windows have {images.shape[1]} images, but {type(self).__name__} was fitted "
                f"with {len(self.image_names_)}: {self.image_names_}."
            )
        _refuse_missing(images)
        embeddings = self._embed_images(images).reshape(len(images), -1)
        inputs = (embeddings - self.embedding_mean_.astype(np.float64)) / self.embedding_scale_
        inputs = np.where(inputs > 0, inputs, np.expm1(np.minimum(inputs, 0)))  # ELU
        return inputs @ self.head_weight_.T.astype(np.float64) + self.head_bias_

    def _embed(self, engine: Engine, images: Any, remember: bool = True) -> NDArray[np.float32]:
        """Embeddings of each window's images, (n_windows, n_images, 192)."""
        return embed(
            engine,
            images,
            batch_size=self._batch_size(),
            progress=self.progress and remember,
            cache=open_cache(self.cache) if remember else None,
        )

    # As those of TinyBioMoEEmbedder, which explanations ask for

    def _embed_images(self, images: Images) -> NDArray[np.float32]:
        return self._embed(self._engine(), images)

    def _engine(self) -> Engine:
        device = resolve_device(self.device)
        if self.backbone_changes_:
            return get_engine(self._tuned(), device)
        return self._frozen_engine(device)

    def _batch_size(self) -> int:
        return choose_batch_size(resolve_device(self.device))

    def _load_backbone(self) -> nn.Module:
        return self._tuned().load()

    def _frozen_engine(self, device: str) -> Engine:
        weights = BackboneWeights(fspath(self.weights), self.seed_, self.weights_sha256_)
        return get_engine(weights, device)

    def _tuned(self) -> TunedBackbone:
        return TunedBackbone(
            fspath(self.weights),
            self.seed_,
            self.weights_sha256_,
            self.backbone_changes_,
            self.backbone_sha256_,
        )

    # Checking

    def _read_images(self, X: Any) -> Images:
        images = read_images(X)
        if self.augmentation is not None and not isinstance(images, BiosignalImages):
            raise ValueError(
                "augmentation changes signals before they are drawn, but X holds images, "
                f"{type(X).__name__} of shape {images.shape}. Pass the output of "
                "BiosignalImageTransformer, or augmentation=None."
            )
        _refuse_missing(images)
        self.image_names_ = [f"image{i}" for i in range(images.shape[1])]
        if isinstance(images, BiosignalImages):
            self.image_names_ = images.image_names
        return images

    def _check_parameters(self, device: str) -> None:
        check_option("trainable", self.trainable, ["all", "head", "last_stages"])
        for name in ("max_epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}; expected an integer of 1 or more.")
        for name in ("learning_rate", "backbone_learning_rate_factor", "weight_decay"):
            value = getattr(self, name)
            lowest = "0 or more" if name == "weight_decay" else "above 0"
            fits = isinstance(value, Real) and 0 <= float(value) < np.inf
            if not fits or (value == 0 and lowest == "above 0"):
                raise ValueError(f"{name}={value!r}; expected a finite number {lowest}.")
        check_augmentation(self.augmentation)
        self._check_precision(device)
        if self.cache is not None and self.trainable != "head":
            raise ValueError(
                f"cache={self.cache!r} remembers embeddings, but trainable={self.trainable!r} "
                "changes the backbone that makes them at each step; pass cache=None, or "
                "trainable='head'."
            )
        if self.checkpoint is not None and self.random_state is None:
            raise ValueError(
                "checkpoint needs a seed, so that a run that was killed is known again; pass "
                "random_state=0, or any other number, instead of None."
            )

    def _check_precision(self, device: str) -> None:
        check_option("precision", self.precision, PRECISIONS)
        if self.precision == "float16" and device == "cpu":
            raise ValueError(
                "precision='float16' is for CUDA devices, but training would run on device='cpu'; "
                "pass precision='float32', or device='cuda' where there is one."
            )
        if self.precision != "float16":
            check_precision(self.precision, device)

    def _warn_of_untrained(self) -> None:
        if self.weights == "random" and self.trainable != "all":
            warnings.warn(
                f"weights='random' with trainable={self.trainable!r}: most of the backbone is "
                "untrained and stays so. Pass weights='open', which is pretrained, or "
                "trainable='all'.",
                UntrainedBackboneWarning,
                stacklevel=4,
            )


def _refuse_missing(images: Images) -> None:
    missing = images.missing if isinstance(images, BiosignalImages) else np.zeros(1, dtype=bool)
    if missing.any():
        raise ValueError(
            f"Window {int(missing.argmax())} is missing ({missing.sum()} of {len(images)} are): "
            "there is nothing to see in its images. Drop such windows."
        )
