"""The arrows between the packages, read from their source.

producer -> shared <- consumers.history, consumers.alerts <- consumers.web, and infra -> all of them. In the producer:
commands and tasks -> market_service, backfill, replay, plan -> providers -> recordings. The benchmarks
may import every package, and the libraries that they compare with Stockwire.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("producer", "consumers", "shared", "infra", "benchmarks")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

PRODUCER_ENTRY_POINTS = (
    "producer.commands",
    "producer.replay_command",
    "producer.watch_commands",
    "producer.plan.command",
    "producer.tasks",
)
PRODUCER_SERVICES = ("producer.market_service", "producer.backfill", "producer.replay", "producer.plan")

# A package must not import the packages beside it. A rule for a room that does not exist yet waits for the room.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "shared": ("producer", "consumers", "infra", "tests", "benchmarks", "examples"),
    "shared.database.sqlite": ("shared.database.engine", "shared.database.schema", "shared.database.migrations"),
    # Nobody imports web but infra.
    "consumers.commands": ("consumers.web",),
    "consumers.registry": ("consumers.web",),
    "consumers.tail": ("consumers.web",),
    "producer": ("consumers", "infra", "tests", "benchmarks", "examples"),
    "consumers": ("producer", "infra", "tests", "benchmarks", "examples"),
    "consumers.history": ("consumers.alerts", "consumers.web"),
    "consumers.alerts": ("consumers.history", "consumers.web"),
    "consumers.alerts.notifications": (
        "consumers.alerts.batch",
        "consumers.alerts.evaluation",
        "consumers.alerts.rules",
    ),
    "consumers.history.queries": ("consumers.history.store", "consumers.history.handler", "consumers.history.commands"),
    "producer.market_service": PRODUCER_ENTRY_POINTS,
    "producer.backfill": PRODUCER_ENTRY_POINTS,
    "producer.replay": PRODUCER_ENTRY_POINTS,
    "producer.plan.forecast": (*PRODUCER_ENTRY_POINTS, "producer.providers"),
    "producer.recordings": (*PRODUCER_ENTRY_POINTS, *PRODUCER_SERVICES, "producer.providers", "shared.messaging"),
    "producer.providers": (*PRODUCER_ENTRY_POINTS, *PRODUCER_SERVICES, "producer.celery_app", "producer.beat"),
    "infra": ("tests", "benchmarks", "examples"),
    "benchmarks": ("tests", "examples"),
}
# Packages that may import nothing else from this project.
ONLY = {"consumers.alerts.conditions": ("consumers.alerts.conditions", "shared")}
LIBRARIES_OF_MESSAGING = ("amqpstorm", "pamqp")
PEERS = ("pika", "aio_pika", "aiormq", "faststream")
# The packages that alone may import these libraries.
KEPT = {
    LIBRARIES_OF_MESSAGING: ("shared.messaging.amqp", "benchmarks"),
    PEERS: ("benchmarks",),
    ("requests", "urllib3"): (
        "producer.providers.http",
        "consumers.alerts.notifications.webhook",
        "shared.http",
        "benchmarks",
    ),
    ("celery", "kombu"): ("producer", "shared.schedule"),
    ("exchange_calendars",): ("shared.market_calendar",),
    ("duckdb",): ("benchmarks",),
    ("matplotlib",): ("shared.pictures",),
    ("pandas", "polars"): ("consumers.history.data_frames",),
    ("plotext",): ("shared.cli.price_chart",),
    ("pyarrow",): ("shared.arrow",),
    ("apprise",): ("consumers.alerts.notifications.apprise",),
    ("fastapi", "starlette", "uvicorn"): ("consumers.web", "benchmarks"),
    ("alembic",): ("shared.database.migrations", "consumers.alerts.migrations", "consumers.history.migrations"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, *, package: bool = False) -> Iterator[str]:
    """Every module that this source may import, by its full name; `from a import b` may mean the module a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".")
            base = here[: len(here) - node.level + package] if node.level else []
            whole = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{whole}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def violations(module: str, imported: Iterator[str]) -> list[str]:
    found = []
    for name in imported:
        for package, forbidden in FORBIDDEN.items():
            if within(module, package) and any(within(name, each) for each in forbidden):
                found.append(f"{module} imports {name}")
        for package, allowed in ONLY.items():
            ours = within(module, package) and any(within(name, each) for each in PACKAGES)
            if ours and not any(within(name, each) for each in allowed):
                found.append(f"{module} imports {name}, but may only import from {' and '.join(allowed)}")
        for libraries, keepers in KEPT.items():
            if any(within(name, each) for each in libraries) and not any(within(module, each) for each in keepers):
                found.append(f"{module} imports {name}, which only {' and '.join(keepers)} may")
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_only_along_the_arrows(path: Path) -> None:
    found = imports(path.read_text(), module_name(path), package=path.name == "__init__.py")
    assert violations(module_name(path), found) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("producer.tasks", "import consumers"),
        ("producer.tasks", "from consumers.history import store"),
        ("producer.tasks", "from infra import stack"),
        ("consumers.tail", "def f():\n    from producer.celery_app import app"),
        ("consumers.history.handler", "from consumers import alerts"),
        ("consumers.history.handler", "from ..alerts import rules"),
        ("consumers.alerts.handler", "import consumers.history.store as store"),
        ("consumers.alerts.conditions.above", "from consumers.alerts.rules.models import Rule"),
        ("consumers.alerts.conditions.above", "from consumers.alerts import engine"),
        ("consumers.alerts.conditions.registry", "from consumers.registry import find_consumer"),
        ("consumers.history.queries.prices", "from consumers.history.store import PriceStore"),
        ("consumers.alerts.handler", "from consumers.web import app"),
        ("consumers.alerts.notifications.webhook", "from consumers.alerts.evaluation import Evaluator"),
        ("consumers.registry", "from consumers.web import server"),
        ("infra.serve", "import uvicorn"),
        ("consumers.alerts.commands", "from fastapi import FastAPI"),
        ("producer.market_service", "from producer.tasks import sync_watch_list"),
        ("producer.backfill.run", "from producer import commands"),
        ("producer.plan.forecast", "from producer.providers.registry import make_providers"),
        ("producer.providers.registry", "from producer.market_service import SyncReport"),
        ("producer.recordings.reader", "from producer.providers.replay import ReplayProvider"),
        ("producer.recordings.check", "from producer.replay import Replay"),
        ("producer.market_service", "import requests"),
        ("consumers.tail", "from celery import Celery"),
        ("infra.doctor", "import exchange_calendars"),
        ("consumers.history.plots", "from matplotlib.figure import Figure"),
        ("consumers.history.reading", "import pyarrow as pa"),
        ("consumers.alerts.store", "from alembic import op"),
        ("shared.events", "from producer import providers"),
        ("shared.events", "import importlib\nimportlib.import_module('consumers.tail')"),
        ("shared.events", "import amqpstorm"),
        ("shared.database.sqlite.guard", "from shared.database.engine import reading"),
        ("producer.tasks", "from amqpstorm.channel import Channel"),
        ("infra.doctor", "import pamqp.commands"),
        ("shared.messaging.topology", "from amqpstorm.channel import Channel"),
        ("shared.messaging.dead_letters", "from pamqp import encode"),
        ("infra.cli", "from tests.event_factories import stock_data"),
        ("infra.cli", "import benchmarks"),
        ("benchmarks.publish", "from tests.event_factories import stock_data"),
        ("shared.messaging.publisher", "import aio_pika"),
        ("consumers.tail", "from pika import BlockingConnection"),
    ],
)
def test_an_import_against_the_arrows_is_found(module: str, source: str) -> None:
    assert violations(module, imports(source, module)) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infra.cli", "from consumers.history.commands import app\nimport producer.celery_app"),
        ("infra.web", "from consumers.web.services import Services"),
        ("consumers.web.app", "from consumers.history.queries import prices\nfrom consumers.alerts.rules import store"),
        ("producer.tasks", "from shared.messaging.publisher import Publisher\nimport amqp"),
        ("consumers.alerts.conditions.above", "from consumers.alerts.conditions.base import Operator\nimport operator"),
        ("consumers.alerts.conditions.registry", "from consumers.alerts import conditions\nfrom shared import prices"),
        ("consumers.registry", "from consumers.history import handler\nfrom consumers.alerts import handler"),
        ("shared.messaging.amqp.connection", "import amqpstorm\nfrom pamqp import commands"),
        ("benchmarks.publish", "import amqpstorm\nimport pika\nfrom faststream.rabbit import RabbitBroker"),
        ("benchmarks.persist", "from infra.up.rabbitmq import private_broker\nfrom consumers.history import handler"),
    ],
)
def test_an_import_along_the_arrows_is_fine(module: str, source: str) -> None:
    assert violations(module, imports(source, module)) == []


API_MODULES = [module for path in MODULES if within(module := module_name(path), "producer.providers.http.apis")]


def loaded_libraries(modules: list[str]) -> list[str]:
    """Import the modules in order in a new interpreter; return the modules after which each heavy library is loaded."""
    script = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    loaded = [library for library in ("celery", "requests", "sqlalchemy") if library in sys.modules]
    print(*(f"{module} loads {library}" for library in loaded), sep="\\n")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *modules], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split("\n")


def test_the_provider_apis_load_no_io_library_even_through_other_modules() -> None:
    assert len(API_MODULES) > 5
    assert [line for line in loaded_libraries(API_MODULES) if line] == []


def test_the_server_of_the_page_does_not_load_celery() -> None:
    found = loaded_libraries(["infra.web", "consumers.web.app", "consumers.web.server"])
    assert not [line for line in found if line.endswith("celery")]


def test_an_io_library_that_is_loaded_through_another_module_is_found() -> None:
    provider = "producer.providers.http.provider"
    assert f"{provider} loads requests" in loaded_libraries([provider])
