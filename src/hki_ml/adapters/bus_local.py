"""The embedded bus: an append-only log on disk that is durable when ``publish`` returns."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice, zip_longest
from pathlib import Path

from hki_ml.adapters import segments
from hki_ml.errors import Unavailable
from hki_ml.ports import Batch

PARTITION = 0
SEGMENT_BYTES = 64 << 20
BLOCK_RECORDS = 65_536
LOCK_SECONDS = 30.0


class LocalBus:
    """One partition of records in segments under a folder.

    Writers, also of other processes, take turns by a lock; a writer that finds another's unfinished
    write at the end cuts it off. Readers need no lock: they stop before the first unfinished block.

    Examples
    --------
    >>> import tempfile
    >>> bus = LocalBus(Path(tempfile.mkdtemp()))
    >>> bus.publish([("home 1", b"a"), ("home 2", b"b")])
    2
    >>> [batch.records for batch in bus.read({}, max_records=10)]
    [[b'a', b'b']]
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._turn = threading.Lock()
        # Where the log ended when this object last wrote: file, its size, the offset after it.
        self._end: tuple[Path, int, int] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{folder}: expected a folder to write the bus to: {error}"
            ) from error

    def publish(self, events: Iterable[tuple[str, bytes]]) -> int:
        """Return how many events are now on disk, in the order given."""
        records = (record for _, record in events)
        published = 0
        try:
            with self._writing():
                while block := list(islice(records, BLOCK_RECORDS)):
                    self._append(block)
                    published += len(block)
        except OSError as error:
            raise Unavailable(
                f"{self._folder}: events could not be made durable: {error}"
            ) from error
        return published

    def partitions(self) -> tuple[int, ...]:
        """Return the only partition."""
        return (PARTITION,)

    def read(self, offsets: Mapping[int, int], *, max_records: int) -> Iterator[Batch]:
        """Yield the records at or after the offset of partition 0, up to the present end.

        Raises
        ------
        Unavailable
            If records that were durable are damaged or gone.
        """
        wanted = offsets.get(PARTITION, 0)
        found = self._segments()
        for path, follower in zip_longest(found, found[1:]):
            until = None if follower is None else _first_offset(follower)
            if until is not None and until <= wanted:
                continue
            reached = yield from self._read_segment(path, wanted, max_records)
            if until is not None and reached != until:
                raise Unavailable(f"{path}: expected records up to {until}, they end at {reached}")

    def _read_segment(
        self, path: Path, wanted: int, max_records: int
    ) -> Generator[Batch, None, int]:
        offset = _first_offset(path)
        pending: list[bytes] = []
        with path.open("rb") as file:
            for block in segments.headers(file, 0, path.stat().st_size):
                if offset + block.records <= wanted:
                    offset += block.records
                    continue
                found = segments.read_block(file, block.at)
                if found is None:
                    break  # another process is writing it just now
                pending += segments.unpack(block.records, found[1])[max(0, wanted - offset) :]
                offset += block.records
                while len(pending) >= max_records:
                    start = offset - len(pending)
                    yield Batch(PARTITION, start, start + max_records, pending[:max_records])
                    pending = pending[max_records:]
        if pending:
            yield Batch(PARTITION, offset - len(pending), offset, pending)
        return offset

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._turn, (self._folder / "lock").open("ab") as lock:
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Unavailable(
                            f"{self._folder}: another writer holds the bus for {LOCK_SECONDS:.0f} s"
                        ) from None
                    time.sleep(0.01)
            self._end = self._find_end()
            yield

    def _find_end(self) -> tuple[Path, int, int]:
        found = self._segments()
        if not found:
            return self._folder / _name(0), 0, 0
        last = found[-1]
        if self._end is not None and self._end[0] == last and last.stat().st_size == self._end[1]:
            return self._end
        size, count = segments.sound_end(last)
        if last.stat().st_size > size:
            with last.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())
        return last, size, _first_offset(last) + count

    def _append(self, records: list[bytes]) -> None:
        assert self._end is not None  # noqa: S101 - set by _writing, which holds the lock
        path, size, offset = self._end
        if size >= self._segment_bytes:
            path, size = self._folder / _name(offset), 0
        is_new = not path.exists()
        block = segments.pack(records)
        self._end = None  # unknown until the write is known to be whole
        with path.open("ab") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self._folder)
        self._end = path, size + len(block), offset + len(records)


def _name(offset: int) -> str:
    return f"{offset:020d}.log"


def _first_offset(path: Path) -> int:
    return int(path.stem)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
