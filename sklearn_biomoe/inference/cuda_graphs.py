"""CUDA graphs: all computations of a batch started by one call, for batches of constant size."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_GRAPHS = 4  # each needs memory on the device


@dataclass(frozen=True)
class RecordedBatch:
    """A graph, the images that it reads and the embeddings that it writes."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    embeddings: Tensor


class GraphedNetwork:
    """A network on a CUDA device that runs batches of a size that occurs repeatedly as a graph.

    The first batch of a size runs as usual. At the second, the computations are recorded; from then
    on they are repeated on the values of each batch, with the same bits as without a graph. One
    thread at a time may call it.

    See "CUDA semantics" in the documentation of torch, section "CUDA Graphs".

    Parameters
    ----------
    network : callable
        Images (B, H, W, 3) to embeddings (B, 192), in inference mode, without random numbers and
        without waiting for the device.
    device : torch.device
    """

    def __init__(self, network: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self.network, self.device = network, device
        self.can_record = True
        self.batches: dict[torch.Size, RecordedBatch | None] = {}  # None after the first batch
        # Graphs that share memory have to be recorded on the same stream.
        self.stream = torch.cuda.Stream(device)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) -> (B, 192), complete when it is returned."""
        with torch.inference_mode(), torch.cuda.device(self.device):
            batch = self._find_batch(images)
            if batch is None:
                embeddings = self.network(images)
            else:
                batch.images.copy_(images)
                batch.graph.replay()
                embeddings = batch.embeddings.clone()
            torch.cuda.current_stream().synchronize()
        return embeddings

    def _find_batch(self, images: Tensor) -> RecordedBatch | None:
        size = images.shape
        if not self.can_record:
            return None
        if size not in self.batches:
            if len(self.batches) == MOST_GRAPHS:
                self.batches.pop(next(iter(self.batches)))
            self.batches[size] = None
            return None
        batch = self.batches.pop(size) or self._record(images)
        if self.can_record:
            self.batches[size] = batch  # at the end: the size used least recently is removed
        return batch

    def _record(self, images: Tensor) -> RecordedBatch | None:
        graph = torch.cuda.CUDAGraph()
        # Memory is shared with a graph that exists: that of removed ones cannot be opened again.
        pool = next((batch.graph.pool() for batch in self.batches.values() if batch), None)
        try:
            own = images.clone()
            # If recording fails, torch.cuda.graph may not restore the stream. Other threads use the
            # device meanwhile, which the default capture_error_mode would not allow.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(
                    graph, pool=pool, stream=self.stream, capture_error_mode="thread_local"
                ),
            ):
                embeddings = self.network(own)
        except RuntimeError as error:  # out of memory, which also appears as a failed recording
            self.can_record = False
            self.batches.clear()
            warnings.warn(
                f"A CUDA graph of {len(images)} images cannot be recorded ({_first_line(error)}). "
                "Embeddings are computed without CUDA graphs, which is slower for small batches; "
                "their values are the same.",
                UserWarning,
                stacklevel=2,
            )
            return None
        return RecordedBatch(graph, own, embeddings)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
