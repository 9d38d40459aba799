"""A private RabbitMQ node for a whole run of pytest, started by the first worker that needs it."""

import json
import os
import shutil
import signal
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

from infra.up.install import find_server, install_server
from infra.up.rabbitmq import START_TIMEOUT, PrivateBroker
from shared.locks import file_lock

FOLDER = "shared-rabbitmq"

# A Popen object that is collected while its process runs gives a ResourceWarning.
_keep_alive: list[PrivateBroker] = []


def shared_rabbitmq(run_folder: Path) -> PrivateBroker:
    """Return the node of this run of pytest, started if it is not running yet. Raises ProcessError."""
    folder = run_folder / FOLDER
    ports = folder / "ports.json"
    with file_lock(run_folder / f"{FOLDER}.lock", wait=2 * START_TIMEOUT) as locked:
        assert locked, "another worker of pytest did not start RabbitMQ in time"
        server = find_server() or install_server()
        if ports.exists():
            return PrivateBroker(folder, server, **json.loads(ports.read_text()))
        node = PrivateBroker(folder, server)
        node.start()
        _keep_alive.append(node)
        (folder / "pids").write_text("\n".join(str(process.pid) for process in node._processes))
        ports.write_text(
            json.dumps({"amqp_port": node.amqp_port, "dist_port": node.dist_port, "epmd_port": node.epmd_port})
        )
        return node


def kill_shared_rabbitmq(run_folder: Path) -> None:
    """Kill the node of this run, if there is one: its data is not needed any more."""
    with suppress(FileNotFoundError):
        for pid in (run_folder / FOLDER / "pids").read_text().split():
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)


def make_virtual_host(node: PrivateBroker) -> str:
    """Make an empty virtual host that guest may use, and return its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    evaluate(
        node,
        f'rabbit_vhost:add(<<"{name}">>, <<>>), rabbit_auth_backend_internal:set_permissions('
        f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).',
    )
    return name


def evaluate(node: PrivateBroker, expression: str) -> None:
    """Evaluate an Erlang expression in the node: by Erlang's erl_call in 10 ms, or else by rabbitmqctl in 1 s."""
    tool = _find_erl_call()
    if tool is None:
        node.rabbitmqctl("eval", expression)
        return
    cookie = (node.folder / ".erlang.cookie").read_text()
    # Two callers of the same name would be refused.
    command = [tool, "-c", cookie, "-n", node.node, "-h", f"test-{os.getpid()}", "-e"]
    done = subprocess.run(
        command, input=f"{expression}\n", env=node.environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("{ok,"), done.stdout + done.stderr


def _find_erl_call() -> Path | None:
    for name in ("erl_call", "erl"):
        found = shutil.which(name)
        if found and (tool := Path(found).resolve().with_name("erl_call")).exists():
            return tool
    return None
