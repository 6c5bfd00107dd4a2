"""The backbone in ONNX Runtime against the one in torch, and the file it is kept in."""

import runpy
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.backbone import onnx as onnx_engine
from sklearn_biomoe.backbone.network import SpectralGating, TinyBioMoE
from sklearn_biomoe.backbone.onnx import RealSpectralGating, export, load_session
from sklearn_biomoe.inference import resolve_engine
from sklearn_biomoe.weights import random_backbone

parity = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_parity.py"))))
TOLERANCE = 5e-5


def random_images(n):
    """Images as they are drawn: (n, 224, 224, 3) in memory."""
    images = torch.rand(n, 224, 224, 3, generator=torch.Generator().manual_seed(0))
    return images.permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def backbone():
    backbone = TinyBioMoE().eval()
    backbone.load_state_dict(parity.golden_state(backbone))
    return backbone


@pytest.fixture(scope="module")
def model(backbone):
    """The one export of the whole network that these tests make."""
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    model = export(backbone)
    after = backbone.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    return model


@pytest.fixture
def exports(model, monkeypatch, tmp_path):
    """Networks that were exported, where exporting costs nothing and the cache is empty."""
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path))
    (tmp_path / "onnx").mkdir()
    exported = []
    monkeypatch.setattr(onnx_engine, "export", lambda network: exported.append(network) or model)
    return exported


@pytest.fixture
def embed(exports, backbone):
    return load_session(backbone, "golden")


def test_golden_embedding(embed):
    embeddings = embed(parity.golden_images())
    assert embeddings.dtype == torch.float32
    expected = parity.GOLDEN["embedding"]
    np.testing.assert_allclose(embeddings, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n", [1, 3])
def test_equals_torch(backbone, embed, n):
    images = random_images(n)
    with torch.inference_mode():
        expected = backbone(images)
    for layout in (images, images.contiguous(), images.flip(3).flip(3), images[::1]):
        np.testing.assert_allclose(embed(layout), expected, rtol=0, atol=TOLERANCE)


def test_bitwise_the_same_in_any_order_alone_or_together(embed):
    images = random_images(8)
    embeddings = embed(images)
    order = torch.tensor([3, 7, 0, 1, 6, 2, 5, 4])
    assert torch.equal(embed(images[order]), embeddings[order])
    for i in range(8):
        padded = torch.zeros_like(images)
        padded[0] = images[i]
        assert torch.equal(embed(padded)[0], embeddings[i])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_agree(exports, backbone, embed, n_threads):
    images = random_images(2)
    expected = embed(images)
    shared, results = load_session(backbone, "golden", n_threads), []
    threads = [threading.Thread(target=lambda: results.append(shared(images))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert all(torch.equal(result, expected) for result in results)


def test_exported_once(exports, backbone, tmp_path):
    first = load_session(backbone, "golden")
    second = load_session(backbone, "golden")
    assert len(exports) == 1
    assert torch.equal(first(random_images(1)), second(random_images(1)))
    load_session(backbone, "other")
    assert len(exports) == 2
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert [name.partition("-")[0] for name in names] == ["golden", "other"]
    assert all(f"-torch{torch.__version__}-" in name for name in names)


def test_exported_once_even_from_two_threads(exports, backbone):
    threads = [threading.Thread(target=load_session, args=(backbone, "golden")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(exports) == 1


def flipped(content):
    return content[:9999] + bytes([content[9999] ^ 1]) + content[10000:]


@pytest.mark.parametrize("damage", [flipped, lambda content: content[:-1000], lambda content: b""])
def test_damaged_file_is_replaced(exports, backbone, model, tmp_path, damage):
    load_session(backbone, "golden")
    (path,) = (tmp_path / "onnx").iterdir()
    path.write_bytes(damage(model))
    with pytest.warns(UserWarning, match=r"golden.* cannot be used .* is exported anew"):
        load_session(backbone, "golden")
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == model
    load_session(backbone, "golden")
    assert len(exports) == 2


def test_unreadable_graph_is_replaced(exports, backbone, tmp_path):
    load_session(backbone, "golden")
    (path,) = (tmp_path / "onnx").iterdir()
    path.write_bytes(onnx_engine.with_digest(b"no graph at all"))
    with pytest.warns(UserWarning, match=r"cannot be used .* is exported anew"):
        load_session(backbone, "golden")


def test_nothing_half_written_is_left(exports, backbone, monkeypatch, tmp_path):
    def fail(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.warns(UserWarning, match=r"cannot be kept as .*golden.* \(disk full\)"):
        load_session(backbone, "golden")
    assert list((tmp_path / "onnx").iterdir()) == []


def test_is_an_onnx_model(model):
    import onnx

    read = onnx.load_model_from_string(model)
    onnx.checker.check_model(read)
    assert [entry.key for entry in read.metadata_props][-1] == "sha256"


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_package(backbone, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    message = rf"needs {name}: pip install 'sklearn-biomoe\[onnx\]'"
    with pytest.raises(ImportError, match=message):
        load_session(backbone, "golden")


def test_small_backbone(small_backbone, monkeypatch, tmp_path):
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path / "not" / "there"))
    backbone, images = random_backbone(0), random_images(3)
    assert isinstance(backbone, small_backbone)
    with torch.inference_mode():
        expected = backbone(images)
    np.testing.assert_allclose(load_session(backbone, "small")(images), expected, atol=1e-6)


@pytest.mark.parametrize("side", [1, 6, 7])
def test_spectral_gating_in_real_numbers(side):
    torch.manual_seed(side)
    gating, x = SpectralGating(4, side), torch.randn(2, side * side, 4)
    np.testing.assert_allclose(RealSpectralGating(gating)(x), gating(x).detach(), rtol=0, atol=1e-6)


def test_mostly_white_images(backbone, embed):
    """Their samples hardly vary, which costs a normalisation in one pass its last digits."""
    windows = np.cumsum(np.random.default_rng(0).normal(size=(4, 240)), axis=1)
    drawn = BiosignalImageTransformer(["waveform"]).fit_transform(windows)
    images = torch.from_numpy(np.asarray(drawn)[:, 0]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = backbone(images)
    np.testing.assert_allclose(embed(images), expected, rtol=0, atol=TOLERANCE)


def test_the_embedder_runs_it(small_backbone, monkeypatch, tmp_path):
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path))
    windows = np.random.default_rng(0).normal(size=(9, 30))
    images = BiosignalImageTransformer().fit_transform(windows)
    expected = TinyBioMoEEmbedder(engine="torch").fit_transform(images)
    embedder = TinyBioMoEEmbedder(engine="onnxruntime")
    np.testing.assert_allclose(embedder.fit_transform(images), expected, rtol=0, atol=TOLERANCE)
    assert embedder.cache_info().misses == 18  # what torch computed is not taken for its own
    assert len(list((tmp_path / "onnx").iterdir())) == 1


def test_auto_takes_it_where_it_can_run(monkeypatch):
    assert resolve_engine("auto", "cpu", "float32") == "onnxruntime"
    assert resolve_engine("auto", "cuda", "float32") == "torch"
    assert resolve_engine("auto", "cpu", "bfloat16") == "torch"
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert resolve_engine("auto", "cpu", "float32") == "torch"


@pytest.mark.parametrize(("device", "precision"), [("cuda", "float32"), ("cpu", "bfloat16")])
def test_refused_where_it_cannot_run(device, precision):
    message = f"not on '{device}' in '{precision}'; pass engine='torch'"
    with pytest.raises(ValueError, match=message):
        resolve_engine("onnxruntime", device, precision)
    with pytest.raises(ValueError, match="Unknown engine 'onnx'; expected one of"):
        resolve_engine("onnx", device, precision)
