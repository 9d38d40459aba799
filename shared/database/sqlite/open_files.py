"""Reading of files that a library of this process has open, through the library's own descriptors."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

# Device and inode.
FileId = tuple[int, int]


def file_id(stat: os.stat_result | None) -> FileId | None:
    return (stat.st_dev, stat.st_ino) if stat else None


class OpenFiles:
    """Open files of this process, by their descriptors."""

    def __init__(self, descriptors: Mapping[FileId, int]) -> None:
        self._descriptors = descriptors

    @classmethod
    def find(cls) -> Self:
        """Return all files that are open now; none if the system does not list descriptors."""
        return cls(_list_descriptors())

    def __bool__(self) -> bool:
        return bool(self._descriptors)

    def __contains__(self, file: FileId) -> bool:
        return file in self._descriptors

    def read(self, file: FileId | None, size: int) -> bytes:
        """Return the first bytes of an open file. Raises OSError if the file is not open."""
        data = self._read(file, size)
        if data is None:
            # The descriptor belonged to another user of the file in this process, which has closed it.
            self._descriptors = _list_descriptors()
            data = self._read(file, size)
        if data is None:
            raise FileNotFoundError(f"file {file} is not open")
        return data

    def _read(self, file: FileId | None, size: int) -> bytes | None:
        descriptor = self._descriptors.get(file) if file else None
        with suppress(OSError):
            if descriptor is not None and file_id(os.fstat(descriptor)) == file:
                return os.pread(descriptor, size, 0)
        return None


def _list_descriptors() -> dict[FileId, int]:
    found: dict[FileId, int] = {}
    with suppress(OSError):
        for path in Path("/dev/fd").iterdir():
            with suppress(OSError):
                stat = os.fstat(int(path.name))
                found[stat.st_dev, stat.st_ino] = int(path.name)
    return found
