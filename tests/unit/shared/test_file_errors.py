from pathlib import Path

import pytest

from shared.file_errors import explain_file_error, has_advice


def test_a_file_in_the_place_of_a_folder_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    for path in (tmp_path / "var", tmp_path / "var" / "log"):
        with pytest.raises(OSError, match=r"exists|directory") as caught:
            path.mkdir(exist_ok=True)
        assert explain_file_error(caught.value).endswith(": another file has the name of a folder; move it away")
        assert has_advice(caught.value)


@pytest.mark.parametrize(
    ("error", "text", "known"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied: give this user permission, also on", True),
        (OSError(28, "No space left on device"), "No space left on device: make room on the disk", True),
        (OSError(5, "Input/output error"), "Input/output error", False),
        (OSError("timed out"), "timed out", False),
    ],
)
def test_an_error_says_what_to_do_if_that_is_known(error: OSError, text: str, known: bool) -> None:
    assert explain_file_error(error).startswith(text)
    assert has_advice(error) is known
