"""The view of `up` on streams that are not terminals, or can draw nothing."""

import io
from typing import Any

import pytest

from infra.up.view import LineView, TableView, open_view
from shared.cli.output import print_coloured
from shared.cli.progress import TerminalProgressBar, progress_bar

# Variables with which other programs draw anywhere.
FORCED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "PY_COLORS": "1"}


class Stream(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replaced(*, terminal: bool, **variables: str) -> Stream:
        stream = Stream(terminal=terminal)
        for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setattr("sys.stderr", stream)
        return stream

    return replaced


def test_a_file_gets_lines_without_control_characters_whatever_the_environment_says(streams: Any) -> None:
    stream = streams(terminal=False, TERM="xterm-256color", **FORCED)
    with open_view("title") as view, progress_bar("replaying", 2) as bar:
        assert isinstance(view, LineView)
        assert not isinstance(bar, TerminalProgressBar)
        view.print_notice("a notice")
        bar.advance(1)
        bar.print_line("a line")
        print_coloured("ok", "  broker", colour="green")
    assert stream.getvalue() == "stockwire: a notice\na line\nok  broker\n"


def test_a_terminal_that_can_draw_nothing_gets_lines(streams: Any) -> None:
    stream = streams(terminal=True, TERM="dumb")
    with open_view("title") as view:
        assert isinstance(view, LineView)
    with progress_bar("replaying", 2) as bar:
        bar.advance(1)
        bar.print_line("a line")
    print_coloured("ok", colour="green")
    assert "\x1b" not in stream.getvalue()
    assert "a line\n" in stream.getvalue()


def test_a_terminal_gets_a_table_and_colours_unless_nobody_wants_them(streams: Any) -> None:
    stream = streams(terminal=True, TERM="xterm-256color")
    with open_view("title") as view:
        assert isinstance(view, TableView)
    print_coloured("ok", colour="green")
    assert "\x1b[32m" in stream.getvalue()
    stream = streams(terminal=True, TERM="xterm-256color", NO_COLOR="1")
    print_coloured("ok", colour="green")
    assert stream.getvalue() == "ok\n"
