"""The launcher starts the command line in .venv, and installs requirements only if they have changed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.virtual_environment import is_installed, requirements_files
from shared.settings import ROOT

REQUIREMENTS = {
    "requirements.txt": "celery==5\n",
    "requirements-market.txt": "pandas==3\n",
    "requirements-dev.txt": "-r requirements-market.txt\npytest==9\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The launcher, with doubles of everything that it starts: each prints its name and arguments."""
    root = tmp_path / "a checkout"
    write_script(root / ".venv/bin/python", 'echo "python $*, PYTHONPATH=$PYTHONPATH"')
    write_script(tmp_path / "bin/python3", 'echo "install $2"')
    shutil.copy(ROOT / "stockwire", root)
    for name, text in REQUIREMENTS.items():
        (root / name).write_text(text)
    (root / ".venv/requirements.txt").write_text(REQUIREMENTS["requirements.txt"])
    return root


def write_script(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def launch(checkout: Path, *words: str, command: str = "./stockwire") -> list[str]:
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [command, *words], cwd=checkout, env={"PATH": path}, check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout.splitlines()


def test_installed_requirements_are_not_installed_again(checkout: Path) -> None:
    assert launch(checkout, "history", "A B", "*") == [f"python -m infra history A B *, PYTHONPATH={checkout}"]


def test_changed_requirements_are_installed_first(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("celery==6\n")
    assert [line.split(",")[0] for line in launch(checkout, "latest")] == [
        "install requirements.txt",
        "python -m infra latest",
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
    assert launch(checkout, command=str(folder / "two")) == [f"python -m infra, PYTHONPATH={checkout}"]


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
