"""Speed of drawing and embedding on a GPU, and deviations from the CPU, as one table.

It takes less than three minutes on an H100. On a machine without a GPU, ``--dry-run`` runs the same
code on a few images, on the CPU. Rows:

- network: embeddings of images that are on the device. "fast form" calls the form of the network
  that the embedder uses, "CUDA graph" is what the embedder runs, "compiled" that with
  ``engine="compile"``. Deviations are the largest from embeddings on the CPU in float32.
- order: the largest change of an embedding with the order of the images.
- drawing: images of windows of 3,840 samples, in pieces of 128. Deviations are in levels of 255.
- hashing: rows looked up in a cache, on one core.
- signals to embeddings: `embed`, two images for each window of 3,840 samples.
- training: steps of the readable network with mixed precision.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import environment
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.backbone.fast import FastBackbone
from sklearn_biomoe.inference import check_precision, embed, get_engine, use_precision
from sklearn_biomoe.inference.cache import ProcessCache
from sklearn_biomoe.inference.embedding import image_keys
from sklearn_biomoe.inference.precision import PRECISIONS
from sklearn_biomoe.weights import BackboneWeights, load_backbone, weights_sha256

RESULTS = Path(__file__).parent / "results" / "gpu.csv"
TWO = ["waveform", "spectrogram_psd"]
DRAWN = ["waveform", "spectrogram_psd", "scalogram", "gadf", "composite"]
N_ROUNDS = 5


class Measurement:
    """Sizes, a device, and what is embedded on it.

    Parameters
    ----------
    device : {"cuda", "cpu"}
        "cpu" is the dry run, in small sizes.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        is_dry = device == "cpu"
        self.batches = (1, 2) if is_dry else (1, 8, 32, 128, 256)
        self.n_compared = 4 if is_dry else 256
        self.n_windows = 4 if is_dry else 2048
        self.n_drawn = 4 if is_dry else 128
        self.training_batches = (2,) if is_dry else (96, 240, 512)
        self.weights = BackboneWeights("open", 0, weights_sha256("open", 0))
        self.images = draw(TWO, self.n_windows)
        arrays = np.asarray(self.images[: self.n_compared // 2])
        self.expected = embed(get_engine(self.weights, "cpu"), arrays, batch_size=8, progress=False)
        self.expected = self.expected.reshape(self.n_compared, -1)
        self.compared = torch.from_numpy(arrays).flatten(0, 1).to(device).float() / 255

    @property
    def precisions(self) -> list[str]:
        """Those that the device has."""
        return [name for name in PRECISIONS if is_supported(name, self.device)]

    @property
    def compiled(self) -> list[str]:
        """Precisions in which the network is compiled: not TF32, to save time."""
        return ["float32"] if self.device == "cpu" else ["float32", "bfloat16"]

    def rate(self, work: Callable[[], object], n_images: int) -> float:
        """Return images per second, the median of several rounds after two others."""
        rates = []
        for _ in range(N_ROUNDS + 2):
            started = time.perf_counter()
            work()
            if self.device != "cpu":
                torch.cuda.synchronize()
            rates.append(n_images / (time.perf_counter() - started))
        return statistics.median(rates[2:])

    def run(self, network: Callable[[Tensor], Tensor], batch: int, images: Tensor) -> Tensor:
        """Embed images in batches."""
        with torch.inference_mode():
            return torch.cat([network(part) for part in images.split(batch)])

    def deviation(self, embeddings: Tensor) -> float:
        """Return the largest deviation from the CPU in float32."""
        return float(np.abs(embeddings.cpu().numpy() - self.expected).max())

    def network(self, what: str, network: Callable[[Tensor], Tensor], batch: int) -> dict:
        """Return the row of a network with one size of batches."""
        images = self.compared[: 32 * batch]
        rate = self.rate(lambda: self.run(network, batch, images), len(images))
        deviation = self.deviation(self.run(network, batch, self.compared))
        return row(f"network, {what}", batch, rate, deviation)


def row(what: str, batch: int | None, rate: float | None, deviation: float | None) -> dict:
    return {
        "what": what,
        "batch": batch,
        "images_per_second": None if rate is None else round(rate),
        "largest_deviation": None if deviation is None else f"{deviation:.1e}",
    }


def is_supported(precision: str, device: str) -> bool:
    try:
        check_precision(precision, device)
    except ValueError:
        return False
    return True


def draw(representations: list[str], n_windows: int):
    windows = np.cumsum(np.random.default_rng(0).normal(size=(n_windows, 3840)), axis=1)
    to_images = BiosignalImageTransformer(representations, sampling_rate=64, modality="bvp")
    return to_images.fit_transform(windows)


def measure_networks(measurement: Measurement) -> Iterator[dict]:
    device, largest = measurement.device, measurement.batches[-1]
    readable = load_backbone("open").to(device)
    yield measurement.network(
        "readable, torch's default precision", lambda x: readable(x.permute(0, 3, 1, 2)), largest
    )
    for precision in measurement.precisions:
        fast = FastBackbone(readable, PRECISIONS[precision]).eval()

        def call(images: Tensor, fast=fast, precision=precision) -> Tensor:
            with use_precision(precision, device):
                return fast(images.permute(0, 3, 1, 2))

        run = get_engine(measurement.weights, device, precision).run
        for batch in measurement.batches:
            yield measurement.network(f"fast form, {precision}", call, batch)
            yield measurement.network(f"CUDA graph, {precision}", run, batch)
            images = measurement.compared[: 2 * batch]
            same = torch.equal(
                measurement.run(call, batch, images), measurement.run(run, batch, images)
            )
            yield row(f"network, CUDA graph, {precision}: the same bits: {same}", batch, None, None)
        for batch in measurement.batches[1:3]:
            order = torch.randperm(
                measurement.n_compared, generator=torch.Generator().manual_seed(0)
            ).to(device)
            together = measurement.run(run, batch, measurement.compared)
            shuffled = measurement.run(run, batch, measurement.compared[order])
            change = float((shuffled - together[order]).abs().max())
            yield row(f"order, {precision}", batch, None, change)


def measure_compiled(measurement: Measurement) -> Iterator[dict]:
    largest = measurement.batches[-1]
    for precision in measurement.compiled:
        started = time.perf_counter()
        run = get_engine(measurement.weights, measurement.device, precision, "compile").run
        measurement.run(run, largest, measurement.compared[:largest])
        seconds = time.perf_counter() - started
        yield measurement.network(f"compiled, {precision}, in {seconds:.0f} s", run, largest)


def measure_drawing(measurement: Measurement) -> Iterator[dict]:
    n_images = measurement.n_drawn
    positions = np.arange(n_images)
    for name in DRAWN:
        images = draw([name], n_images)
        rate = measurement.rate(lambda i=images: i.draw(positions, measurement.device), n_images)
        drawn = images.draw(positions, measurement.device).cpu().int()
        difference = (drawn - images.draw(positions).int()).abs()
        share = float((difference > 0).float().mean())
        what = f"drawing, {name}: {share:.1e} of the bytes differ"
        yield row(what, n_images, rate, float(difference.max()))


def measure_embedding(measurement: Measurement) -> Iterator[dict]:
    images, largest = measurement.images, measurement.batches[-1]
    n_images = 2 * len(images)
    rate = measurement.rate(lambda: image_keys(images, ""), n_images)
    yield row("hashing", None, rate, None)
    torch_engines = [(precision, "torch") for precision in measurement.precisions]
    for precision, name in [*torch_engines, (measurement.compiled[-1], "compile")]:
        engine = get_engine(measurement.weights, measurement.device, precision, name)
        what = f"signals to embeddings, {precision}, {name}"

        def work(stack=images, batch=largest, cached=False, engine=engine) -> np.ndarray:
            cache = ProcessCache(2**30) if cached else None
            return embed(engine, stack, batch_size=batch, progress=False, cache=cache)

        found = work()[: measurement.n_compared // 2].reshape(measurement.n_compared, -1)
        deviation = measurement.deviation(torch.from_numpy(found))
        yield row(what, largest, measurement.rate(work, n_images), deviation)
        rate = measurement.rate(lambda work=work: work(cached=True), n_images)
        yield row(f"{what}, with a cache", largest, rate, None)
        few = images[: measurement.n_compared // 2]
        rate = measurement.rate(lambda work=work, few=few: work(few, 1), 2 * len(few))
        yield row(f"{what}, images one by one", 1, rate, None)

        def each_window(work=work, few=few) -> None:
            for start in range(len(few)):
                work(few[start : start + 1], 1)

        rate = measurement.rate(each_window, 2 * len(few))
        yield row(f"{what}, one call for each window", 1, rate, None)


def measure_training(measurement: Measurement) -> Iterator[dict]:
    device = measurement.device
    if "bfloat16" not in measurement.precisions:
        return
    network = load_backbone("open").to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    for batch in measurement.training_batches:
        images = torch.rand(batch, 3, 224, 224, device=device)

        def step(images=images) -> None:
            with torch.autocast(device, torch.bfloat16):
                loss = network(images).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        yield row("training, bfloat16", batch, measurement.rate(step, batch), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="a few images, on the CPU")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if not (arguments.dry_run or torch.cuda.is_available()):
        sys.exit(
            "This benchmark needs a CUDA device, and torch finds none. Run it on a machine with a "
            "GPU, or pass --dry-run, which runs its code on a few images on the CPU."
        )
    started = time.perf_counter()
    measurement = Measurement("cpu" if arguments.dry_run else "cuda")
    parts = (
        measure_networks,
        measure_compiled,
        measure_drawing,
        measure_embedding,
        measure_training,
    )
    rows = []
    for part in parts:
        for each in part(measurement):
            rows.append(each)
            print(*(value for value in each.values() if value is not None), sep="; ", flush=True)
    table = pd.DataFrame(rows).astype({"batch": "Int64", "images_per_second": "Int64"})
    print(table.to_string(index=False, na_rep=""))
    table.to_csv(arguments.output, index=False)
    environment.write(
        arguments.output.with_suffix(".json"),
        device="cpu" if arguments.dry_run else torch.cuda.get_device_name(),
        cuda=torch.version.cuda,
        seconds=round(time.perf_counter() - started),
        weights="open",
        weights_sha256=measurement.weights.sha256,
    )


if __name__ == "__main__":
    main()
