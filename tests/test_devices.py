"""Devices and precisions: which can be used, in which processes, and torch's settings for them."""

import multiprocessing
import os
import threading
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sklearn_biomoe import TinyBioMoEEmbedder
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.finetuning import _base as finetuning_base
from sklearn_biomoe.inference import (
    check_precision,
    choose_batch_size,
    devices,
    engines,
    get_engine,
    precision,
    resolve_device,
    resolve_engine,
    use_precision,
)
from sklearn_biomoe.transformers import embedder
from sklearn_biomoe.weights import BackboneWeights, weights_sha256

IMAGES = np.zeros((2, 224, 224, 3), np.uint8)


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == "cpu"
    for unknown in ("gpu", "cuda:x", "cuda:", "cpu:0", "mps:0", ""):
        with pytest.raises(ValueError, match=r"Unknown device .* or 'mps'"):
            resolve_device(unknown)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_without_a_device(device):
    with pytest.raises(ValueError, match="finds 0 CUDA devices; use device='auto' or 'cpu'"):
        resolve_device(device)


def test_mps(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"finds no GPU of Apple; use device='auto' or 'cpu'"):
        resolve_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("mps") == "mps"
    assert resolve_device("auto") == "cpu"  # since MPS is experimental
    assert choose_batch_size("mps") == 8
    assert devices.drawing_device("mps:0") == "cpu"
    with pytest.raises(ValueError, match="device 'mps' has no instructions"):
        check_precision("bfloat16", "mps")
    with pytest.raises(ValueError, match=r"not on 'mps' in 'float32'; pass engine='torch'"):
        resolve_engine("compile", "mps", "float32")


@pytest.fixture
def one_gpu(monkeypatch):
    """Let torch find a CUDA device, which cannot be used."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def refuse(*_):
    """Fail as torch.cuda.init does in a forked child."""
    raise RuntimeError("Cannot re-initialize CUDA in forked subprocess.")


def _use_cuda(connection):
    try:
        TinyBioMoEEmbedder(device="auto").fit(IMAGES)
    except RuntimeError as error:
        connection.send(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_cuda_in_a_forked_process(monkeypatch, one_gpu, small_backbone):
    monkeypatch.setattr(torch.cuda, "init", refuse)
    assert resolve_device("cuda") == "cuda"  # in this process, which does not start CUDA for it
    context = multiprocessing.get_context("fork")
    parent, child_end = context.Pipe()
    child = context.Process(target=_use_cuda, args=(child_end,))
    child.start()
    assert parent.poll(60), "the child process hangs"
    message = parent.recv()
    assert "Device 'cuda' cannot be used: this process was forked from one that" in message
    assert "Pass device='cpu', or start processes by 'spawn' or 'forkserver'" in message
    child.join(10)
    assert child.exitcode == 0


def test_cuda_in_worker_processes_warns(monkeypatch):
    devices.warn_of_workers("cuda")
    monkeypatch.setattr(devices.multiprocessing, "parent_process", lambda: "parent")
    devices.warn_of_workers("cpu")
    with pytest.warns(UserWarning, match="'cuda' is used from a worker process"):
        devices.warn_of_workers("cuda")


@pytest.mark.parametrize(("gibibytes", "expected"), [(0.5, 8), (8, 64), (12, 64), (139, 256)])
def test_default_batch_sizes(monkeypatch, gibibytes, expected):
    properties = SimpleNamespace(total_memory=int(gibibytes * 2**30))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    assert choose_batch_size("cuda") == expected
    assert choose_batch_size("cuda:1") == expected
    assert choose_batch_size("cpu") == 8


# Precisions


def test_precisions_of_a_cpu(monkeypatch):
    check_precision("float32", "cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    check_precision("bfloat16", "cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(ValueError, match="device 'cpu' has no instructions for it; pass"):
        check_precision("bfloat16", "cpu")
    with pytest.raises(ValueError, match=r"Unknown precision 'bf16'.*Did you mean 'bfloat16'"):
        TinyBioMoEEmbedder(precision="bf16").fit(IMAGES)


@pytest.mark.parametrize("estimator", [TinyBioMoEEmbedder, TinyBioMoEClassifier])
def test_tf32_on_a_cpu_is_refused_before_weights_are_read(estimator, monkeypatch):
    for module in (embedder, finetuning_base):
        monkeypatch.setattr(module, "weights_sha256", refuse)
    message = r"precision='tf32', but device 'cpu' .*\(TF32 needs CUDA and an Ampere or later GPU\)"
    with pytest.raises(ValueError, match=message):
        estimator(precision="tf32", device="cpu").fit(IMAGES, [0, 1])


def test_without_a_compiler(monkeypatch):
    def fail(function, dynamic):
        raise ImportError("no C++ compiler\nLong explanation")

    monkeypatch.setattr(torch, "compile", fail)
    monkeypatch.setattr(BackboneWeights, "load", refuse)
    message = (
        r"does not work on device 'cpu' here \(ImportError: no C\+\+ compiler\).* engine='torch'"
    )
    with pytest.raises(ValueError, match=message):
        TinyBioMoEEmbedder(engine="compile", device="cpu").fit(IMAGES)
    with pytest.raises(ValueError, match=r"Unknown engine 'compiled'.* Did you mean 'compile'"):
        TinyBioMoEEmbedder(engine="compiled").fit(IMAGES)


def test_compiled_bfloat16_on_a_cpu_is_refused():
    with pytest.raises(ValueError, match=r"not on 'cpu' in 'bfloat16'; pass engine='torch'"):
        resolve_engine("compile", "cpu", "bfloat16")
    assert resolve_engine("compile", "cuda:0", "bfloat16") == "compile"


@pytest.mark.parametrize("wrong", [float("nan"), 2.0])
def test_wrong_results_of_a_compiler_are_an_error(small_backbone, monkeypatch, wrong):
    """At the first batch of a size, so that no embedding is stored."""
    monkeypatch.setattr(engines, "_compiled", lambda network: lambda x: network(x) + wrong)
    monkeypatch.setattr(engines, "_check_compiler", lambda device: None)
    embedder = TinyBioMoEEmbedder(engine="compile", device="cpu").fit(IMAGES)
    with pytest.raises(RuntimeError, match=r"deviate by (nan|2\.0e\+00) .* pass engine='torch'"):
        embedder.transform(IMAGES)
    assert embedder.cache_info().rows == 0


def test_the_first_batch_of_each_size_is_compared(small_backbone, monkeypatch):
    sizes = []

    def count(network):
        monkeypatch.setattr(
            network, "forward", lambda x, run=network.forward: sizes.append(len(x)) or run(x)
        )
        return lambda x: type(network).forward(network, x)

    monkeypatch.setattr(engines, "_compiled", count)
    monkeypatch.setattr(engines, "_check_compiler", lambda device: None)
    many = np.repeat(IMAGES, 10, axis=0)
    for size in (8, 4, 8):
        TinyBioMoEEmbedder(
            engine="compile", device="cpu", batch_size=size, cache=None
        ).fit_transform(many)
    assert sizes == [8, 4]


def test_warnings_are_ignored_only_while_a_batch_size_is_compiled(monkeypatch):
    ignored = []

    def compiled(images):
        ignored.append(warnings.filters[0][0] == "ignore")
        return images

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: network)
    run = engines._compared(engines._compiled(compiled), lambda images: images, 0.0)
    for size in (2, 2, 3, 2):
        run(torch.ones(size))
    assert ignored == [True, False, True, False]


@pytest.mark.slow
def test_compiled_network(small_backbone):
    """A small network: the published one takes a minute."""
    images = np.random.default_rng(0).integers(0, 256, (11, 224, 224, 3)).astype(np.uint8)
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images)
    compiled = TinyBioMoEEmbedder(engine="compile", cache=None)
    found = compiled.fit_transform(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(compiled.transform(images[::-1]), found[::-1])


@pytest.mark.parametrize(("major", "supported"), [(7, False), (8, True), (9, True)])
def test_precisions_of_a_gpu(monkeypatch, one_gpu, major, supported):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    properties = SimpleNamespace(major=major)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda *device: properties)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    for name in ("tf32", "bfloat16"):
        if supported:
            check_precision(name, "cuda:0")
        else:  # torch would emulate it
            with pytest.raises(ValueError, match=f"precision='{name}', but device 'cuda:0' has no"):
                check_precision(name, "cuda:0")


def settings():
    """All settings of torch that decide on precisions and algorithms, without inheritance."""
    own = {
        f"{backend} {operation}": torch._C._get_fp32_precision_getter(backend, operation)
        for backend, operation in [
            *[("generic", "all"), ("cuda", "all"), ("mkldnn", "all")],
            *[(backend, name) for backend in ("cuda", "mkldnn") for name in ("conv", "matmul")],
        ]
    }
    return own | {
        name: getattr(torch.backends.cudnn, name) for name in ("benchmark", "deterministic")
    }


@pytest.fixture
def keep_settings():
    """Restore torch's defaults after a test that changes them."""
    before = settings()
    yield
    torch.backends.fp32_precision = "none"
    torch.backends.cudnn.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    for operation in precision.OPERATIONS["cpu"]:
        operation.fp32_precision = "none"
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
    assert settings() == before


CHANGES = {
    "defaults": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "all in TF32": lambda: setattr(torch.backends, "fp32_precision", "tf32"),
    "all of a GPU in TF32": lambda: setattr(torch.backends.cudnn, "fp32_precision", "tf32"),
    "exact convolutions": lambda: setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee"),
    "fastest algorithm": lambda: setattr(torch.backends.cudnn, "benchmark", True),
}


PRECISIONS = [("float32", "cpu"), ("float32", "cuda"), ("tf32", "cuda"), ("bfloat16", "cuda")]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("name", "kind"), PRECISIONS)
def test_settings_within_the_context(change, name, kind, keep_settings):
    CHANGES[change]()
    expected = {"tf32"} if name == "tf32" else {"ieee"} if kind == "cuda" else {"ieee", "none"}
    with use_precision(name, kind):
        assert {each.fp32_precision for each in precision.OPERATIONS[kind]} <= expected
        if kind == "cuda":
            assert torch.backends.cudnn.deterministic
            assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("name", "kind"), PRECISIONS)
def test_settings_are_restored(change, name, kind, keep_settings):
    """Also whether an operation inherits them, which appears when the general ones are removed."""

    def inherited():
        shown = settings()
        torch.backends.fp32_precision = torch.backends.cudnn.fp32_precision = "none"
        return shown, settings()

    CHANGES[change]()
    expected = inherited()
    CHANGES[change]()
    with pytest.raises(ZeroDivisionError), use_precision(name, kind):
        raise ZeroDivisionError
    assert inherited() == expected


def test_settings_of_two_threads_do_not_mix(keep_settings):
    before, seen = settings(), []
    entered, leave = threading.Event(), threading.Event()

    def exact():
        with use_precision("float32", "cuda"):
            entered.set()
            leave.wait(10)
            seen.append(torch.backends.cudnn.conv.fp32_precision)

    def rounded():
        entered.wait(10)
        with use_precision("tf32", "cuda"):
            seen.append(torch.backends.cudnn.conv.fp32_precision)

    threads = [threading.Thread(target=each) for each in (exact, rounded)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    with use_precision("float32", "cpu"):  # does not wait, as nothing has to be changed on a CPU
        leave.set()
    for thread in threads:
        thread.join(10)
    assert seen == ["ieee", "tf32"]
    assert settings() == before


@pytest.mark.parametrize("change", ["medium", "all in TF32"])
def test_float32_on_a_cpu_does_not_depend_on_torch_settings(change, keep_settings):
    engine = get_engine(BackboneWeights("random", 0, weights_sha256("random")), "cpu")
    batch = torch.rand(1, 224, 224, 3, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = engine.run(batch)
        CHANGES[change]()
        assert torch.equal(engine.run(batch), expected)
