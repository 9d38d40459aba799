"""Packed files, told by their first bytes: gzip, bz2 and xz with one or several members, and zip with one file."""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO, Protocol

from shared.errors import SettingsError

_CHUNK = 1 << 16
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
# A dictionary of xz may be as large as its header says; that of `xz -9` has 64 MiB.
_MAX_XZ_MEMORY = 128 << 20
# Files that people mistake for text, by their first bytes.
_FOREIGN = {
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a SQLite database",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
}
# Folders that macOS adds to every zip file.
_IGNORED = "__MACOSX/"

Warn = Callable[[str], None]


class _Decompressor(Protocol):
    """A decompressor of one member, with the interface that `bz2` and `lzma` share."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecompressor:
    """A decompressor of one gzip member."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


_PACKINGS: dict[bytes, Callable[[], _Decompressor]] = {
    b"\x1f\x8b": _GzipDecompressor,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": partial(lzma.LZMADecompressor, memlimit=_MAX_XZ_MEMORY),
}


class _Unpacked(io.RawIOBase):
    """The bytes of all members of a packed stream, at most a buffer at a time, so that no bomb fills the memory.

    Reading raises EOFError for a stream that is cut off, and the error of the library for a damaged one.
    """

    def __init__(self, packed: BinaryIO, magic: bytes, warn: Warn) -> None:
        self._packed = packed
        self._magic = magic
        self._warn = warn
        self._ahead = b""
        self._member: _Decompressor | None = _PACKINGS[magic]()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while self._member is not None:
            unpacked = self._member.decompress(self._feed(self._member), len(buffer))
            if self._member.eof:
                self._member = self._next_member(self._member.unused_data)
            if unpacked:
                buffer[: len(unpacked)] = unpacked
                return len(unpacked)
        return 0

    def _feed(self, member: _Decompressor) -> bytes:
        if not member.needs_input:
            return b""
        data, self._ahead = self._ahead or self._packed.read(_CHUNK), b""
        if not data:
            raise EOFError
        return data

    def _next_member(self, rest: bytes) -> _Decompressor | None:
        """Return a decompressor for the next member, which begins with `rest`, or None at the end."""
        rest = rest.lstrip(b"\x00")
        while len(rest) < len(self._magic) and (more := self._packed.read(_CHUNK)):
            rest = (rest + more).lstrip(b"\x00")
        if not rest:
            return None
        if not rest.startswith(self._magic):
            self._warn("what follows the packed data is ignored")
            return None
        self._ahead = rest
        return _PACKINGS[self._magic]()


def unpack(raw: io.BufferedReader, warn: Warn, closing: ExitStack) -> BinaryIO:
    """Return the unpacked bytes of an open file. Raises SettingsError if it is a zip of several files, or no text.

    The messages go on after the file's name.
    """
    start = raw.peek(16)[:16]
    for magic in _PACKINGS:
        if start.startswith(magic):
            return io.BufferedReader(_Unpacked(raw, magic, warn), _CHUNK)
    if start.startswith((_ZIP, _EMPTY_ZIP)):
        return _open_zip(raw, closing)
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            raise SettingsError(f"is {name}: give the prices as text (CSV), plain or packed with gzip")
    return raw


def _open_zip(raw: io.BufferedReader, closing: ExitStack) -> BinaryIO:
    try:
        archive = closing.enter_context(zipfile.ZipFile(raw))
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith(_IGNORED)]
        if "[Content_Types].xml" in names:
            raise SettingsError("is an Excel or Word file: save it as CSV")
        if len(names) != 1:
            raise SettingsError(f"holds {_describe(names)}: unpack it, and replay one file")
        return io.BufferedReader(closing.enter_context(archive.open(names[0])), _CHUNK)  # type: ignore[type-var]
    except (RuntimeError, NotImplementedError) as error:
        raise SettingsError(f"cannot be unpacked: {error}") from error
    except zipfile.BadZipFile as error:
        raise SettingsError(f"is cut off or damaged: {error}") from error


def _describe(names: list[str]) -> str:
    if not names:
        return "no file"
    shown = ", ".join(repr(name[:40]) for name in names[:5])
    return f"{len(names)} files ({shown}{', …' if len(names) > 5 else ''})"
