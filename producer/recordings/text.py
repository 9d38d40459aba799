"""The text of a file: UTF-8, UTF-16 or UTF-32 by its byte order mark, or an encoding that is given."""

import codecs
import io
from typing import BinaryIO, TextIO, cast

# The marks of UTF-32 begin with those of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode(stream: BinaryIO, encoding: str | None) -> TextIO:
    """Return the text of the bytes. An invalid byte becomes a lone surrogate, and spoils only its own field.

    Raises what the stream raises.
    """
    buffered = cast("io.BufferedReader", stream)
    start = buffered.peek(4)[:4]
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    return io.TextIOWrapper(buffered, encoding=marked or encoding or "utf-8", errors="surrogateescape", newline="")


def describe_byte(text: str, encoding: str | None) -> str | None:
    """Return what is wrong with the first byte that the encoding does not know, and what to do, or None."""
    byte = first_invalid_byte(text)
    if byte is None:
        return None
    return f"byte 0x{byte:02x} is not {encoding or 'UTF-8'}: give the encoding, such as --encoding latin-1"


def first_invalid_byte(text: str) -> int | None:
    """Return the first byte of the text that its encoding does not know, or None."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return ord(text[error.start]) & 0xFF
    return None
