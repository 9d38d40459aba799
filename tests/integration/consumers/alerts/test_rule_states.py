"""The states of rules as `stockwire rules list`, `show` and `explain` tell them, and the commands that change them."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import make_url

from consumers.alerts.handler import AlertHandler
from shared.database.engine import open_engine
from shared.errors import SettingsError
from shared.times import utc_now
from tests.event_factories import AS_OF
from tests.integration.consumers.alerts.conftest import Command, Prices, fired, rule_row


def test_the_list_tells_state_last_price_distance_and_times_fired(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    assert (rule_row(stockwire)["state"], rule_row(stockwire)["last_price"]) == ("armed", None)
    prices("201")
    row = rule_row(stockwire)
    expected = ("firing", "2024-11-20T09:59:58Z", "201", "-0.50%", 1)
    assert (row["state"], row["since"], row["last_price"], row["distance"], row["fired"]) == expected
    prices("190", start=1)
    row = rule_row(stockwire)
    expected = ("armed", "2024-11-20T09:59:59Z", "190", "+5.26%")
    assert (row["state"], row["since"], row["last_price"], row["distance"]) == expected


def instant(row: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(row["since"]))


def test_the_list_tells_since_when_a_rule_is_armed_firing_or_disabled(stockwire: Command, prices: Prices) -> None:
    """A rule that has not fired is armed since it was added, edited or enabled, by our clock."""
    before = utc_now() - timedelta(seconds=1)
    stockwire("rules", "add", "x", "AAPL above 200", "--on-arm", "wait")
    assert before < instant(rule_row(stockwire)) <= utc_now()
    # In one batch the rule fires, ends and fires again: the prices are one second apart.
    prices("201", "202")
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("firing", AS_OF)
    prices("190", "205", "190", "191", start=2)
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("armed", AS_OF + timedelta(seconds=4))
    prices("206", start=6)
    assert (rule_row(stockwire)["state"], instant(rule_row(stockwire))) == ("firing", AS_OF + timedelta(seconds=6))
    for change in ("disable", "enable"):
        before = utc_now() - timedelta(seconds=1)
        stockwire("rules", change, "x")
        assert before < instant(rule_row(stockwire)) <= utc_now()


def test_states_beside_another_are_told_too(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    prices("201")
    stockwire("rules", "ack", "x")
    stockwire("rules", "silence", "x", "2030-01-01")
    row = rule_row(stockwire)
    assert (row["state"], row["also"]) == ("silenced", ["acknowledged", "firing"])
    assert (row["since"], row["silenced_until"]) == ("2024-11-20T09:59:58Z", "2030-01-01T00:00:00Z")
    assert "silenced, acknowledged, firing" in stockwire("rules", "list")
    shown = "AAPL: silenced until 2030-01-01T00:00:00Z, acknowledged, firing since 2024-11-20T09:59:58Z, AAPL is at 201"
    assert shown in stockwire("rules", "show", "x")
    stockwire("rules", "add", "every", "* above 200")
    stockwire("rules", "silence", "every", "2030-01-01")
    assert rule_row(stockwire, "every")["state"] == "silenced"


def test_a_rule_on_every_symbol_without_a_price_has_a_state_and_its_time(stockwire: Command) -> None:
    stockwire("rules", "add", "x", "* above 200")
    row = rule_row(stockwire)
    assert (row["state"], instant(row) <= utc_now()) == ("armed", True)
    stockwire("rules", "silence", "x", "2030-01-01")
    row = rule_row(stockwire)
    assert (row["state"], row["also"]) == ("silenced", ["armed"])


def test_a_rule_is_stale_while_another_tells_that_there_is_no_data(
    stockwire: Command, prices: Prices, url: str
) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    stockwire("rules", "add", "feed", "* no data for 30m")
    prices("201")
    silent(url)
    row = rule_row(stockwire)
    assert (row["state"], row["also"], row["since"]) == ("stale", ["firing"], "2024-11-20T10:00:03Z")
    assert rule_row(stockwire, "feed")["state"] == "firing"
    assert "there is no data of AAPL, as a rule `no data for` tells" in stockwire("rules", "explain", "x")
    prices("201", start=1)
    assert (rule_row(stockwire)["state"], fired(stockwire)) == ("firing", ["201", None])


def silent(url: str) -> None:
    """Let an hour go by without an event."""
    engine = open_engine(make_url(url))
    AlertHandler(engine, lambda messages: len(list(messages)), clock=lambda: utc_now() + timedelta(hours=1)).idle()
    engine.dispose()


def test_a_rule_on_every_symbol_is_acknowledged_on_one_of_them_or_on_all(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "* above 200")
    prices("201")
    prices("201", symbol="MSFT")
    prices("199", symbol="IBM")
    assert stockwire("rules", "ack", "x", "msft") == "acknowledged rule x on MSFT\n"
    assert "AAPL: firing" in stockwire("rules", "show", "x")
    assert "MSFT: acknowledged, firing since" in stockwire("rules", "show", "x")
    with pytest.raises(SettingsError, match="not firing on IBM"):
        stockwire("rules", "ack", "x", "IBM")
    assert stockwire("rules", "ack", "x") == "acknowledged rule x on AAPL, MSFT\n"


def test_states_of_a_rule(stockwire: Command, prices: Prices) -> None:
    def state() -> object:
        return rule_row(stockwire)["state"]

    stockwire("rules", "add", "x", "AAPL above 200", "--for", "2s")
    prices("201")
    assert state() == "pending"
    prices("201", start=2)
    assert state() == "firing"
    assert "acknowledged rule x on AAPL" in stockwire("rules", "ack", "x")
    assert state() == "acknowledged"
    prices("199", start=3)
    assert state() == "armed"
    with pytest.raises(SettingsError, match="is not firing"):
        stockwire("rules", "ack", "x")
    assert "silenced until" in stockwire("rules", "silence", "x", "2h")
    assert state() == "silenced"
    stockwire("rules", "silence", "x", "off")
    assert state() == "armed"
    stockwire("rules", "disable", "x")
    assert state() == "disabled"
    stockwire("rules", "enable", "x")
    assert state() == "armed"
    stockwire("rules", "edit", "x", "--expires", "2024-11-20")
    assert state() == "expired"


def test_a_disabled_rule_keeps_nothing_and_starts_afresh_when_it_is_enabled(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    prices("201")
    stockwire("rules", "disable", "x")
    prices("199", "202", start=1)
    stockwire("rules", "enable", "x")
    prices("203", "204", start=3)
    assert fired(stockwire) == ["201", "203"]


@pytest.mark.parametrize("options", [[], ["--rearm", "150"]])
def test_an_edited_rule_does_not_fire_again_for_what_it_has_told(
    stockwire: Command, prices: Prices, options: list[str]
) -> None:
    stockwire("rules", "add", "x", "* above 200", *options)
    prices("201")
    stockwire("rules", "edit", "x", "* above 190")
    prices("202", start=1)
    assert (fired(stockwire), rule_row(stockwire)["state"]) == (["201"], "firing")
    stockwire("rules", "edit", "x", "* above 300", "--rearm", "none")
    prices("203", "301", start=2)
    assert fired(stockwire) == ["201", "301"]


def test_a_silenced_alert_is_stored_and_marked(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    stockwire("rules", "silence", "x", "2030-01-01")
    prices("201")
    [alert] = json.loads(stockwire("alerts", "--format", "json"))
    assert alert["silenced"] is True


def test_held_rules_are_released_by_their_scale(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL below 480", "--rearm", "490")
    stockwire("rules", "add", "any", "* crossing down 121")
    prices("499.23")
    prices("129.04", start=86_400)
    assert (rule_row(stockwire)["state"], rule_row(stockwire, "any")["state"]) == ("held", "held")
    assert "rescale AAPL 4:1, or --as-is" in stockwire("rules", "explain", "x")
    prices("128", start=86_401)
    assert "divided the thresholds of 1 rule of AAPL by 4:1" in stockwire("rules", "rescale", "AAPL", "4:1")
    assert (rule_row(stockwire)["rule"], rule_row(stockwire)["rearm"]) == ("AAPL below 120", "122.5")
    assert rule_row(stockwire, "any")["rule"] == "* crossing down 121"
    prices("127", "119", start=86_402)
    assert fired(stockwire) == ["119", "119"]
    assert [a["previous_price"] for a in json.loads(stockwire("alerts", "--format", "json"))] == ["127", "127"]


def test_rules_that_are_released_as_they_are_see_the_crash(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL crossing down 400")
    prices("499.23")
    prices("129.04", start=86_400)
    stockwire("rules", "rescale", "AAPL", "--as-is")
    prices("128", start=86_401)
    assert fired(stockwire) == ["128"]
    with pytest.raises(SettingsError, match="are not held"):
        stockwire("rules", "rescale", "AAPL", "--as-is")
    with pytest.raises(SettingsError, match="is not a ratio such as 4:1"):
        stockwire("rules", "rescale", "AAPL", "4")
    stockwire("rules", "rescale", "AAPL", exit_code=2)


def test_explain_tells_why_a_rule_fired_or_did_not(stockwire: Command, prices: Prices) -> None:
    stockwire("rules", "add", "x", "AAPL above 200")
    assert "no price of AAPL has arrived yet" in stockwire("rules", "explain", "x")
    prices("190", "199")
    text = stockwire("rules", "explain", "x")
    assert "the last price was 199 USD as of 2024-11-20T09:59:59Z from simulated, the price before was 190" in text
    assert "`above 200` is false: the price is 199" in text
    assert "did not fire: the condition is not true" in text
    prices("201", start=2)
    assert "with this price the rule raised an alert (firing)" in stockwire("rules", "explain", "x")
    prices("202", start=3)
    assert "the condition was true before, and a rule fires when it becomes true" in stockwire("rules", "explain", "x")
    prices("205", start=-60, provider="replay")
    assert "the newest event is late: replay delivers prices as of 2024-11-20T09:58:58Z" in stockwire(
        "rules", "explain", "x"
    )
    stockwire("rules", "add", "move", "* moving up 5% in 1h")
    stockwire("rules", "add", "new", "AAPL above 100")
    assert "did not fire: it was added, edited or enabled later" in stockwire("rules", "explain", "new")
    stockwire("rules", "add", "silent", "AAPL no data for 30m")
    stockwire("rules", "add", "busy", "AAPL volume above 5")
    prices("203", start=4)
    silent, busy = stockwire("rules", "explain", "silent"), stockwire("rules", "explain", "busy")
    assert "`no data for 30m` is about the time without an event, by our clock" in silent
    assert "did not fire: an event ends the silence" in silent
    assert "no event had what `volume above 5` needs" in busy
    assert "did not fire: the condition could not be evaluated" in busy
    assert "203 is +1 (+0.50 %) from 202, the oldest price of the window" in stockwire(
        "rules", "explain", "move", "aapl"
    )
    for name, symbol in (("y", None), ("move", "MSFT")):
        with pytest.raises(SettingsError, match=r"there is no rule 'y'|has seen no price of MSFT"):
            stockwire("rules", "explain", name, *([symbol] if symbol else []))
