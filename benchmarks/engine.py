"""Speed, accuracy and memory of the backbone on this CPU.

All forms run alternately in one process with two threads, batch by batch, on real images:

- "published": the network with the published layout, which copies tokens into contiguous memory at
  each change of layout;
- "readable": `sklearn_biomoe.backbone.TinyBioMoE`;
- "float32", "bfloat16", "onnxruntime": the forms that the embedder runs;
- "compiled": the float32 form after `torch.compile`, only with batches of 8, because each batch
  size needs a compilation.

Images per second are medians; ratios are medians of the ratios within each round. Memory is the
peak minus that of the loaded network, measured in one process per form. The share is relative to
the fastest matrix product of this machine in the same precision.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import environment
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.backbone import network as backbone
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.inference import get_engine
from sklearn_biomoe.weights import BackboneWeights, random_backbone, weights_sha256

RESULTS = Path(__file__).parent / "results" / "engine"
FORMS = ["published", "readable", "float32", "bfloat16", "onnxruntime", "compiled"]
BATCHES = [1, 8, 32]
COMPILED_BATCH = 8
N_IMAGES = 32
N_ROUNDS = 7
CHOOSING = range(2, 19)  # subjects


@contextmanager
def published_layout() -> Iterator[None]:
    """Copy tokens and grids into contiguous memory, as the published network does."""
    to_grid, to_tokens = backbone.to_grid, backbone.to_tokens
    backbone.to_grid = lambda tokens: to_grid(tokens).contiguous()
    backbone.to_tokens = lambda grid: to_tokens(grid).contiguous()
    yield
    backbone.to_grid, backbone.to_tokens = to_grid, to_tokens


def load(form: str) -> Callable[[Tensor], Tensor]:
    """Return a function of float32 images (B, H, W, 3)."""
    weights = BackboneWeights("open", 0, weights_sha256("open"))
    if form in ("float32", "bfloat16"):
        return get_engine(weights, "cpu", form).run
    if form == "onnxruntime":
        return get_engine(weights, "cpu", engine=form).run
    if form == "compiled":
        compiled = get_engine(weights, "cpu", engine="compile").run
        compiled(torch.zeros(COMPILED_BATCH, 224, 224, 3))
        return compiled
    network = weights.load()

    def run(images: Tensor) -> Tensor:
        return network(images.permute(0, 3, 1, 2))

    def run_published(images: Tensor) -> Tensor:
        with published_layout():
            return network(images.permute(0, 3, 1, 2).contiguous())

    return run_published if form == "published" else run


def draw_images(windows) -> Tensor:
    """Draw skin conductance and pulse of the first windows as float32 (N_IMAGES, H, W, 3)."""
    rows = windows.data.iloc[: N_IMAGES // 2]
    drawn = [
        np.asarray(
            BiosignalImageTransformer(sampling_rate=rate, modality=name).fit_transform(rows[name])
        )[:, 0]
        for name, rate in windows.sampling_rates.items()
    ]
    return torch.from_numpy(np.concatenate(drawn)).float() / 255


def compare(images: Tensor, compiled: Callable[[Tensor], Tensor]) -> pd.DataFrame:
    all_forms = {form: load(form) for form in FORMS if form != "compiled"}
    expected = all_forms["readable"](images)
    flops = flops_per_image(images)
    limits = {precision: matmul_flops(precision) for precision in ("float32", "bfloat16")}
    rows = []
    for batch in BATCHES:
        forms = all_forms | ({"compiled": compiled} if batch == COMPILED_BATCH else {})
        rates: dict[str, list[float]] = {form: [] for form in forms}
        for run in forms.values():
            images_per_second(run, images, batch)
        for _ in range(N_ROUNDS):
            for form, run in forms.items():
                rates[form].append(images_per_second(run, images, batch))
        for form, run in forms.items():
            found = torch.cat([run(part) for part in images.split(batch)])
            precision = form if form == "bfloat16" else "float32"
            rows.append(
                {
                    "form": form,
                    "batch": batch,
                    "images_per_second": round(statistics.median(rates[form]), 1),
                    "ratio_to_published": ratio(rates[form], rates["published"]),
                    "ratio_to_readable": ratio(rates[form], rates["readable"]),
                    "largest_deviation": f"{(found - expected).abs().max():.1e}",
                    "smallest_centred_cosine": round(centred_cosine(found, expected), 4),
                    "peak_megabytes": measure_memory(form, batch),
                    "share_of_matmul": round(
                        statistics.median(rates[form]) * flops / limits[precision], 2
                    ),
                }
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def images_per_second(run: Callable[[Tensor], Tensor], images: Tensor, batch: int) -> float:
    started = time.perf_counter()
    for part in images.split(batch):
        run(part)
    return len(images) / (time.perf_counter() - started)


def ratio(rates: list[float], reference: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(rates, reference, strict=True)), 2)


def centred_cosine(found: Tensor, expected: Tensor) -> float:
    found, expected = found - found.mean(dim=0), expected - expected.mean(dim=0)
    return float(torch.nn.functional.cosine_similarity(found, expected).min())


def flops_per_image(images: Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        random_backbone(0)(images[:1].permute(0, 3, 1, 2))
    return counter.get_total_flops()


def matmul_flops(precision: str, side: int = 2048) -> float:
    """Return the operations per second of a large matrix product, the best of thirty."""
    a, b = (torch.rand(side, side, dtype=getattr(torch, precision)) for _ in range(2))
    best = float("inf")
    for _ in range(30):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def measure_memory(form: str, batch: int) -> int:
    """Return the peak memory in MB minus that of the loaded network, in a new process."""
    command = [sys.executable, __file__, "--memory", form, "--batch", str(batch)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_memory(form: str, batch: int) -> None:
    run = load(form)
    status = Path("/proc/self/status")
    rest = kilobytes(status, "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    for _ in range(3):
        run(torch.rand(batch, 224, 224, 3))
    print((kilobytes(status, "VmHWM") - rest) // 1024)


def kilobytes(status: Path, name: str) -> int:
    (line,) = [line for line in status.read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1])


def score(windows) -> dict[str, str]:
    """Return balanced accuracies in both precisions, transitions protocol, subjects 2 to 18."""
    chosen = np.isin(windows.groups, CHOOSING)
    used = np.unique(windows.pairs[chosen])
    earlier, later = np.searchsorted(used, windows.pairs[chosen]).T
    scores = {}
    for precision in ("float32", "bfloat16"):
        features = np.hstack(
            [
                make_pipeline(
                    BiosignalImageTransformer(sampling_rate=rate, modality=name),
                    TinyBioMoEEmbedder(precision=precision),
                ).fit_transform(windows.data[name].iloc[used])
                for name, rate in windows.sampling_rates.items()
            ]
        )
        classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
        found = cross_val_score(
            make_pipeline(StandardScaler(), classifier),
            features[later] - features[earlier],
            windows.target[chosen],
            groups=windows.groups[chosen],
            cv=LeaveOneGroupOut(),
            scoring="balanced_accuracy",
        )
        scores[precision] = f"{found.mean():.3f} ± {found.std():.3f}"
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", choices=FORMS, help="print the peak memory of one form, in MB")
    parser.add_argument("--batch", type=int, default=8)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # electrodes without contact
    torch.set_num_threads(2)
    caches = tempfile.mkdtemp()  # no exported or compiled files
    for variable in ("SKLEARN_BIOMOE_CACHE", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ.setdefault(variable, caches)
    with torch.inference_mode():
        if arguments.memory:
            print_memory(arguments.memory, arguments.batch)
            return
        windows = fetch_stress_predict(protocol="transitions")
        started = time.perf_counter()
        load("onnxruntime")
        seconds_to_export = time.perf_counter() - started
        started = time.perf_counter()
        compiled = load("compiled")
        seconds_to_compile = time.perf_counter() - started
        table = compare(draw_images(windows), compiled)
    table.to_csv(RESULTS.with_suffix(".csv"), index=False)
    environment.write(
        RESULTS.with_suffix(".json"),
        threads=torch.get_num_threads(),
        images=f"{N_IMAGES} of Stress-Predict, skin conductance and pulse",
        n_rounds=N_ROUNDS,
        seconds_to_export_to_onnx=round(seconds_to_export),
        seconds_to_compile=round(seconds_to_compile),
        scores_of_both_precisions=score(windows),
        scores="balanced accuracy, transitions, subjects 2 to 18, mean and standard deviation over "
        "held-out subjects; the earlier window of each pair is the baseline of the later one",
        weights="open",
        weights_sha256=weights_sha256("open"),
    )


if __name__ == "__main__":
    main()
