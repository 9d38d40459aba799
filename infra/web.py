"""The functions of other packages that the HTTP API calls: the joint of the producer, history, alerts and web."""

from collections.abc import Callable

from consumers.web.services import Services, WatchedSymbol
from infra.bounded_dry_run import BoundedDryRuns
from infra.dead_letter_office import DeadLetterOffice
from infra.health.broker_probe import BrokerProbe
from infra.health.report import QUEUES, HealthReporter
from infra.rules import past_prices
from producer.state import open_state
from producer.watch_list import WatchListEditor, watch_list
from shared.database.engine import writing
from shared.market_calendar import load_market_calendar
from shared.settings import VAR, Settings


def make_services(settings: Settings) -> Services:
    """Return the functions for a process with these settings. Raises SettingsError for an unknown market."""

    def watched() -> list[WatchedSymbol]:
        found = watch_list(settings, VAR)
        return [WatchedSymbol(each, "setting" if each in settings.symbols else "added") for each in found]

    def change(symbol: str, apply: Callable[[WatchListEditor, str], bool]) -> bool:
        with open_state(VAR) as engine, writing(engine) as connection:
            editor = WatchListEditor(connection, settings.symbols)
            is_changed = apply(editor, symbol)
            editor.save()
            return is_changed

    market = load_market_calendar(settings.market) if settings.market else None
    probe = BrokerProbe(settings.amqp_url, QUEUES)
    dead_letters = DeadLetterOffice(settings.amqp_url, probe)
    return Services(
        watched=watched,
        watch=lambda symbol: change(symbol, WatchListEditor.add),
        unwatch=lambda symbol: change(symbol, WatchListEditor.remove),
        past_prices=past_prices,
        require_broker=probe.require,
        health=HealthReporter(settings, probe, market).report,
        dry_run=BoundedDryRuns(settings).run,
        count_dead=dead_letters.count,
        read_dead=dead_letters.peek,
        requeue_dead=dead_letters.requeue,
        drop_dead=dead_letters.drop,
        close=probe.close,
    )
