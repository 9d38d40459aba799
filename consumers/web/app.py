"""The HTTP application: the routes of the API, and the page."""

from fastapi import APIRouter, Depends, FastAPI

from consumers.web.answers import Answers
from consumers.web.history_database import HistoryDatabase
from consumers.web.page import serve_page
from consumers.web.problems import describe_problems
from consumers.web.routes import (
    alert_rules,
    alerts,
    candles,
    dead_letters,
    deliveries,
    dry_run,
    health,
    latest,
    phase_one,
    previous_closes,
    prices,
    probes,
    provenance,
    rescale,
    symbols,
    watch,
)
from consumers.web.security import authorize, guard
from consumers.web.services import Services
from shared.settings import Settings

_ROUTES = (
    alert_rules,
    alerts,
    candles,
    dead_letters,
    deliveries,
    dry_run,
    health,
    latest,
    phase_one,
    previous_closes,
    prices,
    provenance,
    rescale,
    symbols,
    watch,
)


def create_app(settings: Settings, services: Services) -> FastAPI:
    """Return the application. It connects to nothing before the first request."""
    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title="Stockwire",
        summary="Stock prices, candles, alerts and live events.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.services = services
    app.state.answers = Answers(HistoryDatabase(settings))
    api = APIRouter(dependencies=[Depends(authorize)])
    for module in _ROUTES:
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(probes.router)
    describe_problems(app)
    serve_page(app)
    guard(app, settings)
    return app
