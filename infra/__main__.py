"""The entry point `python -m infra`, which the launcher `./stockwire` starts."""

from infra.cli import cli
from shared.cli.app import run

if __name__ == "__main__":
    run(cli, "stockwire")
