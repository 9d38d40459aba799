"""The command `stockwire serve`: the HTTP API and the page."""

import logging
from dataclasses import replace
from typing import Annotated

import typer

from shared.cli.logs import set_up_logs
from shared.cli.output import print_lines
from shared.errors import SettingsError
from shared.host_names import check_host
from shared.http_address import HttpAddress, check_port, listen
from shared.settings import Settings, load_settings
from shared.signals import stop_on_signals


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="H", help="Host name or address. Default: that of STOCKWIRE_HTTP.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port; 0 is any free one. Default: that of STOCKWIRE_HTTP.")
    ] = None,
) -> None:
    """Serve the HTTP API and the live page until Ctrl-C or SIGTERM."""
    settings = load_settings()
    address = choose_address(settings, host, port)
    # Libraries that no other command needs.
    from consumers.web.app import create_app
    from consumers.web.server import serve as serve_app
    from infra.web import make_services

    with stop_on_signals() as stop, listen(address) as listening:
        set_up_logs("web", logging.WARNING)
        bound = HttpAddress(address.host, listening.getsockname()[1])
        services = make_services(settings)
        app = create_app(replace(settings, http=bound), services)
        print_lines(f"stockwire: serving {bound.url()}")
        try:
            serve_app(app, listening, stop)
        finally:
            services.close()


def choose_address(settings: Settings, host: str | None, port: int | None) -> HttpAddress:
    """Return the address of the settings with what the options change. Raises SettingsError."""
    base = settings.http
    if base is None:
        if host is None and port is None:
            raise SettingsError("STOCKWIRE_HTTP is off: set it to HOST:PORT, or give --host and --port")
        base = Settings().http or HttpAddress("127.0.0.1", 8000)
    try:
        return HttpAddress(
            base.host if host is None else check_host(host), base.port if port is None else check_port(port)
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
