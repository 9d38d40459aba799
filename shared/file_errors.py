"""Errors of the file system in a user's words."""

import errno

_OTHER_FILE = "another file has the name of a folder; move it away"
_NO_PERMISSION = "give this user permission, also on the folder"
_ADVICE = {
    errno.EEXIST: _OTHER_FILE,
    errno.ENOTDIR: _OTHER_FILE,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: "mount its file system for writing",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in this user's quota",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def has_advice(error: OSError) -> bool:
    """Return True if a user can mend the error, so that nobody needs its traceback."""
    return error.errno in _ADVICE


def explain_file_error(error: OSError) -> str:
    """Return the reason of an error, and what to do about it if that is known."""
    reason = error.strerror or str(error)
    return f"{reason}: {_ADVICE[error.errno]}" if error.errno in _ADVICE else reason
