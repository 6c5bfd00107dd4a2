"""Attention pooling of a bag's windows, as skorch trains it. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

PRECISION = torch.float64  # a bag's prediction then does not tell what it was batched with


class AttentionMIL(nn.Module):
    """Gated attention over the windows of a bag, and a linear layer on what it pools.

    Parameters
    ----------
    n_features : int
        Of each window.
    hidden_size : int
        Of the attention.
    n_outputs : int
    dropout : float
        Share of the pooled features, and of the attention's hidden values, dropped in training.

    References
    ----------
    Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018, arXiv
    1802.04712, equations 8 and 9.
    """

    def __init__(self, n_features: int, hidden_size: int, n_outputs: int, dropout: float) -> None:
        super().__init__()
        self.content = nn.Linear(n_features, hidden_size)
        self.gate = nn.Linear(n_features, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)  # softmax would cancel a bias
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_features, n_outputs)
        self.to(PRECISION)

    def forward(self, bags: Tensor) -> Tensor:
        """Return outputs, (n_bags, n_outputs), of bags padded with windows of NaN."""
        weights = self.attention(bags)
        pooled = torch.einsum("bw,bwf->bf", weights, bags.nan_to_num())
        return self.output(self.dropout(pooled))

    def attention(self, bags: Tensor) -> Tensor:
        """Return each window's weight, (n_bags, n_windows); 0 for windows of NaN.

        Parameters
        ----------
        bags : Tensor of shape (n_bags, n_windows, n_features)
        """
        missing = bags[..., 0].isnan()
        windows = bags.nan_to_num()
        hidden = torch.tanh(self.content(windows)) * torch.sigmoid(self.gate(windows))
        scores = self.score(self.dropout(hidden)).squeeze(-1)
        return scores.masked_fill(missing, -torch.inf).softmax(dim=1)


def pad(bags: list[NDArray[np.float64]]) -> Tensor:
    """Stack bags, each (n_windows, n_features), filled up with windows of NaN."""
    tensors = [torch.as_tensor(bag, dtype=PRECISION) for bag in bags]
    return pad_sequence(tensors, batch_first=True, padding_value=torch.nan)


def pad_batch(batch: list[tuple[NDArray[np.float64], Any]]) -> tuple[Tensor, Tensor]:
    """Make one batch of pairs of a bag and its target."""
    bags, targets = zip(*batch, strict=True)
    return pad(list(bags)), torch.as_tensor(np.array(targets))


def train(
    network: AttentionMIL,
    bags: NDArray[np.object_],
    targets: NDArray[Any],
    *,
    class_weights: NDArray[np.float64] | None,
    **settings: Any,
) -> list[float]:
    """Train the network in place; return the mean loss of each epoch.

    Parameters
    ----------
    network : AttentionMIL
    bags : ndarray of shape (n_bags,), object
    targets : ndarray
        Positions of classes, (n_bags,), int; or values, (n_bags, 1), float.
    class_weights : ndarray of shape (n_classes,) or None
    **settings : dict
        Of skorch's net: max_epochs, lr, batch_size, device, optimizer__weight_decay.
    """
    classify = targets.dtype.kind == "i"
    if classify:
        weight = None if class_weights is None else torch.as_tensor(class_weights)
        settings |= {"criterion": nn.CrossEntropyLoss, "criterion__weight": weight}
    net = (NeuralNetClassifier if classify else NeuralNetRegressor)(
        network,
        optimizer=torch.optim.AdamW,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=pad_batch,
        train_split=None,
        verbose=0,
        **settings,
    )
    with _one_thread():
        net.fit(bags, targets)
    losses = [epoch["train_loss"] for epoch in net.history.to_list() if "train_loss" in epoch]
    if len(losses) < net.max_epochs:  # skorch takes an interrupt as the end of training
        raise KeyboardInterrupt
    return losses


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread.

    So small a network gains nothing by more, and waits for them where other programs keep the cores
    busy: on two busy cores two threads took 20 times as long as one.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
