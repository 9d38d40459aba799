"""Conversion of text, choices and lists of text without pydantic, whose import takes longer than a quick command.

typer converts every argument and option with pydantic. Values that need only a simple type skip that.
"""

import re
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import Any

from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperCommand

# Lower case or a known picture: a symbol such as BRK.B is no file.
_FILE_NAME = re.compile(r"/|\.[a-z]{2,4}$|\.(PNG|SVG|PDF)$")


class PlainValues:
    """A mixin for typer's commands and groups, which then import pydantic only for values that are not plain."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            descriptor = param.type_descriptor
            param._runtime_param = _PlainValue(descriptor.parameter_info, descriptor.annotation)  # noqa: SLF001
        return params


class PlainCommand(PlainValues, TyperCommand):
    pass


def optional_value_command(option: str) -> type[PlainCommand]:
    """Return a class of commands with an option whose value may be left out, which typer does not know.

    The word after the option is its value if it has a suffix such as `.png`, and could not be another option.
    """

    class OptionalValueCommand(PlainCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, add_missing_value(option, args))

    return OptionalValueCommand


def add_missing_value(option: str, words: Sequence[str]) -> list[str]:
    """Return the words with an empty value after the option if its value was left out."""
    found: list[str] = []
    for word, following in pairwise([*words, ""]):
        found.append(word)
        if word == option and (following.startswith("-") or not _FILE_NAME.search(following)):
            found.append("")
    return found


class _PlainValue(RuntimeParam):
    """Converts a valid plain value. typer converts every other value, or explains why it is not valid."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return _convert(value, self.annotation, has_parser=self.parameter_info.parser is not None)
        except ValueError:
            return build_runtime_param(param.type_descriptor).coerce(value, param=param, ctx=ctx)


def _convert(value: Any, annotation: Any, *, has_parser: bool) -> Any:
    """Raise ValueError if the value is not plain, or not valid."""
    if has_parser:
        raise ValueError(value)
    if annotation is str and isinstance(value, str):
        return value
    if annotation == list[str] and isinstance(value, list | tuple):
        return list(value)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation(value)
    raise ValueError(value)
