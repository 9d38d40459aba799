"""The launcher starts the command line in .venv, and installs requirements only if they have changed."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.registry import find_consumer
from infra.virtual_environment import (
    change_interpreter,
    compile_packages,
    is_installed,
    is_usable,
    requirements_files,
    settle,
)
from shared.settings import ROOT
from tests.processes import PYTHON

REQUIREMENTS = {
    "requirements.txt": "celery==5\n",
    "requirements-market.txt": "pandas==3\n",
    "requirements-dev.txt": "-r requirements-market.txt\npytest==9\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The launcher, with doubles of everything that it starts: each prints its name and arguments."""
    root = tmp_path / "it's 100% für $x #1"
    write_script(root / ".venv/bin/python", 'echo "python $*, PYTHONPATH=$PYTHONPATH"')
    write_script(tmp_path / "bin/python3", 'echo "install $2"')
    shutil.copy(ROOT / "stockwire", root)
    for name, text in REQUIREMENTS.items():
        (root / name).write_text(text)
    (root / ".venv/requirements.txt").write_text(REQUIREMENTS["requirements.txt"])
    (root / ".venv/location").write_text(f"{root}\n")
    (root / ".venv/lib").mkdir()
    return root


def write_script(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def launch(checkout: Path, *words: str, command: str = "./stockwire", python_path: str = "") -> list[str]:
    environment = {"PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": python_path}
    done = subprocess.run(
        [command, *words], cwd=checkout, env=environment, check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout.splitlines()


def test_installed_requirements_are_not_installed_again(checkout: Path) -> None:
    assert launch(checkout, "history", "A B", "*") == [f"python -P -m infra history A B *, PYTHONPATH={checkout}"]


@pytest.mark.parametrize("given", ["/a b:/c", ":/a b:/c", "/a b:/c:", "::/a b:::/c::"])
def test_the_current_folder_is_not_on_the_path_of_python(given: str, checkout: Path) -> None:
    assert launch(checkout, python_path=given) == [f"python -P -m infra, PYTHONPATH={checkout}:/a b:/c"]
    assert launch(checkout, python_path=":") == [f"python -P -m infra, PYTHONPATH={checkout}"]


def test_changed_requirements_are_installed_first(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("celery==6\n")
    assert [line.split(",")[0] for line in launch(checkout, "latest")] == [
        "install requirements.txt",
        "python -P -m infra latest",
    ]


@pytest.mark.parametrize("command", ["test", "bench"])
def test_tests_and_benchmarks_have_requirements_of_their_own(checkout: Path, command: str) -> None:
    assert launch(checkout, command)[0] == "install requirements-dev.txt"


def test_without_an_interpreter_in_venv_everything_is_installed(checkout: Path) -> None:
    (checkout / ".venv/bin/python").unlink()
    write_script(checkout.parent / "bin/python3", 'echo "install $2"; exit 1')
    with pytest.raises(subprocess.CalledProcessError) as caught:
        launch(checkout, "latest")
    assert caught.value.stdout == "install requirements.txt\n"


def test_a_link_to_the_launcher_starts_the_command_line_of_its_checkout(checkout: Path) -> None:
    folder = checkout.parent / "links"
    folder.mkdir()
    (folder / "one").symlink_to(checkout / "stockwire")
    (folder / "two").symlink_to("one")
    assert launch(checkout, command=str(folder / "two")) == [f"python -P -m infra, PYTHONPATH={checkout}"]


@pytest.mark.parametrize("changed", REQUIREMENTS)
def test_the_requirements_of_the_tests_are_all_that_their_files_name(checkout: Path, changed: str) -> None:
    files = requirements_files(checkout / "requirements-dev.txt")
    for file in files:
        shutil.copy(file, checkout / ".venv")
    assert is_installed(files, checkout / ".venv")
    with (checkout / changed).open("a") as file:
        file.write("numpy==2\n")
    assert not is_installed(files, checkout / ".venv")


def test_a_user_needs_one_file_of_requirements(checkout: Path) -> None:
    assert requirements_files(checkout / "requirements.txt") == [checkout / "requirements.txt"]


def installs(checkout: Path) -> bool:
    return launch(checkout, "latest")[0].startswith("install ")


def test_a_checkout_that_was_moved_is_mended_first(checkout: Path) -> None:
    assert not installs(checkout)
    moved = checkout.rename(checkout.parent / "elsewhere")
    assert installs(moved)


def test_the_environment_of_another_checkout_behind_a_link_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").rename(checkout.parent / "shared")
    (checkout / ".venv").symlink_to(checkout.parent / "shared")
    (checkout / ".venv/location").write_text("/elsewhere\n")
    assert not installs(checkout)
    settle(checkout / ".venv")
    assert (checkout / ".venv/location").read_text() == "/elsewhere\n"


def test_packages_for_another_minor_version_of_python_are_installed_again(checkout: Path) -> None:
    (checkout / ".venv/bin/python").rename(checkout / ".venv/bin/python3.98")
    (checkout / ".venv/bin/python").symlink_to("python3.98")
    (checkout / ".venv/lib/python3.98").mkdir()
    assert not installs(checkout)
    (checkout / ".venv/lib/python3.98").rename(checkout / ".venv/lib/python3.97")
    assert installs(checkout)


def test_an_environment_is_usable_if_its_python_finds_its_packages(tmp_path: Path) -> None:
    assert is_usable(Path(sys.prefix))
    assert not is_usable(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "lib/python3.1/site-packages").mkdir(parents=True)
    assert not is_usable(tmp_path)
    (tmp_path / "bin/python").unlink()
    (tmp_path / "bin/python").symlink_to(tmp_path / "gone")
    assert not is_usable(tmp_path)


def test_packages_are_compiled_but_for_their_tests_and_what_is_not_python(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    packages = tmp_path / "lib/python3/site-packages"
    for name in ("one/__init__.py", "one/tests/test_one.py", "template.py"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("{{ name }} =" if name == "template.py" else "x = 1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    compile_packages(tmp_path)
    assert [file.name.split(".")[0] for file in packages.rglob("*.pyc")] == ["__init__"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a:b", "a\nb", "\udcff"])
def test_a_path_in_which_python_cannot_work_is_an_error_of_one_line(name: str, checkout: Path) -> None:
    moved = checkout.rename(checkout.parent / name)
    write_script(checkout.parent / "bin/python3", f'exec {shlex.quote(sys.executable)} "$@"')
    (moved / "infra").mkdir()
    shutil.copy(ROOT / "infra/virtual_environment.py", moved / "infra")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        launch(moved, "up")
    [line] = caught.value.stderr.splitlines()
    assert line.startswith("stockwire: Python cannot work in ")
    assert "move the folder to a path without ':' and line breaks" in line
    assert caught.value.stdout == ""


def shell_header(interpreter: str) -> str:
    return f"""#!/bin/sh\n'''exec' "{interpreter}" "$0" "$@"\n' '''\n"""


LONG = f"/{'x' * 130}/.venv"


@pytest.mark.parametrize(
    ("before", "venv", "after"),
    [
        ("#!/old/.venv/bin/python\n", "/new/.venv", "#!/new/.venv/bin/python\n"),
        ("#!/old/.venv/bin/python3.11\n", "/a b/.venv", shell_header("/a b/.venv/bin/python3.11")),
        ("#!/old/.venv/bin/python\n", LONG, shell_header(f"{LONG}/bin/python")),
        (shell_header("/a b/.venv/bin/python"), "/new/.venv", "#!/new/.venv/bin/python\n"),
        (shell_header('/a "b/.venv/bin/python'), "/für/.venv", "#!/für/.venv/bin/python\n"),
        ("#!/usr/bin/python3\n", "/new/.venv", "#!/usr/bin/python3\n"),
        ("#!/bin/sh\n", "/new/.venv", "#!/bin/sh\n"),
        ("\x7fELF", "/new/.venv", "\x7fELF"),
    ],
)
def test_a_script_of_pip_gets_the_interpreter_of_its_new_place(
    before: str, venv: str, after: str, tmp_path: Path
) -> None:
    script = tmp_path / "celery"
    script.write_text(f"{before}import celery\n")
    change_interpreter(script, venv.encode())
    assert script.read_text() == f"{after}import celery\n"


def test_the_scripts_of_a_moved_environment_start_again(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    write_script(venv / "bin/python", 'echo "python $*"')
    write_script(venv / "bin/celery", "unused")
    (venv / "bin/celery").write_text("#!/old/.venv/bin/python\n")
    (venv / "bin/activate").write_text("VIRTUAL_ENV=/old/.venv\n")
    (venv / "location").write_text("/old\n")
    settle(venv)
    assert (venv / "bin/celery").read_text() == f"#!{venv}/bin/python\n"
    assert (venv / "bin/activate").read_text() == f"VIRTUAL_ENV={venv}\n"
    assert (venv / "location").read_text() == f"{tmp_path}\n"


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with modules named like ours and like Python's, and with a consumer."""
    for name in ("shared/__init__", "infra/__init__", "consumers/__init__", "queue", "select", "typer"):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"raise RuntimeError({name!r})\n")
    lines = ("from shared.messaging.consumer import consumer", '@consumer("mine")', "def mine(events): ...")
    (tmp_path / "mine_in_a_crowd.py").write_text("\n".join(lines))
    return tmp_path


def test_modules_in_the_current_folder_hide_none_of_ours(crowded: Path) -> None:
    command = [ROOT / "stockwire", "consume", "mine_in_a_crowd:gone"]
    environment = {**os.environ, **PYTHON, "STOCKWIRE_SYMBOLS": "IBM"}
    done = subprocess.run(
        command, cwd=crowded, env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.startswith("stockwire: mine_in_a_crowd:gone is not a consumer")


def test_a_consumer_in_the_current_folder_is_found(crowded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crowded)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find_consumer("mine_in_a_crowd:mine").name == "mine"
    assert sys.path[-1] == str(crowded)
