"""Speed of drawing and embedding on a GPU, in images per second.

Run it on a machine with a CUDA device, or test it with ``--device cpu --windows 16``. "readable" is
`sklearn_biomoe.backbone.TinyBioMoE` in float32; the other networks are the forms that the embedder
runs. "both" is drawing and embedding.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import environment
import numpy as np
import torch

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.inference import embed, get_engine, resolve_device
from sklearn_biomoe.weights import BackboneWeights, random_backbone, weights_sha256

RESULTS = Path(__file__).parent / "results" / "gpu.json"
N_ROUNDS = 5


def median_rate(work: Callable[[], object], n_images: int, device: str) -> float:
    """Return images per second, the median of several rounds after a warm-up."""
    rates = []
    for _ in range(N_ROUNDS + 1):
        started = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        rates.append(n_images / (time.perf_counter() - started))
    return round(statistics.median(rates[1:]), 1)


def measure(device: str, n_windows: int, batch_size: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    signals = np.cumsum(rng.normal(size=(n_windows, 3840)), axis=1)
    to_images = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd"], sampling_rate=64, modality="bvp"
    )
    images = to_images.fit_transform(signals)
    n_images = 2 * n_windows
    found = {
        "drawing": median_rate(lambda: images.draw(np.arange(n_images), device), n_images, device)
    }
    batch = torch.rand(batch_size, 224, 224, 3, device=device)
    readable = random_backbone(0).to(device)
    with torch.inference_mode():
        found["network, readable"] = median_rate(
            lambda: readable(batch.permute(0, 3, 1, 2)), batch_size, device
        )
        for precision in ("float32", "bfloat16"):
            engine = get_engine(
                BackboneWeights("random", 0, weights_sha256("random")), device, precision
            )
            found[f"network, {precision}"] = median_rate(
                lambda run=engine.run: run(batch), batch_size, device
            )
            found[f"both, {precision}"] = median_rate(
                lambda engine=engine: embed(engine, images, batch_size=batch_size, progress=False),
                n_images,
                device,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--windows", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # untrained weights
    device = resolve_device(arguments.device)
    batch_size = min(arguments.batch, arguments.windows)
    found = measure(device, arguments.windows, batch_size)
    print(json.dumps(found, indent=2))
    environment.write(
        arguments.output,
        device=device if device == "cpu" else torch.cuda.get_device_name(),
        windows=arguments.windows,
        batch=batch_size,
        images_per_second=found,
        weights_sha256=weights_sha256("random", 0),
    )


if __name__ == "__main__":
    main()
