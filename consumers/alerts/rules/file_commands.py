"""The commands for files of rules: `stockwire rules check`, `import` and `export`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from consumers.alerts.databases import open_alerts_database, open_stored_alerts
from consumers.alerts.notifications.target_store import unknown_target
from consumers.alerts.rules.file_import import Import, apply_import, plan_import
from consumers.alerts.rules.files import Fault, RuleFile, parse_rule_file, table_of_rule
from consumers.alerts.rules.models import Rule
from consumers.alerts.rules.rule_tests import failures
from consumers.alerts.rules.store import list_rules
from consumers.alerts.rules.wording import EFFECT, counted
from consumers.alerts.seeding import PastPrices, seed_windows
from shared.cli.output import print_lines
from shared.errors import SettingsError
from shared.times import utc_now

_MAX_BYTES = 64 * 2**20

File = Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file with a [[rule]] per rule.")]
Prune = Annotated[bool, typer.Option("--prune", help="Also remove the stored rules that the file does not have.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


def add_file_commands(rules: typer.Typer, past_prices: PastPrices) -> None:
    """Add the commands to the group. `past_prices` gives stored prices for the windows of new rules."""

    @rules.command("import")
    def import_file(file: File, prune: Prune = False, dry_run: DryRun = False) -> None:
        """Add and change rules as a file has them: all of it, or nothing."""
        _import(file, past_prices, prune=prune, dry_run=dry_run)

    rules.command("check")(check)
    rules.command("export")(export)


def check(file: File) -> None:
    """Check a file of rules, and run the tests in it. Exits 1 if there is a fault or a test fails."""
    found = parse_rule_file(read_rule_file(file))
    faults = [*found.faults, *_failed_tests(found)] if not found.faults else found.faults
    for fault in faults:
        print_lines(_describe(file, fault), error=True)
    if faults:
        raise typer.Exit(1)
    print_lines(f"{file}: {counted(len(found.rules), 'rule')} and {counted(len(found.tests), 'test')} are fine")


def export() -> None:
    """Print all rules as a file that `rules import` reads. URLs of targets are not in it."""
    # A library that only this command needs.
    import tomli_w

    with open_stored_alerts() as engine:
        for number, rule in enumerate(list_rules(engine) if engine else ()):
            text = f"[[rule]]\n{tomli_w.dumps(table_of_rule(rule))}"
            print_lines(*([""] if number else []), *text.rstrip("\n").split("\n"))


def load_rules(file: Path) -> Sequence[Rule]:
    """Return the rules of a file. Raises SettingsError with the first fault."""
    found = parse_rule_file(read_rule_file(file))
    if found.faults:
        more = len(found.faults) - 1
        others = f" (and {more} more: run ./stockwire rules check {file})" if more else ""
        raise SettingsError(_describe(file, found.faults[0]) + others)
    return found.rules


def read_rule_file(file: Path) -> str:
    """Return the text of a file. Raises SettingsError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise SettingsError(f"{file} is larger than {_MAX_BYTES // 2**20} MiB: split it")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"{file}:{line}: is not UTF-8 text: save the file as UTF-8") from error


def _import(file: Path, past_prices: PastPrices, *, prune: bool, dry_run: bool) -> None:
    new = load_rules(file)
    if dry_run:
        with open_stored_alerts() as engine:
            planned = plan_import(engine, new, prune=prune) if engine else _plan_first_import(new)
        print_lines(*planned.lines(), f"{_summary(planned)}; nothing was changed, because of --dry-run")
        return
    with open_alerts_database() as engine:
        planned = plan_import(engine, new, prune=prune)
        if planned:
            print_lines(*planned.lines())
            now = utc_now()
            for rule in apply_import(engine, new, planned, now, prune=prune):
                seed_windows(engine, rule, past_prices, now)
    print_lines(_summary(planned) + (f" ({EFFECT})" if planned else ""))


def _plan_first_import(new: Sequence[Rule]) -> Import:
    """Return what an import would add where there is no database yet, and so no target."""
    for rule in new:
        for name in rule.options.notify:
            raise unknown_target(name)
    return Import(tuple(new), (), (), 0, 0)


def _summary(planned: Import) -> str:
    counts = (
        f"{len(planned.added)} added, {len(planned.changed)} changed, {len(planned.removed)} removed,"
        f" {planned.unchanged} unchanged"
    )
    stay = "stays" if planned.kept == 1 else "stay"
    others = f"; {counted(planned.kept, 'other rule')} {stay}, which --prune removes" if planned.kept else ""
    return counts + others


def _failed_tests(found: RuleFile) -> Iterator[Fault]:
    rules = {rule.name: rule for rule in found.rules}
    for test in found.tests:
        yield from (Fault(test.line, text) for text in failures(rules[test.rule], test))


def _describe(file: Path, fault: Fault) -> str:
    return f"{file}:{fault.line}: {fault.text}"
