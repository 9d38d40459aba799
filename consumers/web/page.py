"""The page: static files in `static/`, served at `/` where no route of the API is."""

from pathlib import Path

from fastapi import FastAPI

STATIC = Path(__file__).with_name("static")


def serve_page(app: FastAPI) -> None:
    """Serve the files, without a fallback: an unknown path is an error, not the page."""
    app.frontend("/", directory=STATIC, fallback=None, check_dir=True)
