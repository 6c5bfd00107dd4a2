"""CUDA graphs: which batches are recorded and repeated, with torch's functions replaced."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from sklearn_biomoe.inference.cuda_graphs import MOST_GRAPHS, GraphedNetwork

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee ...")


class Recorder:
    """Records calls of a network instead of kernels, and repeats them on their own tensors."""

    def __init__(self):
        self.events, self.error = [], None
        self.graphs, self.pools = [], []
        self.recording = None

    def network(self, images):
        self.events.append(f"run {len(images)}")
        embeddings = images.mean(dim=(1, 2))
        if self.recording is not None:
            self.recording.repeat = lambda: embeddings.copy_(images.mean(dim=(1, 2)))
        return embeddings

    @contextmanager
    def record(self, graph, **options):
        assert options["capture_error_mode"] == "thread_local"
        self.pools.append(options["pool"])
        self.recording = graph
        self.events.append("record")
        try:
            yield
        finally:
            self.recording = None
            if self.error is not None:
                raise self.error

    def new_graph(self):
        graph = SimpleNamespace(repeat=None)
        graph.pool = lambda: graph
        self.graphs.append(graph)
        graph.replay = lambda: (self.events.append("replay"), graph.repeat())
        return graph


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    stream = SimpleNamespace(synchronize=lambda: recorder.events.append("wait"))
    replaced = {
        "CUDAGraph": recorder.new_graph,
        "graph": recorder.record,
        "Stream": lambda device: object(),
        "stream": lambda stream: nullcontext(),
        "device": lambda device: nullcontext(),
        "current_stream": lambda: stream,
    }
    for name, replacement in replaced.items():
        monkeypatch.setattr(torch.cuda, name, replacement)
    return recorder


def images(size, seed=0):
    return torch.rand(size, 4, 4, 3, generator=torch.Generator().manual_seed(seed))


def test_the_second_batch_of_a_size_is_recorded(recorder):
    network = GraphedNetwork(recorder.network, torch.device("cuda:0"))
    found = [network(images(8, seed)) for seed in range(4)]
    assert recorder.events == [
        *["run 8", "wait"],
        *["record", "run 8", "replay", "wait"],
        *["replay", "wait"] * 2,
    ]
    for seed, embeddings in enumerate(found):  # results are not overwritten by later batches
        assert torch.equal(embeddings, images(8, seed).mean(dim=(1, 2)))


def test_each_size_has_its_graph_and_few_are_kept(recorder):
    network = GraphedNetwork(recorder.network, torch.device("cuda:0"))
    sizes = range(1, MOST_GRAPHS + 2)
    for size in [*sizes, *sizes]:
        network(images(size))
    assert len(network.batches) == MOST_GRAPHS
    for seed in range(3):
        for size in sizes[-2:]:
            expected = images(size, seed).mean(dim=(1, 2))
            assert torch.equal(network(images(size, seed)), expected)
    assert recorder.events.count("record") == 2


def test_the_size_used_least_recently_is_removed(recorder):
    network = GraphedNetwork(recorder.network, torch.device("cuda:0"))
    for size in [8, 8, *range(1, MOST_GRAPHS), 8, 20]:
        network(images(size))
    assert [size[0] for size in network.batches] == [*range(2, MOST_GRAPHS), 8, 20]


def test_memory_is_shared_with_graphs_that_exist(recorder):
    network = GraphedNetwork(recorder.network, torch.device("cuda:0"))
    for size in [8, 8, 4, 4, *range(10, 10 + MOST_GRAPHS), 13, 13]:
        network(images(size))
    assert recorder.pools == [None, recorder.graphs[0], None]  # the first two were removed


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, RuntimeError("capture invalidated")])
def test_a_failed_recording_is_a_warning_once(recorder, error):
    network = GraphedNetwork(recorder.network, torch.device("cuda:0"))
    recorder.error = error
    network(images(8))
    with pytest.warns(UserWarning, match=r"of 8 images cannot be recorded \((CUDA|capt)") as caught:
        found = network(images(8, 1))
    assert len(caught) == 1
    assert torch.equal(found, images(8, 1).mean(dim=(1, 2)))
    for seed in range(3):
        for size in (8, 4):
            expected = images(size, seed).mean(dim=(1, 2))
            assert torch.equal(network(images(size, seed)), expected)
    assert recorder.events.count("record") == 1
    assert "replay" not in recorder.events


def test_other_errors_are_raised(recorder):
    def run(images):
        raise OUT_OF_MEMORY

    with pytest.raises(torch.OutOfMemoryError):  # of the first batch, which is not recorded
        GraphedNetwork(run, torch.device("cuda:0"))(images(8))
