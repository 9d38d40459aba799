"""Conversion of text, choices and lists of text without pydantic, whose import takes longer than a quick command.

typer converts every argument and option with pydantic. Values that need only a simple type skip that.
"""

from enum import Enum
from typing import Any

from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperCommand


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
