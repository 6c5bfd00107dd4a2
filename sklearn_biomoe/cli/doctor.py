"""``sklearn-biomoe doctor``."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version

import click
import numpy as np
import torch
from sklearn.pipeline import Pipeline

from .._files import cache_folder, is_offline
from .._typing import FloatArray
from ..inference import check_precision, resolve_device, resolve_engine
from ..inference.precision import PRECISIONS
from ..pipelines import make_biosignal_embedder
from ..transformers import TinyBioMoEEmbedder

REQUIRED = ["sklearn-biomoe", "numpy", "scipy", "pandas", "scikit-learn", "torch"]
EXTRAS = {
    "data": ["pooch"],
    "plot": ["matplotlib"],
    "eda": ["neurokit2"],
    "onnx": ["onnx", "onnxscript", "onnxruntime"],
    "recordings": ["bioread", "pyarrow", "wfdb"],
    "dask": ["distributed", "pyarrow"],
    "hub": ["huggingface_hub"],
}
N_WINDOWS = 5  # of two images each
N_FIRST_CALLS = 2  # which take longer on a GPU
# Of embeddings, whose values are around 1, in float32 on another device or in another order.
LARGEST_DEVIATION = 1e-4


@click.command()
@click.option("--device", default="auto", show_default=True,
              help="cpu, cuda, cuda:INDEX or mps (experimental).")  # fmt: skip
def doctor(device: str) -> None:
    """Report versions, devices, engines and caches, and compare a device with the CPU.

    The device embeds ten images in each precision that it has; the CPU embeds them in float32.
    Exits with 1 if the device is not available, or its embeddings in float32 are different.

    \b
    Examples:
      sklearn-biomoe doctor
      sklearn-biomoe doctor --device cuda:1
    """
    device = resolve_device(device)
    click.echo(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(", ".join(map(_version, REQUIRED)))
    for extra, packages in EXTRAS.items():
        click.echo(f"extra {extra}: {', '.join(map(_version, packages))}")
    _report_devices(device)
    for kind in ("weights", "onnx"):
        folder = cache_folder(kind)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        click.echo(f"cache of {kind}: {folder}, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    click.echo(f"downloads: {'disabled' if is_offline() else 'enabled'}")
    _compare_with_cpu(device)
    click.echo("self-test: passed")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def _report_devices(device: str) -> None:
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = [torch.cuda.get_device_name(index) for index in range(n_cuda)]
    click.echo(f"device {device}; CUDA devices: {', '.join(names) or 'none'}")
    engine = resolve_engine("auto", device, "float32")
    click.echo(f"threads {torch.get_num_threads()}; engine {engine}")


def _compare_with_cpu(device: str) -> None:
    windows = np.random.default_rng(0).uniform(2, 3, size=(N_WINDOWS, 240))
    expected = _fit(windows, "cpu", "float32").transform(windows)
    for precision in PRECISIONS:
        try:
            embed = _fit(windows, device, precision)
        except ValueError:
            click.echo(f"{device} in {precision}: not supported")
            continue
        for _ in range(N_FIRST_CALLS):
            embed.transform(windows)
        started = time.perf_counter()
        embeddings = embed.transform(windows)
        rate = 2 * N_WINDOWS / (time.perf_counter() - started)
        deviation = np.abs(embeddings - expected).max()
        click.echo(
            f"{device} in {precision}: {rate:.1f} images/s; largest deviation from the CPU in "
            f"float32 {deviation:.1e}"
        )
        if precision == "float32":
            _check(deviation, f"those on the CPU, on device {device!r}")
            reverse = embed.transform(windows[::-1])[::-1]
            _check(np.abs(reverse - embeddings).max(), "those of the same windows in reverse order")


def _fit(windows: FloatArray, device: str, precision: str) -> Pipeline:
    check_precision(precision, device)
    embedder = TinyBioMoEEmbedder(
        device=device, precision=precision, batch_size=2 * N_WINDOWS, cache=None
    )
    representations = ["waveform", "spectrogram_psd"]
    embed = make_biosignal_embedder("eda", 4, representations=representations, embedder=embedder)
    return embed.fit(windows)


def _check(deviation: float, of_what: str) -> None:
    if not deviation < LARGEST_DEVIATION:  # NaN is not
        raise ValueError(
            f"self-test failed: embeddings in float32 deviate by {deviation:.1e} from {of_what}; "
            f"expected less than {LARGEST_DEVIATION:g}. Report this, and use another device."
        )
