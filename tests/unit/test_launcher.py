"""The launcher installs again when what it installed has changed."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from shared.settings import ROOT


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """It, in a folder with files of requirements that name each other as ours do."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    spec = spec_from_loader("launcher", SourceFileLoader("launcher", str(ROOT / "stockwire")))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, text in {
        "": "celery==5",
        "-market": "pandas==3",
        "-dev": "-r requirements-market.txt\npytest==9",
    }.items():
        (tmp_path / f"requirements{name}.txt").write_text(text)
    return module


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-market.txt"])
def test_what_the_tests_need_is_all_that_its_files_name(launcher: ModuleType, tmp_path: Path, name: str) -> None:
    before = launcher.fingerprint(tmp_path / "requirements-dev.txt")
    assert before == launcher.fingerprint(tmp_path / "requirements-dev.txt")
    with (tmp_path / name).open("a") as file:
        file.write("\nnumpy==2")
    assert launcher.fingerprint(tmp_path / "requirements-dev.txt") != before


def test_what_a_user_needs_is_in_one_file(launcher: ModuleType, tmp_path: Path) -> None:
    before = launcher.fingerprint(tmp_path / "requirements.txt")
    (tmp_path / "requirements-dev.txt").write_text("pytest==10")
    assert launcher.fingerprint(tmp_path / "requirements.txt") == before
