"""The command line: the table of commands, whose modules are imported only when the command runs."""

from shared.cli.app import new_app
from shared.cli.lazy_group import LazyCommand, LazyGroup

# The help of each command repeats the first line of the help of the command itself; a test compares them.
COMMANDS = {
    "up": LazyCommand(
        "Run",
        "infra.up.command:up",
        "Run the whole pipeline: producer, history and alerts consumers, and a broker if none answers.",
    ),
    "down": LazyCommand("Run", "infra.up.down:down", "End a running `up`, and whatever an earlier `up` left running."),
    "sync": LazyCommand(
        "Run", "producer.commands:sync", "Fetch prices and publish them now. Exits 1 if any symbol failed."
    ),
    "replay": LazyCommand(
        "Run", "infra.replay:replay", "Publish recorded prices as events. Exits 1 if any row was skipped."
    ),
    "backfill": LazyCommand(
        "Run",
        "infra.backfill:backfill",
        "Fetch past prices and publish them as history, which alerts ignore.",
    ),
    "consume": LazyCommand(
        "Run", "consumers.commands:consume", "Run one consumer in the foreground until Ctrl-C or SIGTERM."
    ),
    "serve": LazyCommand("Run", "infra.serve:serve", "Serve the HTTP API and the live page until Ctrl-C or SIGTERM."),
    "history": LazyCommand(
        "Query",
        "consumers.history.history_command:history",
        "List the stored prices of symbols, oldest first, from --since to before --until, or candles with --every.",
        optional_value="--plot",
    ),
    "latest": LazyCommand("Query", "consumers.history.commands:latest", "Show the newest stored price of each symbol."),
    "symbols": LazyCommand(
        "Query",
        "consumers.history.commands:symbols",
        "List the stored symbols by provider and interval, with first and last time.",
    ),
    "stats": LazyCommand(
        "Query",
        "consumers.history.stats_command:stats",
        "Show return, volatility, largest drawdown, highest and lowest price of symbols over a span of time.",
    ),
    "splits": LazyCommand(
        "Query",
        "infra.splits:splits",
        "List, add and remove share splits, by which --adjusted divides prices.",
    ),
    "gaps": LazyCommand(
        "Query",
        "consumers.history.gaps_command:gaps",
        "List gaps in the stored prices, by the schedule and the market's hours (STOCKWIRE_MARKET).",
    ),
    "alerts": LazyCommand("Query", "consumers.alerts.commands:alerts", "List alerts, oldest first."),
    "watch": LazyCommand(
        "Watch",
        "producer.watch_commands:watch",
        "Show and change the watch list: STOCKWIRE_SYMBOLS with the symbols added and removed here.",
    ),
    "plan": LazyCommand(
        "Watch",
        "producer.plan.command:plan",
        "Show the credits that the watch list needs of each provider's plan, if they fit, and what would fit.",
    ),
    "rules": LazyCommand("Watch", "infra.rules:rules", "Add, list, explain, change and remove alert rules."),
    "notify": LazyCommand(
        "Watch",
        "consumers.alerts.notifications.commands:notify",
        "Add, list, test and remove targets: where alerts are sent.",
    ),
    "backup": LazyCommand(
        "Maintain",
        "infra.backup:backup",
        "Copy the databases while everything runs: all of them to a folder, or the history to a file NAME.db.",
    ),
    "prune": LazyCommand(
        "Maintain",
        "consumers.history.prune_command:prune",
        "Remove old quotes from the history, while its consumer runs; bars stay.",
    ),
    "permissions": LazyCommand(
        "Maintain",
        "infra.permissions.command:permissions",
        "Print or run the rabbitmqctl lines for one RabbitMQ user per process.",
    ),
    "dead": LazyCommand("Maintain", "infra.dead_letters:dead", "List, show, requeue or drop dead letters."),
    "doctor": LazyCommand(
        "Maintain",
        "infra.doctor:doctor",
        "Check settings, broker, databases and providers; exits 1 if any check fails.",
    ),
    "test": LazyCommand(
        "Maintain",
        "infra.development:test",
        "Install what the tests need, and run all of them, or pytest with your arguments.",
        passes_arguments=True,
    ),
    # `bench --help` is the help of the benchmarks.
    "bench": LazyCommand(
        "Maintain",
        "infra.development:bench",
        "Measure Stockwire beside other programs. Without a name, list the benchmarks.",
        passes_arguments=True,
        add_help_option=False,
    ),
}


class Commands(LazyGroup):
    table = COMMANDS


cli = new_app("An event-driven stock price pipeline: Celery, RabbitMQ and SQLite.", cls=Commands)


@cli.callback()
def stockwire() -> None:
    """Hold the options of the command line as a whole: there are none."""
