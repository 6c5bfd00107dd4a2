"""The training run: a skorch net, batches that a seed decides, epochs that go on after a kill."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, isfinite, pi
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from skorch.helper import predefined_split
from skorch.history import History
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from .._progress import progress_bar
from .._typing import Rows
from .checkpoints import Checkpoint
from .head_network import learnt_tensors, parameter_groups

LARGEST_GRADIENT = 1.0  # norm, as in pretraining
AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Learnt = dict[str, Tensor]


class Windows(torch.utils.data.Dataset):
    """Windows and their targets, as far as training needs them.

    Parameters
    ----------
    read : callable
        Positions of windows, and a generator of random numbers or None, to what the module takes of
        these windows: embeddings or images. Random numbers change the windows.
    targets : Tensor of shape (n_windows, ...)
    """

    def __init__(
        self, read: Callable[[Rows, np.random.Generator | None], Tensor], targets: Tensor
    ) -> None:
        self.read, self.targets = read, targets

    def __len__(self) -> int:
        return len(self.targets)


@dataclass
class Batches:
    """One epoch's batches.

    Parameters
    ----------
    windows : Windows
    batch_size : int
    random : numpy.random.Generator or None
        Shuffles and changes windows; None goes through them as they are.
    """

    windows: Windows
    batch_size: int
    random: np.random.Generator | None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows = np.arange(len(self.windows))
        if self.random is not None:
            self.random.shuffle(rows)
        for start in range(0, len(rows), self.batch_size):
            chosen = rows[start : start + self.batch_size]
            inputs = self.windows.read(chosen, self.random)
            yield inputs, self.windows.targets[torch.from_numpy(chosen)]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    max_epochs : int
    learning_rate : float
        Of the head; falls from there to 0 along half a cosine, epoch by epoch.
    backbone_factor, weight_decay : float
        See `sklearn_biomoe.finetuning.head_network.parameter_groups`.
    batch_size : int
    patience : int
        Epochs without a smaller loss of held-out windows, after which training ends.
    precision : {"float32", "bfloat16", "float16"}
    device : str
    seed : int
    """

    max_epochs: int
    learning_rate: float
    backbone_factor: float
    weight_decay: float
    batch_size: int
    patience: int
    precision: str
    device: str
    seed: int

    def share_of_rate(self, epoch: int) -> float:
        """Return the learning rate in an epoch, from 0, as a share of the first."""
        return (1 + cos(pi * epoch / self.max_epochs)) / 2


class Net(NeuralNet):
    """A skorch net with rates by stage, mixed precision, and epochs that depend on their number.

    Parameters
    ----------
    module : torch.nn.Module
    criterion : torch.nn.Module
    plan : Plan
    held_out : Windows or None
    callbacks : list of (str, skorch callback)
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        plan: Plan,
        held_out: Windows | None,
        callbacks: list[tuple[str, Callback]],
    ) -> None:
        schedule = LRScheduler(LambdaLR, lr_lambda=plan.share_of_rate, event_name="learning_rate")
        super().__init__(
            module,
            criterion,
            batch_size=plan.batch_size,
            train_split=None if held_out is None else predefined_split(held_out),
            callbacks=[
                ("clip", GradientNormClipping(LARGEST_GRADIENT)),
                ("schedule", schedule),
                *callbacks,
            ],
            callbacks__print_log=None,
            verbose=0,
            device=plan.device,
        )
        self.plan = plan

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> "Net":
        """Make AdamW, and what scales losses so that float16 holds their gradients."""
        plan = self.plan
        self.optimizer_ = torch.optim.AdamW(
            parameter_groups(
                self.module_, plan.learning_rate, plan.backbone_factor, plan.weight_decay
            )
        )
        self.scaler_ = torch.amp.GradScaler(self._kind, enabled=plan.precision == "float16")
        return self

    def get_iterator(self, dataset: Windows, training: bool = False) -> Batches:
        """Return batches that the seed and the number of the epoch decide, and nothing before it.

        So a run that goes on after a kill meets the batches of one that went through.
        """
        random = np.random.default_rng([self.plan.seed, len(self.history)]) if training else None
        return Batches(dataset, self.batch_size, random)

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Run the module in the asked precision; logits are float32."""
        dtype = AUTOCAST.get(self.plan.precision)
        with torch.autocast(self._kind, dtype, enabled=dtype is not None):
            return super().infer(x, **fit_params).float()

    def train_step(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """Take one step; gradients are clipped at their true size, whatever they were scaled by."""
        self._zero_grad_optimizer()
        self._set_training(True)
        inputs, targets = batch
        outputs = self.infer(inputs)
        loss = self.get_loss(outputs, targets, X=inputs, training=True)
        self.scaler_.scale(loss).backward()
        self.scaler_.unscale_(self.optimizer_)
        parameters = list(self.get_all_learnable_params())
        self.notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)
        self.scaler_.step(self.optimizer_)
        self.scaler_.update()
        return {"loss": loss, "y_pred": outputs}

    @property
    def _kind(self) -> str:
        return self.plan.device.partition(":")[0]


@dataclass
class Outcome:
    """What a run came to, or has come to so far.

    Parameters
    ----------
    learnt : dict of str to Tensor
        On the CPU: of the epoch with the smallest loss of held-out windows; of the last epoch where
        none are held out.
    best_epoch : int
        From 1.
    history : list of dict
        Numbers of each epoch.
    """

    learnt: Learnt
    best_epoch: int
    history: list[dict[str, float]]


def train(
    module: nn.Module,
    criterion: nn.Module,
    plan: Plan,
    training: Windows,
    held_out: Windows | None,
    *,
    checkpoint: Checkpoint | None,
    progress: bool,
) -> Outcome:
    """Train a module, from the checkpoint on where there is one.

    Parameters
    ----------
    module : torch.nn.Module
        As `make_module` makes it.
    criterion : torch.nn.Module
    plan : Plan
    training : Windows
    held_out : Windows or None
    checkpoint : Checkpoint or None
        Written after each epoch.
    progress : bool
        Show a progress bar.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    RuntimeError
        Where the loss is no longer finite.
    """
    n_steps = -(-len(training) // plan.batch_size)
    with progress_bar(plan.max_epochs * n_steps, "training", "batch", progress) as bar:
        callbacks = [] if bar is None else [("bar", _Bar(bar))]
        net = Net(module, criterion, plan, held_out, callbacks).initialize()
        kept = None if checkpoint is None else checkpoint.read()
        outcome = Outcome({}, 0, []) if kept is None else _restore(net, kept)
        net.notify("on_train_begin")
        while not _is_over(outcome, plan, held_out is not None):
            net.fit_loop(training, epochs=1)
            _record(net, outcome)
            if checkpoint is not None:
                checkpoint.write(_state(net, outcome))
        net.notify("on_train_end")
    if checkpoint is not None:
        checkpoint.write(finished_state(outcome))
    return outcome


def _is_over(outcome: Outcome, plan: Plan, has_held_out: bool) -> bool:
    n_epochs = len(outcome.history)
    waited = n_epochs - outcome.best_epoch
    return n_epochs >= plan.max_epochs or (has_held_out and waited >= plan.patience)


def _record(net: Net, outcome: Outcome) -> None:
    """Note an epoch, and keep what was learnt by then if it is the best."""
    last = net.history[-1]
    names = ["epoch", "learning_rate", "train_loss", "valid_loss"]
    outcome.history.append({name: float(last[name]) for name in names if name in last})
    if not all(map(isfinite, outcome.history[-1].values())):
        raise RuntimeError(
            f"The loss is {last['train_loss']} in epoch {last['epoch']}: training has run out of "
            f"bounds. Pass a smaller learning_rate than {net.plan.learning_rate:g}."
        )
    losses = [epoch["valid_loss"] for epoch in outcome.history if "valid_loss" in epoch]
    if not losses or losses[-1] < min(losses[:-1], default=np.inf):
        outcome.best_epoch = len(outcome.history)
        outcome.learnt = _copy_learnt(net.module_)


def _copy_learnt(module: nn.Module) -> Learnt:
    return {name: tensor.detach().cpu().clone() for name, tensor in learnt_tensors(module)}


def _state(net: Net, outcome: Outcome) -> dict[str, Any]:
    """Return all that going on needs; random numbers follow from the number of the epoch."""
    return {
        **finished_state(outcome),
        "finished": False,
        "module": _copy_learnt(net.module_),
        "optimizer": net.optimizer_.state_dict(),
        "scaler": net.scaler_.state_dict(),
    }


def finished_state(outcome: Outcome) -> dict[str, Any]:
    """Return what is kept of a run that is over."""
    return {"finished": True, **vars(outcome)}


def outcome_of(kept: dict[str, Any]) -> Outcome:
    """Return the outcome that a checkpoint holds."""
    return Outcome(kept["learnt"], kept["best_epoch"], kept["history"])


def _restore(net: Net, kept: dict[str, Any]) -> Outcome:
    """Put the net back to where the checkpoint was written."""
    outcome = outcome_of(kept)
    net.module_.load_state_dict(kept["module"], strict=False)  # the rest was never changed
    net.optimizer_.load_state_dict(kept["optimizer"])
    net.scaler_.load_state_dict(kept["scaler"])
    # The scheduler, which is made when training begins, tells from its length where it is.
    net.history_ = History({"batches": [], **epoch} for epoch in outcome.history)
    return outcome


class _Bar(Callback):
    """Moves a progress bar on."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def on_train_begin(self, net: Net, **kwargs: Any) -> None:
        self.bar.update(len(net.history) * self.bar.total // net.plan.max_epochs)

    def on_batch_end(self, net: Net, training: bool = False, **kwargs: Any) -> None:
        if training:
            self.bar.update(1)
