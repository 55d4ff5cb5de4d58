"""Batches made ahead of their step, so that a GPU does not wait for files to be decoded."""

from concurrent.futures import Future, ThreadPoolExecutor

from ssl_bench.method import Batch
from ssl_bench.train.batches import BatchStream, StoredBatch

AHEAD = 2
"""Batches per worker that may wait for their step."""


class Prefetcher:
    """A stream's own batches, loaded by threads: as each is a function of its step, how many there are changes none.

    Threads and not processes: decoding and copying release the interpreter, and the decoded images are shared.
    """

    def __init__(self, stream: BatchStream, iterations: int, workers: int) -> None:
        self._stream = stream
        self._iterations = iterations
        self._ahead = AHEAD * workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
        self._waiting: dict[int, Future[StoredBatch]] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the stream's device. Raises what loading it raised."""
        for later in range(step, min(step + 1 + self._ahead, self._iterations)):
            if later not in self._waiting:
                self._waiting[later] = self._pool.submit(self._stream.load, later)
        return self._stream.place(self._waiting.pop(step).result())

    def close(self) -> None:
        """Drop what waits and end the threads."""
        self._pool.shutdown(cancel_futures=True)
