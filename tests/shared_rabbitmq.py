"""The RabbitMQ node of a whole run of pytest, and virtual hosts in it."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.up.folders import PROCESS_FILE
from infra.up.install import find_server, install_server
from infra.up.orphans import end_orphans
from infra.up.rabbitmq import START_TIMEOUT, PrivateBroker
from shared.messaging.address import BrokerAddress
from tests.shared_servers import keep_until_end_of, started_once

FOLDER = "shared-rabbitmq"


def shared_rabbitmq(run_folder: Path, owner: int) -> PrivateBroker:
    """Return the node of this run of pytest, started if it is not running yet. Raises ProcessError.

    `owner` is the number of the process whose end is the end of the run.
    """
    folder = run_folder / FOLDER

    def start() -> dict[str, Any]:
        node = PrivateBroker(folder, find_server() or install_server(), owner=owner)
        keep_until_end_of(owner, node, node.process_file)
        node.start()
        ports = {"amqp_port": node.amqp_port, "dist_port": node.dist_port, "epmd_port": node.epmd_port}
        return {"server": str(node.server), "ports": ports}

    told = started_once(run_folder / f"{FOLDER}.json", start, START_TIMEOUT)
    return PrivateBroker(folder, Path(told["server"]), **told["ports"])


def end_shared_rabbitmq(run_folder: Path) -> None:
    """End the node of this run at once, if there is one: its data is not needed any more."""
    end_orphans(run_folder / FOLDER / PROCESS_FILE, terminate_timeout=0)


@contextmanager
def virtual_host(node: PrivateBroker) -> Iterator[BrokerAddress]:
    """Yield the address of an empty virtual host that guest may use, and delete the host at the end of the block.

    The node keeps busy with hosts and queues that stay: some hundred take a tenth of a processor without any message,
    and the next takes twice the time to make.
    """
    name = f"test-{uuid.uuid4().hex[:8]}"
    evaluate(
        node,
        f'rabbit_vhost:add(<<"{name}">>, <<>>), rabbit_auth_backend_internal:set_permissions('
        f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).',
    )
    try:
        yield replace(node.address, virtual_host=name)
    finally:
        evaluate(node, f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).')


def evaluate(node: PrivateBroker, expression: str) -> None:
    """Evaluate an Erlang expression in the node: by Erlang's erl_call in 10 ms, or else by rabbitmqctl in 1 s."""
    tool = _find_erl_call()
    if tool is None:
        node.rabbitmqctl("eval", expression)
        return
    cookie = (node.folder / ".erlang.cookie").read_text()
    # Two callers of the same name would be refused.
    command = [tool, "-c", cookie, "-n", node.node, "-h", f"test-{os.getpid()}", "-e"]
    # A busy node sometimes refuses a connection.
    for _ in range(3):
        done = subprocess.run(
            command,
            input=f"{expression}\n",
            env=node.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "failed to connect" not in done.stderr:
            break
        time.sleep(1)
    assert done.stdout.startswith("{ok,"), done.stdout + done.stderr


def _find_erl_call() -> Path | None:
    for name in ("erl_call", "erl"):
        found = shutil.which(name)
        if found and (tool := Path(found).resolve().with_name("erl_call")).exists():
            return tool
    return None
