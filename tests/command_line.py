"""Commands that run in the process of a test, as `./stockwire` runs them in one of their own."""

from collections.abc import Sequence

import typer
from typer.testing import CliRunner, Result


def run_command(app: typer.Typer, words: Sequence[str], *, stdin: str = "", exit_code: int = 0) -> Result:
    """Run a command to its end. Raises its exception, and fails if it exits with another status."""
    result = CliRunner().invoke(app, words, input=stdin, prog_name="stockwire")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result
