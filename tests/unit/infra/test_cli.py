"""The table of commands: the help of the whole command line imports no command."""

import pytest

from infra.cli import COMMANDS, LazyCommand


@pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=COMMANDS)
def test_the_help_of_the_command_line_repeats_the_first_line_of_a_commands_own_help(
    name: str, command: LazyCommand
) -> None:
    assert command.help == command.load(name).help.splitlines()[0]
