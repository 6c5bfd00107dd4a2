"""The cached file of the exported network, and the choice of ONNX Runtime as the engine.

test_parity.py compares embeddings of the whole network.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.backbone import onnx
from sklearn_biomoe.backbone.network import SpectralGating
from sklearn_biomoe.backbone.onnx import RealSpectralGating, export, load_session
from sklearn_biomoe.inference import resolve_engine

IMAGES = torch.rand(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use a cache in a folder that does not exist yet."""
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path / "new"))
    return tmp_path / "new" / "onnx"


@pytest.fixture(scope="module")
def backbone():
    return nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 192)).eval()


@pytest.fixture(scope="module")
def model(backbone):
    return export(backbone)


@pytest.fixture
def exports(model, monkeypatch, cache):
    """Collect the networks that are exported, without exporting them again."""
    exported = []
    monkeypatch.setattr(onnx, "export", lambda network: exported.append(network) or model)
    return exported


def test_exported_once(exports, backbone, cache):
    with torch.inference_mode():
        expected = backbone(IMAGES)
    for _ in range(2):
        np.testing.assert_allclose(load_session(backbone, "a")(IMAGES), expected, atol=1e-6)
    assert len(exports) == 1
    load_session(backbone, "b")
    assert len(exports) == 2
    names = sorted(path.name for path in cache.iterdir())
    assert [name.partition("-")[0] for name in names] == ["a", "b"]
    assert all(f"-torch{torch.__version__}-" in name for name in names)


def test_exported_once_by_two_threads(exports, backbone):
    with ThreadPoolExecutor(2) as executor:
        list(executor.map(load_session, [backbone] * 2, ["a"] * 2))
    assert len(exports) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:999] + bytes([content[999] ^ 1]) + content[1000:],
        lambda content: content[:-1000],
        lambda content: b"",
        lambda content: onnx.with_digest(b"not a graph"),
    ],
    ids=["one bit", "truncated", "empty", "not a graph"],
)
def test_damaged_file_is_replaced(exports, backbone, model, cache, damage):
    load_session(backbone, "a")
    (path,) = cache.iterdir()
    path.write_bytes(damage(model))
    with pytest.warns(UserWarning, match=r"onnx.a-.* cannot be used .* is exported again"):
        load_session(backbone, "a")
    assert list(cache.iterdir()) == [path]
    assert path.read_bytes() == model
    load_session(backbone, "a")
    assert len(exports) == 2


def test_full_disk_leaves_no_file(exports, backbone, cache, monkeypatch):
    def fail(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.warns(UserWarning, match=r"cannot be written to .*a-.* \(disk full\)"):
        load_session(backbone, "a")
    assert list(cache.iterdir()) == []


def test_is_an_onnx_model(model):
    from onnx import checker, load_model_from_string

    read = load_model_from_string(model)
    checker.check_model(read)
    assert [entry.key for entry in read.metadata_props][-1] == "sha256"


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_package(backbone, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"needs {name}: pip install 'sklearn-biomoe\[onnx\]'"):
        load_session(backbone, "a")


@pytest.mark.parametrize("side", [1, 6, 7])
def test_spectral_gating_in_real_numbers(side):
    torch.manual_seed(side)
    gating, x = SpectralGating(4, side), torch.randn(2, side * side, 4)
    np.testing.assert_allclose(RealSpectralGating(gating)(x), gating(x).detach(), rtol=0, atol=1e-6)


@pytest.mark.usefixtures("small_backbone")
def test_embedder_runs_onnx(cache):
    windows = np.random.default_rng(0).normal(size=(9, 30))
    images = BiosignalImageTransformer().fit_transform(windows)
    expected = TinyBioMoEEmbedder(engine="torch").fit_transform(images)
    embedder = TinyBioMoEEmbedder(engine="onnxruntime")
    np.testing.assert_allclose(embedder.fit_transform(images), expected, rtol=0, atol=5e-5)
    assert embedder.cache_info().misses == 18  # embeddings of the torch engine are not used
    assert len(list(cache.iterdir())) == 1


def test_auto_engine_is_onnxruntime_where_it_can_run(monkeypatch):
    assert resolve_engine("auto", "cpu", "float32") == "onnxruntime"
    assert resolve_engine("auto", "cuda", "float32") == "torch"
    assert resolve_engine("auto", "cpu", "bfloat16") == "torch"
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert resolve_engine("auto", "cpu", "float32") == "torch"


@pytest.mark.parametrize(("device", "precision"), [("cuda", "float32"), ("cpu", "bfloat16")])
def test_onnxruntime_is_refused_where_it_cannot_run(device, precision):
    message = f"not on '{device}' in '{precision}'; pass engine='torch'"
    with pytest.raises(ValueError, match=message):
        resolve_engine("onnxruntime", device, precision)
    with pytest.raises(ValueError, match="Unknown engine 'onnx'; expected one of"):
        resolve_engine("onnx", device, precision)
