"""`python -m infra`, which `./stockwire` hands over to."""

from infra.cli import cli
from shared.commandline import run

if __name__ == "__main__":
    run(cli, "stockwire")
