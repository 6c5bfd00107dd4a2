"""The training run: a skorch net, batches that depend only on seed and epoch, exact resume."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import cos, isfinite, pi
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler, ProgressBar
from skorch.helper import predefined_split
from skorch.history import History
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from .._typing import Rows
from ..inference import use_precision
from .checkpoints import Checkpoint
from .head_network import learnt_tensors, parameter_groups

LARGEST_GRADIENT = 1.0  # norm, as in pretraining
RECORDED = ["epoch", "learning_rate", "train_loss", "valid_loss"]

ReadInputs = Callable[[Rows, np.random.Generator | None], Tensor]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train: parameters of `TinyBioMoEClassifier`, the resolved device and the seed."""

    max_epochs: int
    learning_rate: float
    backbone_learning_rate_factor: float
    weight_decay: float
    batch_size: int
    patience: int
    device: str
    precision: str
    seed: int


@dataclass(frozen=True)
class TrainingResult:
    """What a training run has learnt.

    Parameters
    ----------
    learnt : dict of str to Tensor
        On the CPU, from the epoch with the smallest validation loss; from the last epoch if there
        are no validation windows.
    best_epoch : int
        From 1.
    history : list of dict
        Epoch, learning rate and losses of each epoch.
    """

    learnt: dict[str, Tensor]
    best_epoch: int
    history: list[dict[str, float]]


class WindowDataset(torch.utils.data.Dataset):
    """Some of the windows, and their targets.

    Parameters
    ----------
    read : callable
        Takes rows, and a random generator for augmentation or None. Returns the embeddings or the
        images of these windows.
    targets : Tensor of shape (n_windows, ...)
        Of all windows.
    rows : ndarray of int
        Windows of this data set.
    """

    def __init__(self, read: ReadInputs, targets: Tensor, rows: Rows) -> None:
        self.read, self.targets, self.rows = read, targets, rows

    def __len__(self) -> int:
        return len(self.rows)


class BatchIterator:
    """Batches of a data set, shuffled and augmented if there is a seed.

    An epoch's random numbers depend on the seed and the epoch's number only, so that a resumed run
    has the same batches as an uninterrupted one.
    """

    def __init__(
        self, dataset: WindowDataset, batch_size: int, seed: int | None = None, epoch: int = 0
    ) -> None:
        self.dataset, self.batch_size, self.seed, self.epoch = dataset, batch_size, seed, epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows, random = self.dataset.rows.copy(), None
        if self.seed is not None:
            random = np.random.default_rng([self.seed, self.epoch])
            random.shuffle(rows)
        self.epoch += 1
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            yield self.dataset.read(batch, random), self.dataset.targets[torch.from_numpy(batch)]


def train(
    module: nn.Module,
    criterion: nn.Module,
    settings: TrainingSettings,
    training: WindowDataset,
    validation: WindowDataset | None,
    *,
    checkpoint: Checkpoint | None,
    state: Mapping[str, Any] | None,
    progress: bool,
) -> TrainingResult:
    """Train a module.

    Parameters
    ----------
    module : torch.nn.Module
        Its head is named "head", its backbone, if any, "backbone".
    criterion : torch.nn.Module
    settings : TrainingSettings
    training : WindowDataset
    validation : WindowDataset or None
        Training stops when the loss on it stops falling.
    checkpoint : Checkpoint or None
        Written after each epoch.
    state : dict or None
        Content of a checkpoint to resume from.
    progress : bool
        Show a progress bar for each epoch.

    Returns
    -------
    result : TrainingResult

    Raises
    ------
    RuntimeError
        If a loss is not finite.
    """
    stopping = EarlyStopping(patience=settings.patience, threshold=0, load_best=True)
    callbacks: list[Callback] = [ProgressBar(detect_notebook=False)] if progress else []
    callbacks.append(DivergenceCheck())
    if validation is not None:
        callbacks.append(stopping)
    if checkpoint is not None:  # last, and so not called in the epoch that stops training
        callbacks.append(CheckpointWriter(checkpoint, stopping))
    n_done = 0 if state is None else len(state["history"])
    net = _make_net(module, criterion, settings, validation, callbacks, n_done).initialize()
    if state is not None:
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history_ = History({"batches": [], **epoch} for epoch in state["history"])
    net.notify("on_train_begin")
    if state is not None:
        vars(stopping).update(state["stopping"])
    try:
        net.fit_loop(training, epochs=settings.max_epochs - n_done)
    except KeyboardInterrupt:  # from early stopping, or from the user
        if stopping.misses_ < settings.patience:
            raise
    net.notify("on_train_end")
    result = TrainingResult(
        {name: tensor.detach().cpu() for name, tensor in learnt_tensors(net.module_)},
        len(net.history) if validation is None else stopping.best_epoch_,
        _records(net),
    )
    if checkpoint is not None:
        checkpoint.write({"result": vars(result)})
    return result


def _make_net(
    module: nn.Module,
    criterion: nn.Module,
    settings: TrainingSettings,
    validation: WindowDataset | None,
    callbacks: list[Callback],
    n_done: int,
) -> NeuralNet:
    groups = parameter_groups(
        module,
        settings.learning_rate,
        settings.backbone_learning_rate_factor,
        settings.weight_decay,
    )
    schedule = LRScheduler(
        LambdaLR,
        lr_lambda=lambda epoch: (1 + cos(pi * epoch / settings.max_epochs)) / 2,
        event_name="learning_rate",
    )
    return PreciseNet(
        module,
        criterion,
        precision=settings.precision,
        # skorch groups parameters by patterns of their names; rates by stage need functions.
        optimizer=lambda *_, **__: torch.optim.AdamW(groups),
        lr=settings.learning_rate,
        batch_size=settings.batch_size,
        iterator_train=BatchIterator,
        iterator_train__seed=settings.seed,
        iterator_train__epoch=n_done,
        iterator_valid=BatchIterator,
        train_split=None if validation is None else predefined_split(validation),
        callbacks=[GradientNormClipping(LARGEST_GRADIENT), schedule, *callbacks],
        callbacks__print_log=None,
        verbose=0,
        device=settings.device,
    )


class PreciseNet(NeuralNet):
    """A net whose steps run in one precision, whatever torch is set to.

    Parameters
    ----------
    precision : {"float32", "tf32", "bfloat16"}
    """

    def __init__(self, *args: Any, precision: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.precision = precision

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Train on one batch."""
        with use_precision(self.precision, self.device):
            return super().train_step(*args, **kwargs)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of one batch."""
        with use_precision(self.precision, self.device):
            return super().validation_step(*args, **kwargs)


def _records(net: NeuralNet) -> list[dict[str, float]]:
    return [
        {name: float(epoch[name]) for name in RECORDED if name in epoch} for epoch in net.history
    ]


class DivergenceCheck(Callback):
    """Raises RuntimeError after an epoch whose loss is not finite."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Check the losses of the last epoch."""
        last = _records(net)[-1]
        if not all(map(isfinite, last.values())):
            raise RuntimeError(
                f"Training diverged: the loss is {last['train_loss']} in epoch "
                f"{last['epoch']:.0f}. Pass a smaller learning_rate than {net.lr:g}."
            )


class CheckpointWriter(Callback):
    """Writes everything that resuming requires after each epoch.

    skorch's `Checkpoint` writes several files, one after the other, and hides errors.
    """

    def __init__(self, checkpoint: Checkpoint, stopping: EarlyStopping) -> None:
        self.checkpoint, self.stopping = checkpoint, stopping

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the state after the last epoch."""
        stopping = {name: value for name, value in vars(self.stopping).items() if name[-1] == "_"}
        if stopping["dynamic_threshold_"] is not None:  # a NumPy number, which cannot be read again
            stopping["dynamic_threshold_"] = float(stopping["dynamic_threshold_"])
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": _records(net),
            "stopping": stopping,
        }
        self.checkpoint.write(state)
