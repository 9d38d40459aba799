"""Run one consumer in the foreground: `python -m consumers NAME`."""

from consumers.commands import consume
from shared.cli.app import new_app, run

app = new_app()
app.command()(consume)

if __name__ == "__main__":
    run(app, "python -m consumers")
