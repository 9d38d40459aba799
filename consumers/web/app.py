"""The HTTP application: the routes of the API, and the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI

from consumers.web.answers import Answers
from consumers.web.history_database import HistoryDatabase
from consumers.web.live.feed import LiveFeed
from consumers.web.page import serve_page
from consumers.web.problems import describe_problems
from consumers.web.routes import (
    alert_rules,
    alerts,
    candles,
    dead_letters,
    deliveries,
    dry_run,
    events,
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
    events,
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
    """Return the application. It connects to nothing before its lifespan begins."""
    history = HistoryDatabase(settings)
    live = LiveFeed(settings, history)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await live.start()
        try:
            yield
        finally:
            await live.stop()
            history.close()

    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title="Stockwire",
        summary="Stock prices, candles, alerts and live events.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.services = services
    app.state.answers = Answers(history)
    app.state.live = live
    api = APIRouter(dependencies=[Depends(authorize)])
    for module in _ROUTES:
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(probes.router)
    describe_problems(app)
    serve_page(app)
    guard(app, settings)
    return app
