"""Sentences about what the methods of a study are given and do, for a methods section."""

import re
from collections.abc import Iterator, Mapping
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from .._typing import FloatArray
from ..images.parameters import ImageParameters
from ..pipelines import describe_estimator, find_embedders, find_parts, mark_missing
from ..representations import REPRESENTATIONS
from ..representations.scaling import DYNAMIC_RANGE
from ..signals.modalities import Modality
from ..signals.windows import read_windows
from ..transformers import BiosignalImageTransformer, TinyBioMoEEmbedder
from .baselines import WHOLE_INPUT

Signals = Mapping[str, tuple[str, float]]  # modality and Hz by column, "" for X itself
ADDRESS = " at 0x[0-9a-f]+"  # of an object that selects columns
REFERENCE = "Gkikas et al. 2025, doi 10.1145/3747327.3764788"


def describe_methods(
    methods: Mapping[str, Any],
    controls: Mapping[str, Any],
    X: Any,
    signals: Signals,
    intervals: FloatArray | None,
) -> tuple[str, ...]:
    """Return sentences about windows, images, embeddings, methods and controls.

    Methods and controls are estimators by their name. Signals are those that methods draw, with
    their modality and sampling rate, as in `drawn_signals`.
    """
    names = _name_images(methods)
    listed = "; ".join(f'"{name}": {_describe(each, names)}' for name, each in methods.items())
    return (
        _describe_input(X, signals, intervals),
        *(f"The {name} show {shown}." for shown, name in names.items()),
        *_describe_embedders(methods),
        f"The methods are {listed}.",
        *_describe_controls(controls),
    )


def _describe_controls(controls: Mapping[str, Any]) -> Iterator[str]:
    if controls:
        listed = "; ".join(
            f'"{name}", of {_describe_input_of_control(name)}: {_describe(each, {})}'
            for name, each in controls.items()
        )
        yield f"The controls are {listed}."


def _describe_input_of_control(name: str) -> str:
    if name == "statistics":
        return "mean, standard deviation, minimum and maximum of each signal"
    if name.startswith("training"):
        return "the targets of training windows alone"
    if name.startswith("own"):
        return "the calibration targets of the subject alone"
    return "the start of the window alone"


def _describe_input(X: Any, signals: Signals, intervals: FloatArray | None) -> str:
    if signals:
        parts = [_describe_signal(X, name, *signal) for name, signal in signals.items()]
        return f"The signals are {'; '.join(parts)}."
    lengths = "" if intervals is None else f" of {_range(np.diff(intervals)[:, 0])} s"
    shape: tuple[int, ...] = getattr(X, "shape", ())
    what = f" and {shape[1]:,} column{'s' if shape[1] > 1 else ''}" if len(shape) == 2 else ""
    return f"The input of the methods has one row for each window{lengths}{what}."


def _describe_signal(X: Any, name: str, modality: str, rate: float) -> str:
    windows = read_windows(X if name == WHOLE_INPUT else X[name], modality=modality, allow_nan=True)
    text = f"{name or 'one signal'} (modality {modality}, {rate:g} Hz, "
    text += f"windows of {_range(windows.present.lengths / rate)} s"
    if windows.n_channels > 1:
        text += f", {windows.n_channels} channels"
    n_missing = int(windows.missing.sum())
    return f"{text}, {n_missing:,} of them missing)" if n_missing else f"{text})"


def _range(values: Any) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:.4g}" if np.isclose(low, high) else f"{low:.4g} to {high:.4g}"


def _name_images(methods: Mapping[str, Any]) -> dict[str, str]:
    """Return names, such as "images of eda", of different images of all methods by what they show.

    Those of one modality that show different things are numbered.
    """
    names: dict[str, str] = {}
    for method in methods.values():
        for part in find_parts(method, BiosignalImageTransformer):
            base = f"images of {part._parameters().label}"
            number = sum(name.split(",")[0] == base for name in names.values()) + 1
            names.setdefault(
                _describe_images(part), base if number == 1 else f"{base}, version {number}"
            )
    return names


def _describe_images(part: BiosignalImageTransformer) -> str:
    parameters = part._parameters()
    parts = []
    for name in dict.fromkeys(parameters.names):
        shown = parameters.shown(name)
        details = _describe_axes(parameters, parameters.preset(name), shown)
        parts.append(f"{', '.join(shown)}{f' ({details})' if details else ''}")
    text = f"{'; '.join(parts)}, with {part.image_size} x {part.image_size} pixels"
    if part.tile_length is not None:
        step = part.tile_length if part.tile_step is None else part.tile_step
        text += f", in tiles of {part.tile_length:g} s every {step:g} s"
    return text


def _describe_axes(parameters: ImageParameters, modality: Modality, shown: tuple[str, ...]) -> str:
    drawn = [REPRESENTATIONS[name] for name in shown]
    drawn += [REPRESENTATIONS[part] for each in drawn for part in each.parts]
    names = {*shown, *(part for each in drawn for part in each.parts)}
    has_spectrogram = any(name.startswith("spectrogram") for name in names)
    parts = []
    if any(each.has_values for each in drawn):
        parts.append(_describe_values(parameters.value_range, modality))
    if has_spectrogram:
        length = modality.spectrogram_window
        parts.append(
            f"segments of {'an eighth of the window' if length is None else f'{length:g} s'}"
        )
    if has_spectrogram or "scalogram" in names:
        limits = modality.frequency_range
        parts.append("all frequencies" if limits is None else f"{limits[0]:g} to {limits[1]:g} Hz")
    if any(REPRESENTATIONS[name].has_powers for name in shown):
        parts.append(_describe_powers(parameters.power_range))
    if any(each.to_map is not None and each.colormap is None for each in drawn[: len(shown)]):
        parts.append(f"colormap {parameters.colormap}")
    return ", ".join(parts)


def _describe_values(value_range: Any, modality: Modality) -> str:
    given = modality.value_range if value_range == "preset" else value_range
    if given is None or given == "window":
        return "from the smallest to the largest value of each window"
    if given == "training":
        return "from the 1st to the 99th percentile of training samples"
    if isinstance(given, list):
        return f"value ranges of the channels {given}"
    logarithmic = ", logarithmic" if given[2:] else ""
    unit = f" {modality.unit}" if modality.unit else ""
    return f"values from {given[0]:g} to {given[1]:g}{unit}{logarithmic}"


def _describe_powers(power_range: Any) -> str:
    if power_range == "window":
        return f"powers down to {DYNAMIC_RANGE:g} dB below the maximum of each window"
    if power_range == "training":
        return (
            f"powers down to {DYNAMIC_RANGE:g} dB below the 99th percentile of the maxima of "
            "training windows"
        )
    return f"powers from {power_range[0]:g} to {power_range[1]:g} dB"


FUSE = {
    "concatenate": "concatenated over the images of a window",
    "mean": "averaged over the images of a window",
    "mean_tiles": "averaged over tiles, and concatenated over the images of a window",
}


def _describe_embedders(methods: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each different embedder."""
    sentences: dict[str, None] = {}
    for embedder in find_embedders(dict(methods)):
        source = fspath(embedder.weights)
        weights = Path(source).name if Path(source).suffix else source
        if isinstance(embedder, TinyBioMoEEmbedder):
            text = (
                f"Images are embedded by Tiny-BioMoE ({REFERENCE}) with the weights {weights!r}, "
                f"in {embedder.precision}, as 192 numbers each, {FUSE[embedder.fuse]}."
            )
        else:
            text = (
                f"{type(embedder).__name__} trains Tiny-BioMoE ({REFERENCE}) from the weights "
                f"{weights!r}: trainable={embedder.trainable!r}."
            )
        sentences[text] = None
    return list(sentences)


def _describe(estimator: Any, names: Mapping[str, str]) -> str:
    """Return the steps of a method, with the parameters that differ from their defaults."""
    if isinstance(estimator, BiosignalImageTransformer):
        return names[_describe_images(estimator)]
    if isinstance(estimator, TinyBioMoEEmbedder):
        return "Tiny-BioMoE"
    if isinstance(estimator, Pipeline):
        steps = [_describe(step, names) for _, step in estimator.steps]
        return ", then ".join(step for step in steps if step != "'passthrough'")
    if isinstance(estimator, ColumnTransformer):
        parts = [(str(columns), part) for _, part, columns in estimator.transformers]
        if not isinstance(estimator.remainder, str):
            parts.append(("other columns", estimator.remainder))
        branches = [f"{columns}: {_describe(part, names)}" for columns, part in parts]
        return re.sub(ADDRESS, "", f"[{'; '.join(branches)}]")
    if isinstance(estimator, FeatureUnion) and estimator.transformer_weights is None:
        return f"[{'; '.join(_describe(part, names) for _, part in estimator.transformer_list)}]"
    if isinstance(estimator, str | None):
        return repr(estimator)
    if isinstance(estimator, FunctionTransformer) and estimator.func is mark_missing:
        return "1 for a missing window, else 0"
    text = re.sub(r"\n *", " ", describe_estimator(estimator, changed_only=True))
    return re.sub(r"<function ([^>]+)>", r"\1", text)
