from consumers.alerts.rule_run import RuleRun
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.parser import parse_terms
from tests.event_factories import changed, price_series


def test_volume_above_fires_when_the_volume_becomes_greater_and_passes_over_events_without_a_volume() -> None:
    run = RuleRun(Rule(1, "rule", parse_terms("AAPL volume above 1000000"), revision=1))
    volumes = [1_000_000, 1_000_001, None, 2_000_000, 1_000_000, None, 1_000_001]
    events = [changed(event, volume=volume) for event, volume in zip(price_series(["5"] * 7), volumes, strict=True)]
    assert [events.index(firing.event) for firing in run.firings(events)] == [1, 6]
