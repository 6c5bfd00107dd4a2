"""A figure of the losses of a training run."""

from pathlib import Path

import numpy as np
import pandas as pd

N_POINTS = 150  # in a curve, each the mean of successive steps


def plot_losses(log: pd.DataFrame, path: Path) -> None:
    """Plot the loss of each objective over the number of images, as a PNG file.

    Parameters
    ----------
    log : DataFrame
        Content of ``log.csv`` of `sklearn_biomoe.pretraining.training_run.TrainingRun`.
    path : Path
    """
    from matplotlib.figure import Figure

    losses = log.set_index("images").drop(columns=["made", "seconds", "rate"], errors="ignore")
    losses = losses.dropna(axis=1, how="all")
    parts = np.arange(len(losses)) * N_POINTS // len(losses)
    images = losses.index.to_series().groupby(parts).mean()
    figure = Figure(figsize=(3 * losses.shape[1], 3), layout="constrained")
    axes = figure.subplots(1, losses.shape[1], squeeze=False)[0]
    for axis, (name, values) in zip(axes, losses.items(), strict=True):
        axis.plot(images, values.groupby(parts).mean(), color="black", linewidth=1)
        axis.set_title(str(name))
        axis.set_xlabel("images")
    axes[0].set_ylabel("loss")
    figure.savefig(path)
