"""README and docs/ against the code: every command, option and setting is documented, and what they name exists."""

import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

from benchmarks.__main__ import cli as benchmarks
from infra.cli import cli
from shared.accounts import ACCOUNTS, FIELDS
from shared.setting_names import PREFIX
from shared.settings import ROOT, Settings, load_settings
from tests.documents import PAGES, anchors, blocks, inline_code, links, sections

COMMANDS_PAGE = ROOT / "docs" / "commands.md"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
SETTINGS = {PREFIX + each.name.upper() for each in fields(Settings) if each.name != "accounts"} | {
    f"{PREFIX}{provider.upper()}_{field}" for provider in ACCOUNTS for field in FIELDS
}
# Commands that hand their other arguments to another program.
PASSES_ARGUMENTS = ("test", "bench")

_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
_PATH = re.compile(r"(?!var/|[.]venv/)[\w./-]+(\.py|\.md|\.txt|\.example|/)")
_DOTTED_NAME = re.compile(r"(shared|producer|consumers|infra)(\.\w+)+")


def walk(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command below this one, with its words: `rules add`."""
    context = click.Context(command)
    for each in command.list_commands(context):
        found = command.get_command(context, each)
        words = f"{name} {each}".strip()
        yield words, found
        if hasattr(found, "list_commands"):
            yield from walk(found, words)


COMMANDS = dict(walk(get_command(cli)))


def options(command: Any) -> set[str]:
    return {
        word
        for parameter in command.params
        if parameter.param_type_name == "option"
        for word in [*parameter.opts, *parameter.secondary_opts]
        if word != "--help"
    }


def options_of(words: str) -> set[str]:
    found = options(COMMANDS[words])
    if words == "bench":
        found |= {word for _, each in walk(get_command(benchmarks)) for word in options(each)}
    return found


def documented_commands(page: Path) -> Iterator[list[str]]:
    """Yield the words after `./stockwire` in the page's shell blocks, and in its running text."""
    lines = [line for block in blocks(page) if block.language == "sh" for line in block.commands()]
    for line in [*lines, *inline_code(page)]:
        for command in re.findall(r"\./stockwire ([^|]+)", line):
            yield shlex.split(command)


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections(COMMANDS_PAGE)) - {"Commands"} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_section_has_exactly_the_options_of_its_command(command: str) -> None:
    text = sections(COMMANDS_PAGE)[command]
    table = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `-")]
    assert {option for cell in table for option in _OPTION.findall(cell)} == options_of(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_a_page_exists_and_has_its_options(page: Path) -> None:
    for words in documented_commands(page):
        name = max((each for each in COMMANDS if words[: len(each.split())] == each.split()), key=len, default="")
        assert name or words[0].isupper() or words[0].startswith("--"), f"{page.name}: ./stockwire {' '.join(words)}"
        if name and name not in PASSES_ARGUMENTS:
            given = {word.partition("=")[0] for word in words if _OPTION.fullmatch(word)}
            assert given <= options_of(name), f"{page.name}: ./stockwire {' '.join(words)}"


def test_every_setting_is_listed_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(STOCKWIRE_\w+)` \|\s*(.*?)\s*\|", SETTINGS_PAGE.read_text(), re.MULTILINE))
    assert set(rows) == SETTINGS
    defaults = {name: default.strip("`") for name, default in rows.items() if default}
    assert load_settings(defaults, Path("no .env")) == Settings()
    for name in SETTINGS - set(defaults):
        assert load_settings({name: ""}, Path("no .env")) == Settings()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_settings_that_exist(page: Path) -> None:
    assert set(re.findall(r"STOCKWIRE_[A-Z_]*[A-Z](?!\w)", page.read_text())) <= SETTINGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_in_the_index() -> None:
    readme, *pages = PAGES
    assert {(ROOT / link.partition("#")[0]).resolve() for link in links(readme)} >= set(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_name_in_a_page_exists(page: Path) -> None:
    programs = {block.text.split()[1] for block in blocks(page) if block.language == "python"}
    for code in inline_code(page):
        if _PATH.fullmatch(code) and code not in programs:
            assert (ROOT / code).exists() or list((ROOT / "tests").rglob(code)), f"{page.name}: {code}"
        elif _DOTTED_NAME.fullmatch(code):
            assert is_importable(code), f"{page.name}: {code}"


def is_importable(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), attribute)
    return True
