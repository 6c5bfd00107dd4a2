"""The training run: steps, averaged weights, checkpoints and a log."""

import csv
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .._files import new_file
from ..backbone.fast import use_channels_last
from ..inference import resolve_device, use_precision
from ..weights import load_backbone
from .group_workers import open_groups
from .image_groups import IMAGES, ImageGroups
from .image_pool import ImagePool
from .loss_plot import plot_losses
from .objectives import OBJECTIVES, Heads
from .real_recordings import Recordings
from .recipe import Recipe
from .targets import find_target_columns

DECAY = 0.999  # of the averaged weights, after a few thousand steps
MOMENTUM = 0.02  # of the averages in batch normalisations
WEIGHT_DECAY = 0.05  # of the backbone
LARGEST_GRADIENT = 1.0  # norm
LOG_EVERY, SAVE_EVERY = 10.0, 120.0  # seconds
Tensors = tuple[Tensor, ...] | list[Tensor]
LOGGED = ["images", "seconds", "rate", *OBJECTIVES]


class TrainingRun:
    """A training run in a folder, resumed if the folder has a checkpoint.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        For ``checkpoint.pth``, ``log.csv`` and ``curves.png``.
    recordings : Recordings
        A quarter of the groups are cut from these, as far as they are long enough.

    Raises
    ------
    ValueError
        If the checkpoint is of another recipe.
    """

    def __init__(self, recipe: Recipe, folder: Path, recordings: Recordings) -> None:
        self.recipe, self.folder = recipe, folder
        self.device = resolve_device(recipe.device)
        self.n_seen, self.n_steps, self.seconds = 0, 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        columns = find_target_columns(recipe.modalities, recipe.seed)
        self.groups = ImageGroups(
            recipe.seed, recipe.modalities, recipe.group_size, columns, recordings
        )
        self.memberships = columns.memberships().to(self.device)
        self.backbone = load_backbone(recipe.start, recipe.seed).to(self.device)
        use_channels_last(self.backbone)
        for module in batch_normalisations(self.backbone):
            module.momentum = MOMENTUM
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            self.heads = Heads(len(IMAGES), len(columns)).to(self.device)
        self.averaged = AveragedModel(self.backbone, multi_avg_fn=self._average, use_buffers=True)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.backbone.parameters(), "weight_decay": WEIGHT_DECAY},
                {"params": self.heads.parameters(), "weight_decay": 0.0},
            ],
            lr=recipe.peak_rate,
            fused=True,
        )
        self.wanted = torch.tensor(
            [float(name in recipe.objectives) for name in OBJECTIVES], device=self.device
        )
        if self.checkpoint.is_file():
            self._resume()
        else:
            self.log.unlink(missing_ok=True)  # of a run that ended before its first checkpoint

    @property
    def checkpoint(self) -> Path:
        """File from which the run is resumed; as a weights file, it has the averaged weights."""
        return self.folder / "checkpoint.pth"

    @property
    def log(self) -> Path:
        """Table of the losses, one row for about ten seconds."""
        return self.folder / "log.csv"

    @property
    def is_complete(self) -> bool:
        """Whether all images have been seen, or all minutes are over."""
        return self.recipe.progress(self.n_seen, self.seconds) >= 1

    def run(self) -> None:
        """Train until the run is complete; an interrupted run is resumed from its last checkpoint.

        Raises
        ------
        RuntimeError
            If a loss is not finite, images cannot be made, or a process that makes them was killed.
        """
        if not self.is_complete:
            with self._open_pool() as pool, self._use_precision():
                self._train(pool)
        plot_losses(pd.read_csv(self.log), self.folder / "curves.png")

    def _use_precision(self) -> AbstractContextManager[None]:
        """Set torch to float32 or TF32; bfloat16 keeps the faster algorithms of convolutions."""
        if self.recipe.precision == "bfloat16":
            return nullcontext()
        return use_precision(self.recipe.precision, self.device)

    @contextmanager
    def _open_pool(self) -> Iterator[ImagePool]:
        """Start the workers; make the images again that were in the pool at the checkpoint."""
        size, needed = self.recipe.pool_size, self.recipe.n_made(self.n_seen)
        n_made = max(0, needed - size)
        with open_groups(
            self.groups, n_made // self.groups.n_images, self.recipe.n_workers
        ) as made:
            pool = ImagePool(made, size, len(self.groups.targets), self.device, n_made)
            pool.take_until(needed)
            yield pool

    def _train(self, pool: ImagePool) -> None:
        sums, n_summed = torch.zeros(len(OBJECTIVES), device=self.device), 0
        logged = saved = before = time.monotonic()
        while not self.is_complete:
            pool.take_until(self.recipe.n_made(self.n_seen))
            sums += self._step(pool)
            n_summed += 1
            now = time.monotonic()
            self.seconds, before = self.seconds + now - before, now
            if now - logged > LOG_EVERY or self.is_complete:
                self._log((sums / n_summed).tolist())
                sums.zero_()
                n_summed, logged = 0, now
                if now - saved > SAVE_EVERY or self.is_complete:
                    self.save()
                    before = saved = time.monotonic()

    def _step(self, pool: ImagePool) -> Tensor:
        """Train on one batch; return the loss of each objective."""
        recipe, done = self.recipe, (self.n_seen, self.seconds)
        batch = pool.draw(recipe.batch_size, np.random.default_rng([recipe.seed, self.n_steps, 1]))
        self.backbone.train()
        if recipe.is_frozen(*done):
            for module in batch_normalisations(self.backbone):
                module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(*done)
        images = batch.images.permute(0, 3, 1, 2).float().div_(255)  # (B, 3, H, W), channels last
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            embeddings = self.backbone(images)
        losses = self.heads.losses(embeddings.float(), batch.kinds, batch.targets, self.memberships)
        self.optimizer.zero_grad()
        self.heads.combine(losses, self.wanted).backward()
        nn.utils.clip_grad_norm_(self.backbone.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.averaged.update_parameters(self.backbone)
        self.n_seen += recipe.batch_size
        self.n_steps += 1
        return losses.detach()

    def _average(self, averaged: Tensors, current: Tensors, _: object) -> None:
        """Update the averaged tensors of one type; early averages are of fewer steps."""
        if averaged[0].is_floating_point():
            decay = min(DECAY, (1 + self.n_steps) / (10 + self.n_steps))
            get_ema_multi_avg_fn(decay)(averaged, current, 0)
        else:
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)

    def save(self) -> None:
        """Replace the checkpoint."""
        state = {
            "model_state_dict": self.averaged.module.state_dict(),
            "backbone": self.backbone.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "n_seen": self.n_seen,
            "n_steps": self.n_steps,
            "seconds": self.seconds,
            "recipe": self._fixed(),
        }
        with new_file(self.checkpoint) as file:
            torch.save(state, file)

    def _fixed(self) -> dict[str, Any]:
        """Return what cannot change when a run is resumed."""
        return self.recipe.fixed() | {"recordings": list(self.groups.recordings.sources)}

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        saved, now = state["recipe"], self._fixed()
        others = [name for name in now if saved.get(name) != now[name]]
        if others:
            raise ValueError(
                f"{self.checkpoint} was trained with other values of {', '.join(others)}. Pass "
                f"those of {saved}, or another folder."
            )
        self.averaged.module.load_state_dict(state["model_state_dict"])
        self.backbone.load_state_dict(state["backbone"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.n_seen, self.n_steps = state["n_seen"], state["n_steps"]
        self.seconds = state["seconds"]
        self.averaged.n_averaged.fill_(self.n_steps)
        if self.log.is_file():  # steps after the checkpoint are repeated
            logged = pd.read_csv(self.log)
            logged[logged["images"] <= self.n_seen].to_csv(self.log, index=False)

    def _log(self, losses: list[float]) -> None:
        shown = dict(zip(OBJECTIVES, losses, strict=True))
        shown = {name: round(shown[name], 5) for name in self.recipe.objectives}
        if not all(map(math.isfinite, shown.values())):
            raise RuntimeError(
                f"Training diverged: after {self.n_seen:,} images, losses are {shown}. Start again "
                f"with a smaller peak_rate than {self.recipe.peak_rate:g}."
            )
        is_new = not self.log.is_file()
        row: dict[str, Any] = {
            "images": self.n_seen,
            "seconds": round(self.seconds, 1),
            "rate": self.recipe.rate_at(self.n_seen, self.seconds),
        }
        with self.log.open("a", newline="") as file:
            writer = csv.DictWriter(file, LOGGED)
            if is_new:
                writer.writeheader()
            writer.writerow(row | shown)


def batch_normalisations(backbone: nn.Module) -> list[nn.BatchNorm2d]:
    """List the batch normalisations of a network."""
    return [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
