"""`.env`: a file that people write by hand is read as they mean it, or the start stops at the line that is wrong."""

from pathlib import Path

import pytest

from shared.dotenv_file import read_dotenv
from shared.errors import SettingsError
from shared.settings import load_settings

PROVIDER = "STOCKWIRE_PROVIDER"


def values(folder: Path, content: str | bytes, *, interpolate: bool = True) -> dict[str, str]:
    file = folder / ".env"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: each.value for name, each in read_dotenv(file, interpolate=interpolate).items()}


@pytest.mark.parametrize(
    "line",
    [
        "STOCKWIRE_PROVIDER=yahoo",
        "  STOCKWIRE_PROVIDER = yahoo  ",
        "export STOCKWIRE_PROVIDER=yahoo",
        "STOCKWIRE_PROVIDER='yahoo'",
        'STOCKWIRE_PROVIDER="yahoo"  # live prices',
        "STOCKWIRE_PROVIDER=yahoo # live prices",
        "\n\r\n# a comment: with a colon\n\nSTOCKWIRE_PROVIDER=yahoo",
    ],
)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\r"])
def test_the_usual_ways_to_write_a_setting_are_read(line: str, ending: str, tmp_path: Path) -> None:
    assert values(tmp_path, line + ending) == {PROVIDER: "yahoo"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_lines_of_windows_are_read(encoding: str, tmp_path: Path) -> None:
    text = "STOCKWIRE_PROVIDER=finnhub\r\nSTOCKWIRE_SYMBOLS=IBM\r\n"
    assert values(tmp_path, text.encode(encoding)) == {PROVIDER: "finnhub", "STOCKWIRE_SYMBOLS": "IBM"}


@pytest.mark.parametrize(
    ("content", "line", "advice"),
    [
        ("STOCKWIRE_PROVIDER: yahoo\nSTOCKWIRE_SYMBOLS: IBM\n", 1, "write STOCKWIRE_PROVIDER=value, with ="),
        ("OTHER=1\n\nSTOCKWIRE_PROVIDER yahoo\n", 3, "is not NAME=value"),
        ("OTHER=1\r\nyahoo\r\n", 2, "is not NAME=value"),
        ("export STOCKWIRE_PROVIDER\n", 1, "is not NAME=value"),
        ("set STOCKWIRE_PROVIDER=yahoo\n", 1, "is not NAME=value"),
        ("$env:STOCKWIRE_PROVIDER=yahoo\n", 1, "is not NAME=value"),
        ("- STOCKWIRE_PROVIDER=yahoo\n", 1, "is not NAME=value"),
        ("; a comment\n", 1, "is not NAME=value"),
        ("[stockwire]\nSTOCKWIRE_PROVIDER=yahoo\n", 1, "is not NAME=value"),
        ("=yahoo\n", 1, "is not NAME=value"),
        ("\u200bSTOCKWIRE_PROVIDER=yahoo\n", 1, "is not NAME=value"),
        ('STOCKWIRE_PROVIDER="yahoo\nSTOCKWIRE_SYMBOLS=IBM\n', 1, "a quote that is not closed"),
        ("STOCKWIRE_PROVIDER='yahoo\n", 1, "a quote that is not closed"),
        ('A=1\nSTOCKWIRE_PROVIDER="yahoo\nSTOCKWIRE_SYMBOLS="IBM"\n', 2, "a quote that is not closed"),
        ('OTHER="x\nSTOCKWIRE_PROVIDER=yahoo\nLAST="\n', 1, "a quote that is not closed"),
        ("OTHER='x\nstockwire_provider: yahoo'\n", 1, "a quote that is not closed"),
        ('STOCKWIRE_PROVIDER="yahoo" and more\n', 1, "text after the closing quote"),
        ('STOCKWIRE_PROVIDER=yahoo"\n', 1, "has a quote at one end"),
        ("STOCKWIRE_PROVIDER=\u201cyahoo\u201d\n", 1, "straight quotes"),
        ("STOCKWIRE_SYMBOLS=AAPL,\n  MSFT,\n  IBM\n", 2, "with the whole value on the line"),
        ("STOCKWIRE_SYMBOLS=AAPL, \\\nSTOCKWIRE_PROVIDER=yahoo\n", 1, "ends with a backslash"),
        ("STOCKWIRE_SYMBOLS=AAPL,\n  GC=F,\n", 2, "continues the value of the line before"),
        ("STOCKWIRE_SYMBOLS=IBM STOCKWIRE_PROVIDER=yahoo\n", 1, "has a second setting"),
        ("STOCKWIRE_SYMBOLS=IBM\n# again\nSTOCKWIRE_SYMBOLS=AAPL\n", 3, "sets STOCKWIRE_SYMBOLS again, after line 1"),
    ],
)
def test_any_other_line_is_an_error_that_names_it(content: str, line: int, advice: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        values(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path}/.env, line {line}, ")
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["stockwire_provider", "Stockwire_Provider", "STOCKWIRE-PROVIDER", "stockwire.provider", "STOCKWIRE_provider"],
)
def test_a_name_that_is_a_setting_but_for_its_spelling_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"\n{name}=yahoo\n")
    with pytest.raises(SettingsError, match=rf"^{name} is not a setting .*: write {PROVIDER}") as caught:
        load_settings({}, tmp_path / ".env")
    assert str(caught.value).endswith(f"(line 2 of {tmp_path}/.env)")
    with pytest.raises(SettingsError, match="write STOCKWIRE_PROVIDER, in upper case"):
        load_settings({name: "yahoo"}, Path("/nowhere/.env"))


def test_an_error_shows_no_value(tmp_path: Path) -> None:
    for line in ("STOCKWIRE_AMQP_URL: amqp://u:s3cr3t@h/", 'STOCKWIRE_FINNHUB_KEY="s3cr3t', "s3cr3t"):
        with pytest.raises(SettingsError) as caught:
            values(tmp_path, line)
        assert "s3cr3t" not in str(caught.value)


def test_names_of_other_programs_may_have_any_value(tmp_path: Path) -> None:
    text = 'KEY="-----BEGIN KEY-----\nQUJD=\n-----END KEY-----"\nspring.url=a,\nX=a b="c"\nX=2\nEMPTY=\n'
    assert values(tmp_path, text) == {
        "KEY": "-----BEGIN KEY-----\nQUJD=\n-----END KEY-----",
        "spring.url": "a,",
        "X": "2",
        "EMPTY": "",
    }


def test_a_quoted_value_may_have_several_lines(tmp_path: Path) -> None:
    assert values(tmp_path, 'STOCKWIRE_SYMBOLS="AAPL,\n  MSFT"\n') == {"STOCKWIRE_SYMBOLS": "AAPL,\n  MSFT"}


def test_another_variable_is_replaced_by_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "yahoo")
    text = "LOCAL=IBM\nSTOCKWIRE_SYMBOLS=${LOCAL}\nSTOCKWIRE_PROVIDER=${FROM_OUTSIDE:-finnhub},${NOT_SET:-massive}\n"
    read = values(tmp_path, text)
    assert (read["STOCKWIRE_SYMBOLS"], read[PROVIDER]) == ("IBM", "yahoo,massive")
    assert values(tmp_path, text, interpolate=False)["STOCKWIRE_SYMBOLS"] == "${LOCAL}"


def test_a_missing_file_has_no_settings_and_a_broken_link_is_an_error(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}
    (tmp_path / ".env").symlink_to(tmp_path / "gone")
    with pytest.raises(SettingsError, match=r"\.env cannot be read: No such file"):
        read_dotenv(tmp_path / ".env")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"A=1\nSTOCKWIRE_MARKET=\xfc\n", "line 2 is not text in UTF-8"),
        ("STOCKWIRE_PROVIDER=yahoo".encode("utf-16-le"), "bytes of zero"),
    ],
)
def test_a_file_in_another_encoding_is_an_error_that_says_which_is_read(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=rf"\.env cannot be read: .*{reason}.*: save the file as UTF-8$"):
        values(tmp_path, content)


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_dotenv(tmp_path)
