"""The file `.env`: lines of `NAME=value`, blank lines and comments. Any other line is an error: none is skipped."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import SettingsError
from shared.file_errors import explain_file_error
from shared.setting_names import PREFIX, resembles_setting

if TYPE_CHECKING:
    from dotenv.parser import Binding

_ADVICE = "write NAME=value with the whole value on the line, or # in front of a comment"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_COLON = re.compile(r"\s*(?:export\s+)?(\w+)\s*:", re.ASCII)
_OPEN_QUOTE = re.compile(r"""[^=]*=\s*["']""")
_SECOND_SETTING = re.compile(rf"\s{PREFIX}\w*\s*=", re.IGNORECASE)
_SETTING_LINE = re.compile(rf"^\s*(?:export\s+)?{PREFIX}\w*\s*[=:]", re.IGNORECASE | re.MULTILINE)
# Quotes as a keyboard and as a word processor writes them.
_QUOTES = tuple("\"'\u201c\u201d\u2018\u2019")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Assignment:
    """The value that a line of the file gives to a name. The first line of a file is 1."""

    value: str
    line: int


def read_dotenv(path: Path, *, interpolate: bool = True) -> dict[str, Assignment]:
    """Return the assignments of a file, or nothing if there is no file.

    `${NAME}` in a value is replaced if `interpolate`. Raises SettingsError with the number of the line, and without its
    text, which may be a password.
    """
    text = _read_text(path)
    if not text:
        return {}
    from dotenv.main import resolve_variables
    from dotenv.parser import parse_stream

    found = _assignments(path, parse_stream(io.StringIO(text, newline="")))
    if not interpolate:
        return found
    values = resolve_variables([(name, each.value) for name, each in found.items()], override=True)
    return {name: Assignment(values[name] or "", each.line) for name, each in found.items()}


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except OSError as error:
        # A link that leads nowhere is an error, unlike a file that is not there.
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return ""
        raise SettingsError(f"{path} cannot be read: {explain_file_error(error)}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reason = f"line {line} is not text in UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}: save the file as UTF-8") from error
    if "\0" in text:
        raise SettingsError(f"{path} cannot be read: it has bytes of zero: save the file as UTF-8")
    return text


def _assignments(path: Path, bindings: "Iterator[Binding]") -> dict[str, Assignment]:
    found: dict[str, Assignment] = {}
    continues = False
    for binding in bindings:
        text = binding.original.string.lstrip()
        line = binding.original.line + _line_breaks(binding.original.string) - _line_breaks(text)
        fault = _find_fault(binding, text)
        if not fault and continues and binding.key and not resembles_setting(binding.key):
            fault = f"continues the value of the line before it: {_ADVICE}"
        if not fault and binding.key in found and resembles_setting(binding.key):
            fault = f"sets {binding.key} again, after line {found[binding.key].line}: remove one of the two"
        if fault:
            raise SettingsError(f"{path}, line {line}, {fault}")
        if binding.key:
            found[binding.key] = Assignment(binding.value or "", line)
            continues = resembles_setting(binding.key) and text.rstrip().endswith(",")
    return found


def _find_fault(binding: "Binding", text: str) -> str:
    """Return the rest of the sentence "line N ...", or an empty string."""
    name, value = binding.key, binding.value
    if binding.error or (name is not None and (value is None or not _NAME.fullmatch(name))):
        return _explain(text)
    if name is None or value is None:
        return ""
    if "\n" in value or "\r" in value:
        # A quote that is closed in a later line takes the settings between for its value.
        return "has a quote that is not closed on the line" if _SETTING_LINE.search(value) else ""
    return "" if _OPEN_QUOTE.match(text) or not resembles_setting(name) else _find_unquoted_fault(value)


def _find_unquoted_fault(value: str) -> str:
    if _SECOND_SETTING.search(value):
        return "has a second setting: give it a line of its own"
    if value.startswith(_QUOTES) or value.endswith(_QUOTES):
        return 'has a quote at one end of the value: write NAME=value, or NAME="value" with straight quotes'
    return f"ends with a backslash: {_ADVICE}" if value.endswith("\\") else ""


def _explain(text: str) -> str:
    colon = _COLON.match(text)
    if colon and resembles_setting(colon[1]):
        return f"is not NAME=value: write {colon[1]}=value, with = instead of :"
    if _OPEN_QUOTE.match(text):
        return "has a quote that is not closed, or text after the closing quote"
    return f"is not NAME=value: {_ADVICE}"


def _line_breaks(text: str) -> int:
    return len(re.findall(r"\r\n|\n|\r", text))
