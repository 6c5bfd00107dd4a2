"""The recipe: images generated during training, from a seed, with checkpoints and a log."""

import csv
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from .._files import new_file
from .._validation.parameters import check_integer, check_option
from ..backbone.fast import use_channels_last
from ..signals import MODALITIES
from ..transformers import BiosignalImageTransformer
from ..weights import load_backbone
from .loss_plot import plot_losses
from .objectives import (
    DEFAULT_OBJECTIVES,
    N_SIZES,
    OBJECTIVES,
    Heads,
    agreement_loss,
    describe,
    describe_shape,
    regression_loss,
)
from .real_recordings import Recordings
from .simulators import KINDS, SIZES, Draw, Simulated, simulate, usual_window

# Relative frequencies of modalities, and of representations; axes are those of the presets.
SHARES = {"eda": 8, "bvp": 8, "resp": 2, "spo2": 1, "ecg": 2, "emg": 1, "eeg": 2}
REPRESENTATIONS = {
    "eda": {"composite": 3, "waveform": 4, "scalogram": 4, "spectrogram_psd": 1, "gadf": 1},
    "bvp": {"composite": 3, "spectrogram_psd": 4, "scalogram": 4, "waveform": 1, "gadf": 1},
    "resp": {"composite": 3, "waveform": 3, "scalogram": 2},
    "spo2": {"composite": 1, "waveform": 3},
    "ecg": {"composite": 3, "scalogram": 3, "spectrogram_psd": 1, "waveform": 1},
    "emg": {"composite": 2, "spectrogram_psd": 3},
    "eeg": {"composite": 3, "spectrogram_psd": 3, "scalogram": 1},
}
IMAGES = [f"{modality} {name}" for modality in SHARES for name in REPRESENTATIONS[modality]]
MOST_MODALITIES = 3  # in a batch
N_TO_STANDARDISE = 512  # windows of each modality for the medians and ranges of targets
FALLING = 0.5  # share of the images, the last, over which the learning rate falls
FROZEN = 0.25  # share of the images, the last, with fixed averages in batch normalisations
MOMENTUM = 0.02  # of these averages; small, because a batch has few modalities
RECORDED = 0.25  # share of batches cut from recordings, if there are any
OVERLAPPING = 0.25  # share of batches whose two images are shifted against each other
SHIFT = 0.25  # of these, as a share of the window
LOGGED = ["images", "seconds", "rate", *OBJECTIVES]
REGRESSIONS = ("parameters", "descriptors", "clean")


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the weights.

    Parameters
    ----------
    n_images : int
        To train on. A run can be continued with more images until its learning rate falls.
    batch_size : int
        Two images of each window, of three modalities: a multiple of 6. A multiple of 4 with two
        modalities, of 2 with one.
    peak_rate : float
        Learning rate after a warm-up of 2,000 images; it falls over the last half.
    seed : int
    objectives : tuple of str
        Of `OBJECTIVES`. Agreement is not a default, because weights were better without it.
    modalities : tuple of str
        Fewer than all give weights for some sensors, with fewer images.
    start : str
        Initial weights, as in `sklearn_biomoe.weights.load_backbone`.
    device : str
    precision : {"float32", "bfloat16"}
        bfloat16 is faster on devices that have instructions for it, and far slower on others.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    n_images: int
    batch_size: int = 24
    peak_rate: float = 1.5e-3
    seed: int = 0
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    modalities: tuple[str, ...] = tuple(SHARES)
    start: str = "random"
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_integer("n_images", self.n_images)
        check_option("precision", self.precision, ["float32", "bfloat16"])
        for what, given, known in [
            ("objectives", self.objectives, OBJECTIVES),
            ("modalities", self.modalities, tuple(SHARES)),
        ]:
            names = set(given)
            if not names or len(names) < len(given) or not names <= set(known):
                raise ValueError(
                    f"{what}={given}; expected some of {', '.join(known)}, each at most once."
                )
        if self.batch_size < 1 or self.batch_size % (2 * self.n_modalities):
            raise ValueError(
                f"batch_size={self.batch_size}; expected a multiple of {2 * self.n_modalities}: "
                f"two images of each window, of {self.n_modalities} modalities."
            )

    @property
    def n_modalities(self) -> int:
        """Number of modalities in a batch."""
        return min(MOST_MODALITIES, len(self.modalities))

    def fixed(self) -> dict[str, Any]:
        """Return the parameters that cannot change when a run is resumed."""
        free = {"n_images", "device", "precision"}
        fixed = {name: value for name, value in asdict(self).items() if name not in free}
        lists = {"objectives": list(self.objectives), "modalities": list(self.modalities)}
        return fixed | lists

    def is_frozen(self, n_seen: int) -> bool:
        """Return whether the averages of batch normalisations are fixed after so many images."""
        return n_seen >= (1 - FROZEN) * self.n_images

    def rate_at(self, n_seen: int) -> float:
        """Return the learning rate after so many images."""
        rise = min(1.0, (n_seen + self.batch_size) / 2000)
        fall = min(1.0, (self.n_images - n_seen) / (FALLING * self.n_images))
        return self.peak_rate * rise * max(0.0, fall)


@dataclass(frozen=True)
class View:
    """Images of windows of one modality in one representation, and their targets.

    Parameters
    ----------
    modality : str
    representation : str
    images : Tensor of shape (n_windows, 3, 224, 224), float32
    targets : dict of str to Tensor of shape (n_windows, n_targets)
        By regression objective, not standardised; NaN if unknown. Windows of recordings have no
        parameters.
    """

    modality: str
    representation: str
    images: Tensor
    targets: dict[str, Tensor]


class Training:
    """A training run in a folder, resumed if the folder has a checkpoint.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        For ``checkpoint.pth``, ``log.csv`` and ``curves.png``.
    recordings : Recordings
        A quarter of the batches are cut from these.
    """

    def __init__(self, recipe: Recipe, folder: Path, recordings: Recordings) -> None:
        self.recipe, self.folder, self.recordings = recipe, folder, recordings
        self.n_seen, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
        self.backbone = load_backbone(recipe.start, recipe.seed).to(recipe.device)
        use_channels_last(self.backbone)
        for module in batch_normalisations(self.backbone):
            module.momentum = MOMENTUM
        self.scales = {name: find_scales(name, recipe.seed) for name in recipe.modalities}
        counts = {
            modality: {objective: len(centres) for objective, (centres, _) in scales.items()}
            for modality, scales in self.scales.items()
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.heads = Heads(len(IMAGES), counts).to(recipe.device)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.backbone.parameters(), "weight_decay": 0.05},
                {"params": self.heads.parameters(), "weight_decay": 0.0},
            ],
            lr=recipe.peak_rate,
            fused=True,
        )
        if self.checkpoint.is_file():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        """File from which the run is resumed."""
        return self.folder / "checkpoint.pth"

    @property
    def log(self) -> Path:
        """Table of the losses of each step."""
        return self.folder / "log.csv"

    def run(self, until: float = math.inf, save_every: float = 120.0) -> bool:
        """Train on all images, or for a number of seconds; return whether training is complete."""
        started = saved = time.monotonic()
        while self.n_seen < self.recipe.n_images and time.monotonic() - started < until:
            before = time.monotonic()
            losses = self._step()
            self.seconds += time.monotonic() - before
            self._log(losses)
            if time.monotonic() - saved > save_every:
                self.save()
                saved = time.monotonic()
        self.save()
        plot_losses(pd.read_csv(self.log), self.folder / "curves.png")
        return self.n_seen >= self.recipe.n_images

    def save(self) -> None:
        """Replace the checkpoint."""
        state = {
            "model_state_dict": self.backbone.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "n_seen": self.n_seen,
            "seconds": self.seconds,
            "recipe": self.recipe.fixed(),
        }
        with new_file(self.checkpoint) as file:
            torch.save(state, file)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.recipe.device, weights_only=True)
        saved, now = state["recipe"], self.recipe.fixed()
        others = [name for name in now if saved.get(name) != now[name]]
        if others:
            raise ValueError(
                f"{self.checkpoint} was trained with other values of {', '.join(others)}. Pass "
                f"those of {saved}, or another folder."
            )
        self.backbone.load_state_dict(state["model_state_dict"])
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.n_seen, self.seconds = state["n_seen"], state["seconds"]
        if self.log.is_file():  # steps after the checkpoint are repeated
            logged = pd.read_csv(self.log)
            logged[logged["images"] <= self.n_seen].to_csv(self.log, index=False)

    def _step(self) -> dict[str, float]:
        recipe = self.recipe
        with torch.device(recipe.device):  # windows are simulated where images are drawn
            views = make_views(recipe, self.generator, self.recordings)
        images = torch.cat([view.images for view in views])  # (batch, 3, 224, 224)
        self.backbone.train()
        if recipe.is_frozen(self.n_seen):
            # The averages of a batch, with few modalities, are far from those of all images.
            for module in batch_normalisations(self.backbone):
                module.eval()
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.n_seen)
        kind = recipe.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            embeddings = self.backbone(images.contiguous(memory_format=torch.channels_last))
        losses = self._losses(embeddings.float(), views)
        self.optimizer.zero_grad()
        self.heads.combine(losses).backward()
        torch.nn.utils.clip_grad_norm_(self.backbone.parameters(), 1.0)
        self.optimizer.step()
        self.n_seen += len(images)
        return {name: loss.item() for name, loss in losses.items()}

    def _losses(self, embeddings: Tensor, views: list[View]) -> dict[str, Tensor]:
        heads, wanted, device = self.heads, self.recipe.objectives, self.recipe.device
        of_views, n_windows = embeddings.chunk(len(views)), len(views[0].images)
        losses = {}
        if "kind" in wanted:
            kinds = [IMAGES.index(f"{view.modality} {view.representation}") for view in views]
            labels = torch.tensor(kinds, device=device).repeat_interleave(n_windows)
            losses["kind"] = functional.cross_entropy(heads.kind(embeddings), labels)
        for objective in REGRESSIONS:
            if objective in wanted and any(objective in view.targets for view in views):
                losses[objective] = self._regression_loss(objective, of_views, views)
        if "agreement" in wanted:  # each two views in turn show the same windows
            image = torch.arange(len(embeddings), device=device)
            window = image // (2 * n_windows) * n_windows + image % n_windows
            losses["agreement"] = agreement_loss(heads.projection(embeddings), window)
        return losses

    def _regression_loss(
        self, objective: str, embeddings: Sequence[Tensor], views: list[View]
    ) -> Tensor:
        device = self.recipe.device
        predicted, targets = [], []
        for own, view in zip(embeddings, views, strict=True):
            if objective not in view.targets:
                continue
            centres, widths = (part.to(device) for part in self.scales[view.modality][objective])
            target = ((view.targets[objective] - centres) / widths).clamp(-4, 4)
            predicted.append(self.heads.regress(own, view.modality, objective).flatten())
            targets.append(target.flatten().to(device))
        return regression_loss(torch.cat(predicted), torch.cat(targets))

    def _log(self, losses: dict[str, float]) -> None:
        is_new = not self.log.is_file()
        row: dict[str, Any] = {
            "images": self.n_seen,
            "seconds": round(self.seconds, 1),
            "rate": self.recipe.rate_at(self.n_seen),
        }
        row |= {name: round(loss, 5) for name, loss in losses.items()}
        with self.log.open("a", newline="") as file:
            writer = csv.DictWriter(file, LOGGED)
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def batch_normalisations(backbone: nn.Module) -> list[nn.BatchNorm2d]:
    """List the batch normalisations of a network."""
    return [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]


@cache
def find_scales(modality: str, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return medians and widths of the targets of simulated windows, by objective.

    Widths are interquartile ranges divided by that of a normal distribution, or standard deviations
    if the interquartile range is 0.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    parts = []
    for _ in range(N_TO_STANDARDISE // 32):
        rate, duration = usual_window(modality, generator)
        made = simulate(modality, 32, sampling_rate=rate, duration=duration, generator=generator)
        parts.append(make_targets(made))
    scales = {}
    for objective in REGRESSIONS:
        values = torch.cat([part[objective] for part in parts])
        centres = values.nanquantile(0.5, dim=0)
        widths = (values.nanquantile(0.75, dim=0) - values.nanquantile(0.25, dim=0)) / 1.349
        squares = ((values - values.nanmean(dim=0)) ** 2).nanmean(dim=0)
        widths = torch.where(widths > 1e-6, widths, squares.sqrt().clamp_min(1e-6))
        scales[objective] = (centres, widths)
    return scales


def make_targets(made: Simulated, sizes_shown: bool = True) -> dict[str, Tensor]:
    """Return the targets of the regression objectives, each (n_windows, n_targets).

    Sizes are NaN if an image does not show them.
    """
    parameters = [
        values if sizes_shown or name not in SIZES else torch.full_like(values, math.nan)
        for name, values in made.parameters.items()
    ]
    descriptors = describe(made.signals)
    if not sizes_shown:
        descriptors[:, -N_SIZES:] = math.nan
    targets = {"descriptors": descriptors, "clean": describe_shape(made.clean)}
    if parameters:
        targets["parameters"] = torch.stack(parameters, dim=1)
    return targets


def shows_sizes(modality: str, representation: str) -> bool:
    """Return whether images have the same axis of values for all windows."""
    fixed = MODALITIES[modality].value_range is not None
    return fixed and representation in ("waveform", "composite")


def make_views(recipe: Recipe, generator: torch.Generator, recordings: Recordings) -> list[View]:
    """Simulate windows or cut them from recordings, and draw each in two representations."""
    n_windows = recipe.batch_size // (2 * recipe.n_modalities)
    shares = {modality: SHARES[modality] for modality in recipe.modalities}
    views: list[View] = []
    for modality in _pick(shares, recipe.n_modalities, generator):
        rate, duration = usual_window(modality, generator)
        recorded, shifted = torch.rand(2, generator=generator).tolist()
        shift = SHIFT * duration if shifted < OVERLAPPING else 0.0
        windows = Draw(n_windows, rate, duration + shift, generator)
        if recorded < RECORDED and recordings.long_enough(modality, rate, windows.duration):
            made = recordings.cut(modality, windows)
        else:
            made = KINDS[modality].simulate(windows)
        n_times, n_shifted = round(duration * rate), round(shift * rate)
        starts = [0, n_shifted]
        for name, start in zip(_pick(REPRESENTATIONS[modality], 2, generator), starts, strict=True):
            shown = slice(start, start + n_times)
            part = replace(made, signals=made.signals[:, shown], clean=made.clean[:, shown])
            targets = make_targets(part, shows_sizes(modality, name))
            if shift:
                targets.pop("parameters", None)  # they describe the whole window
            images = draw_windows(part.signals, modality, name, rate, recipe.device)
            views.append(View(modality, name, images, targets))
    return views


def draw_windows(signals: Tensor, modality: str, name: str, rate: float, device: str) -> Tensor:
    """Draw windows by `BiosignalImageTransformer`, (n_windows, 3, 224, 224), in [0, 1]."""
    transformer = BiosignalImageTransformer([name], sampling_rate=rate, modality=modality)
    images = transformer.fit_transform(
        np.ascontiguousarray(signals[:, None].double().cpu().numpy())
    )
    pixels = images.draw(np.arange(len(images)), device).float() / 255  # (n_windows, H, W, 3)
    return pixels.permute(0, 3, 1, 2)


def _pick(weights: dict[str, int], n: int, generator: torch.Generator) -> Iterator[str]:
    """Draw names without replacement, by their weights."""
    chosen = torch.multinomial(torch.tensor(list(weights.values())).float(), n, generator=generator)
    names = list(weights)
    return (names[at] for at in chosen.tolist())
