"""The bytes of the local bus: blocks of records with a checksum, in files named by their first offset.

::

    block   magic (4) · number of records (4) · bytes of the body (4) · CRC-32 of the body (4)
            · bytes of the body unpacked (4) · body
    body    LZ4 of: one length (4) a record, then the records one after the other
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from hki_ml.errors import Unavailable

MAGIC = b"HKI1"
_HEADER = struct.Struct("<4sIIII")


class Block(NamedTuple):
    """Where a whole block lies in its file and how many records it holds."""

    at: int
    records: int
    end: int


def pack(records: Sequence[bytes]) -> bytes:
    """Return the records as one block."""
    plain = struct.pack(f"<{len(records)}I", *map(len, records)) + b"".join(records)
    body = pa.compress(plain, codec="lz4_raw", asbytes=True)
    header = _HEADER.pack(MAGIC, len(records), len(body), zlib.crc32(body), len(plain))
    return header + bytes(body)


def unpack(count: int, body: bytes) -> list[bytes]:
    """Return the records of a block's unpacked body."""
    lengths = struct.unpack_from(f"<{count}I", body)
    records, at = [], 4 * count
    for length in lengths:
        records.append(body[at : at + length])
        at += length
    return records


def read_block(file: BinaryIO, at: int) -> tuple[Block, bytes] | None:
    """Return the block at this place and its unpacked body, or None where no whole and sound block stands."""
    file.seek(at)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, count, size, checksum, plain_size = _HEADER.unpack(header)
    if magic != MAGIC:
        return None
    body = file.read(size)
    if len(body) < size or zlib.crc32(body) != checksum:
        return None
    plain = pa.decompress(body, plain_size, codec="lz4_raw", asbytes=True)
    return Block(at, count, at + _HEADER.size + size), plain


def headers(file: BinaryIO, at: int, size: int) -> Iterator[Block]:
    """Yield the blocks from this place on without reading their bodies, until one does not fit."""
    while at + _HEADER.size <= size:
        file.seek(at)
        magic, count, length, _, _ = _HEADER.unpack(file.read(_HEADER.size))
        end = at + _HEADER.size + length
        if magic != MAGIC or end > size:
            return
        yield Block(at, count, end)
        at = end


def sound_end(path: Path) -> tuple[int, int]:
    """Return where the last sound block of the file ends, and how many records stand before.

    What follows is the torn tail of a write that never finished, so nobody was told that it is durable.

    Raises
    ------
    Unavailable
        If a sound block follows a broken one: then what was durable is damaged, and cutting would lose it.
    """
    end = count = 0
    with path.open("rb") as file:
        while (found := read_block(file, end)) is not None:
            block, _ = found
            end, count = block.end, count + block.records
        _refuse_damage(file, path, end)
    return end, count


def _refuse_damage(file: BinaryIO, path: Path, end: int) -> None:
    file.seek(end)
    rest = file.read()
    at = rest.find(MAGIC, 1)
    while at >= 0:
        if read_block(file, end + at) is not None:
            raise Unavailable(
                f"{path}: expected sound records at byte {end}, found damage before sound records "
                f"at byte {end + at}; restore the file from a copy"
            )
        at = rest.find(MAGIC, at + 1)
