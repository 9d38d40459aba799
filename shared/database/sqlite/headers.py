"""The headers of SQLite's files.

Sources: https://www.sqlite.org/fileformat.html#the_database_header, https://www.sqlite.org/walformat.html
"""

import struct
from dataclasses import dataclass
from typing import Self

# Bytes at the start of each file that hold its header.
HEADER_SIZE = 136

_MAGIC = b"SQLite format 3\0"
# Page size, change counter, pages, and the change counter when the pages were counted.
_FILE_HEADER = struct.Struct(">16x H 6x I I 60x I")
_WAL_HEADER_SIZE = 32
_WAL_FRAME_HEADER_SIZE = 24
_WAL_SALT = slice(16, 24)
_UINT32 = 0xFFFF_FFFF
# Of the WAL index: page size, frames, salt; frames copied by checkpoints; frames that a checkpoint began to copy.
_WAL_INDEX = struct.Struct("=14xH I 12x 8s 56x I 28x I")


@dataclass(frozen=True)
class FileHeader:
    """The header of a database. The change counter grows with commits, and never falls. `size` is in bytes."""

    is_sqlite: bool
    change_counter: int = 0
    size: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Self:
        if not data.startswith(_MAGIC) or len(data) < _FILE_HEADER.size:
            return cls(is_sqlite=False)
        page_size, change_counter, pages, counter_of_pages = _FILE_HEADER.unpack_from(data)
        # Old versions of SQLite change a database without counting its pages.
        size = pages * _real_page_size(page_size) if change_counter == counter_of_pages else 0
        return cls(is_sqlite=True, change_counter=change_counter, size=size)


@dataclass(frozen=True)
class WalIndexHeader:
    """The header of the WAL index (the -shm file), which all processes that use a database share."""

    page_size: int
    frames: int
    salt: bytes
    copied: int
    begun: int

    @classmethod
    def parse(cls, data: bytes) -> Self:
        page_size, *others = _WAL_INDEX.unpack(data[: _WAL_INDEX.size].ljust(_WAL_INDEX.size, b"\0"))
        return cls(_real_page_size(page_size), *others)

    def has_checkpoint_since(self, before: "WalIndexHeader") -> bool:
        """Return True if a checkpoint may have written to the database between two readings of the header."""
        if self.is_checkpoint_running:
            return True
        if self.salt == before.salt:
            return (self.copied, self.begun) != (before.copied, before.begun)
        # The WAL was begun anew, which adds 1 to the first half of the salt and needs all frames to be copied.
        is_next_wal = _first_half(self.salt) == (_first_half(before.salt) + 1) & _UINT32
        return not (is_next_wal and before.copied == before.begun == before.frames and self.copied == 0)

    @property
    def is_checkpoint_running(self) -> bool:
        """True while a checkpoint is running, and after it was killed."""
        return self.begun != self.copied

    @property
    def wal_size(self) -> int:
        """The size in bytes that the WAL has at least."""
        return _WAL_HEADER_SIZE + self.frames * (_WAL_FRAME_HEADER_SIZE + self.page_size)


def wal_salt(data: bytes) -> bytes:
    """Return the salt in the header of a WAL."""
    return data[_WAL_SALT]


def _first_half(salt: bytes) -> int:
    return int.from_bytes(salt[:4], "big")


def _real_page_size(stored: int) -> int:
    # A page of 65,536 bytes does not fit into 16 bits.
    return 65_536 if stored == 1 else stored
