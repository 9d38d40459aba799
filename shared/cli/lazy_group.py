"""A group of commands that imports a command's module only when the command runs."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import typer
from typer.main import get_command

from shared.cli.app import CommandGroup, new_app
from shared.cli.plain_values import PlainCommand, optional_value_command


@dataclass(frozen=True)
class LazyCommand:
    """A command's place in the help, and `module:name` of its function or typer.Typer."""

    panel: str
    target: str
    help: str
    # The command parses its own arguments and options, apart from those that it declares.
    passes_arguments: bool = False
    add_help_option: bool = True
    # An option whose value, the name of a picture, may be left out.
    optional_value: str | None = None

    def load(self, name: str) -> Any:
        """Import the command and return it for typer."""
        module, _, attribute = self.target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            command: Any = get_command(found)
            command.name = name
            return command
        app = new_app()
        settings = {"ignore_unknown_options": True, "allow_interspersed_args": False} if self.passes_arguments else {}
        cls = optional_value_command(self.optional_value) if self.optional_value else PlainCommand
        app.command(name, cls=cls, context_settings=settings, add_help_option=self.add_help_option)(found)
        return get_command(app)


class LazyGroup(CommandGroup):
    """A group whose help needs no command to be imported. Subclasses set `table`, in the order of the help."""

    table: Mapping[str, LazyCommand] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # typer suggests these names for a misspelled one.
        names: dict[str, Any] = dict.fromkeys(self.table)
        self.commands = names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return self.table[cmd_name].load(cmd_name) if cmd_name in self.table else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        width = max(map(len, self.table))
        for panel, commands in groupby(self.table.items(), key=lambda item: item[1].panel):
            with formatter.section(panel):
                formatter.write_dl([(name.ljust(width), command.help) for name, command in commands])
