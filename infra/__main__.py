"""`python -m infra`, which `./stockwire` hands over to."""

from infra.cli import cli
from shared.cli.app import run

if __name__ == "__main__":
    run(cli, "stockwire")
