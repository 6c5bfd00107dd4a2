"""Gated attention over the windows of a bag, as a torch module, and its training by skorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .._typing import Array, FloatArray

# In float64, the prediction for a bag does not depend on the other bags of its batch.
DTYPE = torch.float64


class AttentionMIL(nn.Module):
    """Gated attention over the windows of a bag, and a linear layer on their weighted mean.

    Equations 8 and 9 of Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance
    Learning", ICML 2018, arXiv 1802.04712. Takes bags of shape (n_bags, n_windows, n_features),
    padded with windows of NaN.
    """

    def __init__(self, n_features: int, hidden_size: int, n_outputs: int, dropout: float) -> None:
        super().__init__()
        self.content = nn.Linear(n_features, hidden_size)
        self.gate = nn.Linear(n_features, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)  # softmax would cancel a bias
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_features, n_outputs)
        self.to(DTYPE)

    def forward(self, bags: Tensor) -> Tensor:
        """Return outputs, (n_bags, n_outputs)."""
        weights = self.attention(bags)
        pooled = torch.einsum("bw,bwf->bf", weights, bags.nan_to_num())
        return self.output(self.dropout(pooled))

    def attention(self, bags: Tensor) -> Tensor:
        """Return the weight of each window, (n_bags, n_windows), which is 0 for windows of NaN."""
        missing = bags[..., 0].isnan()
        windows = bags.nan_to_num()
        hidden = torch.tanh(self.content(windows)) * torch.sigmoid(self.gate(windows))
        scores = self.score(self.dropout(hidden)).squeeze(-1)
        return scores.masked_fill(missing, -torch.inf).softmax(dim=1)


def pad(bags: list[FloatArray]) -> Tensor:
    """Stack bags, (n_windows, n_features) each, padded with windows of NaN to one length."""
    tensors = [torch.as_tensor(bag, dtype=DTYPE) for bag in bags]
    return pad_sequence(tensors, batch_first=True, padding_value=torch.nan)


def pad_batch(batch: list[tuple[FloatArray, Any]]) -> tuple[Tensor, Tensor]:
    """Collate pairs of a bag and its target."""
    bags, targets = zip(*batch, strict=True)
    return pad(list(bags)), torch.as_tensor(np.array(targets))


def train(
    network: AttentionMIL,
    bags: Array,
    targets: Array,
    *,
    class_weights: FloatArray | None,
    **settings: Any,
) -> list[float]:
    """Train the network in place; return the mean loss of each epoch.

    ``bags`` are cells, (n_bags,). ``targets`` are positions of classes, (n_bags,), int, or values,
    (n_bags, 1), float. ``settings`` are parameters of skorch's NeuralNet.
    """
    criterion: nn.Module = nn.MSELoss()
    if targets.dtype.kind == "i":
        weight = None if class_weights is None else torch.as_tensor(class_weights)
        criterion = nn.CrossEntropyLoss(weight)
    net = NeuralNet(
        network,
        criterion=criterion,
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
    if len(losses) < net.max_epochs:  # skorch returns normally after an interrupt
        raise KeyboardInterrupt
    return losses


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread.

    More threads do not speed up so small a network, and wait for each other if other programs use
    the cores: on two busy cores, two threads took 20 times as long as one.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
