"""Files of rules: what they mean, and the line of each fault."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from consumers.alerts.rules.file_values import Misfit, read_time
from consumers.alerts.rules.files import Fault, parse_rule_file
from consumers.alerts.rules.options import Frequency, OnArm, Options
from consumers.alerts.rules.rule_tests import failures

RULE = '[[rule]]\nname = "x"\nwhen = "AAPL above 200"\n'


def test_a_rule_has_every_option() -> None:
    text = """
[[rule]]
name = "x"
when = "aapl ABOVE 200.00"
for = "60m"
frequency = "once-per:2h"
rearm = 195.50
on_arm = "wait"
expires = 2030-01-01T01:00:00+01:00
notify = ["phone", "log", "phone"]
resolved = true
message = '{symbol} "rose"'
enabled = false
"""
    [rule] = parse_rule_file(text).rules
    assert (rule.name, str(rule.terms), rule.enabled) == ("x", "AAPL above 200", False)
    assert rule.options == Options(
        frequency=Frequency(per=timedelta(hours=2)),
        hold=timedelta(hours=1),
        rearm=Decimal("195.5"),
        on_arm=OnArm.WAIT,
        expires=datetime(2030, 1, 1, tzinfo=UTC),
        notify=("phone", "log"),
        resolved=True,
        message='{symbol} "rose"',
    )


def test_a_rule_without_options_has_the_defaults_of_the_command() -> None:
    [rule] = parse_rule_file(RULE).rules
    assert (rule.options, rule.enabled) == (Options(), True)


@pytest.mark.parametrize("ticker", ["ON", "NO", "TRUE", "12:30"])
def test_no_ticker_is_read_as_another_kind_of_value(ticker: str) -> None:
    file = parse_rule_file(f'[[rule]]\nname = "{ticker}"\nwhen = "ON above 1"\n')
    assert [(rule.name, rule.terms.symbol) for rule in file.rules] == [(ticker, "ON")]


@pytest.mark.parametrize(
    ("written", "price"),
    [("195", "195"), ("195.10", "195.1"), ('"195.10"', "195.1"), ("0.1", "0.1"), ("1.5e2", "150"), ("1_000", "1000")],
)
def test_a_number_is_read_as_the_decimal_that_is_written(written: str, price: str) -> None:
    [rule] = parse_rule_file(f'[[rule]]\nname = "x"\nwhen = "AAPL above 2000"\nrearm = {written}\n').rules
    assert rule.options.rearm == Decimal(price)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["name = 5"], 2, "name must be text in quotes, not 5"),
        (['name = " "'], 2, "rule name ' ' is not valid"),
        (['name = "x"'], 1, "when is missing"),
        (['when = "AAPL above 5"'], 1, "name is missing"),
        (['name = "x"', 'when = "AAPL crosses 5"'], 3, "condition 'crosses 5' is not supported"),
        (['name = "x"', 'when = "AAPL above 5"', 'frequency = "often"'], 4, "use once, every or once-per:1h"),
        (['name = "x"', 'when = "AAPL above 5"', 'frequenzy = "once"'], 4, "did you mean frequency?"),
        (['name = "x"', 'when = "AAPL above 5"', "for = 10"], 4, "for must be text in quotes, not 10"),
        (['name = "x"', 'when = "AAPL above 5"', 'for = "soon"'], 4, "for: 'soon' is not a duration"),
        (['name = "x"', 'when = "AAPL above 5"', "", "rearm = 6"], 5, "rearm 6 must lie below 5"),
        (['name = "x"', 'when = "AAPL above 5"', "rearm = -1"], 4, "rearm: '-1' is negative"),
        (['name = "x"', 'when = "AAPL above 5"', "rearm = true"], 4, "rearm must be a number, not true"),
        (['name = "x"', 'when = "AAPL above 5"', "rearm = nan"], 4, "rearm: 'NaN' is not a decimal number"),
        (['name = "x"', 'when = "AAPL crossing 5"', 'on_arm = "wait"'], 4, "on_arm wait is not for 'crossing'"),
        (['name = "x"', 'when = "AAPL above 5"', 'on_arm = "never"'], 4, "use fire or wait"),
        (['name = "x"', 'when = "AAPL above 5"', 'expires = "7d"'], 4, "expires: '7d' is not a date or time"),
        (['name = "x"', 'when = "AAPL above 5"', "notify = [1]"], 4, "notify must be the name of a target"),
        (['name = "x"', 'when = "AAPL above 5"', 'notify = "a b"'], 4, "notify: target name 'a b' is not valid"),
        (['name = "x"', 'when = "AAPL above 5"', 'resolved = "yes"'], 4, "resolved must be true or false, not 'yes'"),
        (['name = "x"', 'when = "AAPL above 5"', 'message = "{price.real}"'], 4, "message has the unknown field"),
        # Text in a string is no statement.
        (
            ['name = "x"', "message = '''", "[[rule]]", 'when = "AAPL"', "'''", 'when = "AAPL above 5"'],
            3,
            "message must have",
        ),
    ],
)
def test_a_fault_in_a_rule_is_at_the_line_of_its_key(lines: list[str], line: int, message: str) -> None:
    [fault] = parse_rule_file("\n".join(["[[rule]]", *lines, ""])).faults
    assert fault.line == line
    assert message in fault.text
    assert "\n" not in fault.text


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[[rule]]\nname = "x\n', 2, "illegal character"),
        ("[[rule]]\nname = [\n", 2, "invalid value"),
        ('[rule]\nname = "x"\n', 1, "write [[rule]] above each rule"),
        ("\n\nrules = 5\n", 3, "'rules' is not known here"),
        ('rule = [{name = "x"}]\n', 1, "when is missing"),
        (f"{RULE}\n{RULE}", 6, "the rule in line 2 has the name 'x' too"),
        (f"{RULE}rearm = 1e{'9' * 30}\n", 1, "a number is too long"),
        (f"{RULE}rearm = {'9' * 5000}\n", 1, "a number is too long"),
        (f"a = {'[' * 5000}{']' * 5000}\n", 1, "nested too deeply"),
        ("[[test]]\nrule = 'x'\nprices = []\nfires = []\n", 3, "prices is empty"),
        ("[[test]]\nrule = 'x'\nprices = [['2026-01-01', 5]]\n", 1, "fires is missing"),
        ("[[test]]\nrule = 'x'\nprices = [['2026-01-01']]\nfires = []\n", 3, "is not a price"),
        ("[[test]]\nrule = 'x'\nprices = [['soon', 5]]\nfires = []\n", 3, "'soon' is not a date or time"),
        ("[[test]]\nrule = 'x'\nprices = [['2026-01-01', 0]]\nfires = []\n", 3, "must be more than zero"),
        (
            "[[test]]\nrule = 'x'\nprices = [\n  ['2026-01-01', 5],\n]\nfires = ['2026-01-02']\n",
            6,
            "no price at 2026-01-02",
        ),
        (f"{RULE}[[test]]\nrule = 'y'\nprices = [['2026-01-01', 5]]\nfires = []\n", 5, "there is no rule 'y'"),
    ],
)
def test_a_fault_in_a_file_is_at_its_line(text: str, line: int, message: str) -> None:
    [fault] = parse_rule_file(text).faults
    assert fault.line == line
    assert message in fault.text


def test_every_rule_with_a_fault_is_reported() -> None:
    text = f"{RULE}\n[[rule]]\nname = 'a'\n\n{RULE.replace('x', 'z')}rearm = 300\n\n[[rule]]\nwhen = 'AAPL above 1'\n"
    file = parse_rule_file(text)
    assert [fault.line for fault in file.faults] == [5, 11, 13]
    assert [rule.name for rule in file.rules] == ["x"]
    assert parse_rule_file(text.replace("\n", "\r\n")).faults == file.faults


def test_a_large_file_tells_the_line_of_its_last_fault_at_once() -> None:
    rules = "".join(RULE.replace('"x"', f'"{number}"') + "notify = [\n  'a',\n]\n" for number in range(300))
    assert parse_rule_file(rules + "[[rule]]\n").faults == (Fault(1801, "name is missing"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T08:00:00+00:00"),
        (datetime(2026, 1, 1, 10), "2026-01-01T10:00:00+00:00"),  # noqa: DTZ001 - a local time of TOML
        (datetime(2026, 1, 1).date(), "2026-01-01T00:00:00+00:00"),  # noqa: DTZ001
    ],
)
def test_a_time_without_an_offset_is_utc(value: object, expected: str) -> None:
    assert read_time("expires", value).isoformat() == expected


@pytest.mark.parametrize("value", ["7d", "", 5, "0001-01-01T00:00:00+10:00", [1]])
def test_a_time_that_cannot_be_is_refused(value: object) -> None:
    with pytest.raises(Misfit, match="is not a date or time"):
        read_time("expires", value)


def file_text(when: str, prices: str, fires: str) -> str:
    pairs = ", ".join(f"['2026-01-0{day}', {price}]" for day, price in enumerate(prices.split(), 1))
    times = ", ".join(f"'2026-01-0{day}'" for day in fires.split())
    return f"[[rule]]\nname = 'x'\nwhen = '{when}'\n[[test]]\nrule = 'x'\nprices = [{pairs}]\nfires = [{times}]\n"


def failed(when: str, prices: str, fires: str) -> list[str]:
    file = parse_rule_file(file_text(when, prices, fires))
    assert file.faults == ()
    return list(failures(file.rules[0], file.tests[0]))


@pytest.mark.parametrize(
    ("when", "prices", "fires"),
    [
        ("AAPL above 200", "199 201 202 199 201", "2 5"),
        ("AAPL crossing 200", "199 201 202 199", "2 4"),
        ("* moving down 5% in 2d", "100 99 95 94", "3"),
        ("AAPL above 200", "199 200", ""),
    ],
)
def test_a_test_with_the_right_times_passes(when: str, prices: str, fires: str) -> None:
    assert failed(when, prices, fires) == []


def test_a_test_tells_each_difference() -> None:
    assert failed("AAPL above 200", "199 201 202", "1 3") == [
        "rule 'x' does not fire at 2026-01-01T00:00:00Z, where the price is 199",
        "rule 'x' fires at 2026-01-02T00:00:00Z, where the price is 201",
        "rule 'x' does not fire at 2026-01-03T00:00:00Z, where the price is 202",
    ]


def test_a_test_tells_that_a_jump_holds_its_rule() -> None:
    [failure] = failed("AAPL below 200", "400 100", "2")
    assert failure.endswith("it is held, because the jump from 400 to 100 may be a split of 4:1")


@pytest.mark.parametrize(
    ("when", "number"),
    [
        ("AAPL volume above 5", "volumes"),
        ("AAPL moving up 5% since close", "the previous close"),
        ("AAPL no data for 5m", "a clock"),
    ],
)
def test_a_test_of_a_rule_that_needs_more_than_prices_is_refused(when: str, number: str) -> None:
    [failure] = failed(when, "1 2", "")
    assert failure == f"rule 'x' cannot be tested with prices: `{when.partition(' ')[2]}` needs {number}"
