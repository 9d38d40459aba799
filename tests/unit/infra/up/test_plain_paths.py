"""A folder with any name gets a path that RabbitMQ's scripts can use."""

import re
from pathlib import Path

import pytest

from infra.up.plain_paths import PlainPath


def test_a_folder_with_a_plain_path_keeps_it(tmp_path: Path) -> None:
    plain = PlainPath(Path("/srv/stock-wire_2.0/var"))
    assert plain.path == Path("/srv/stock-wire_2.0/var")
    plain.remove()


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'a"b', "100%", "#1", "für", "日本", "$x", "a:b", "\udcff", "(x)", "a\nb"]
)
def test_any_other_folder_gets_a_link_until_it_is_removed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "file").touch()
    plain = PlainPath(folder)
    path = plain.path
    assert re.fullmatch(r"[\w/.+-]+", str(path), re.ASCII)
    assert (path / "file").exists()
    assert plain.path == path
    assert path.parent.stat().st_mode & 0o077 == 0
    plain.remove()
    assert not path.parent.exists()
    assert (folder / "file").exists()
    again = plain.path
    assert again.resolve() == folder.resolve()
    plain.remove()


def test_the_link_of_a_temporary_folder_with_another_name_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))
    plain = PlainPath(tmp_path / "a b")
    assert " " not in str(plain.path)
    plain.remove()
