"""`python -m consumers NAME`: one consumer in the foreground."""

import typer

from consumers.commands import consume
from shared.cli.app import run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(consume)

if __name__ == "__main__":
    run(app, "python -m consumers")
