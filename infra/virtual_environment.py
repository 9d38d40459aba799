"""Create .venv on first use, and install requirements when they change. The launcher `stockwire` runs this script.

The script needs only the standard library. A copy of each requirements file in .venv says what is installed, and
.venv/location says in which folder.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(f"stockwire: needs Python 3.11 or newer, this is {sys.version.split()[0]}")

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

# The first lines of a script that pip has installed: an interpreter, or a shell that starts it if its path has blanks
# or is long. Source: https://github.com/pypa/distlib/blob/master/distlib/scripts.py
_HEADER = re.compile(
    rb"#!(?:/bin/sh\n'''exec' )?\"?([^\n]+/\.venv)/bin/(python[\d.]*)\"?(?: \"\$0\" \"\$@\"\n' ''')?\n"
)
_MAX_HEADER = 127  # bytes


def install(name: str, root: Path = ROOT) -> None:
    """Install the requirements files that `name` needs, unless they are installed. A second process waits."""
    venv = root / ".venv"
    check_path(root)
    files = requirements_files(root / name)
    with (root / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_usable(venv):
            print(f"stockwire: making .venv {'anew' if venv.exists() else '(once)'}", file=sys.stderr)
            create_venv(venv)
        settle(venv)
        if is_installed(files, venv):
            return
        print(f"stockwire: installing {name} (once)", file=sys.stderr)
        run_pip(venv, files)
        compile_packages(venv)
        for file in files:
            shutil.copyfile(file, venv / file.name)


def check_path(root: Path) -> None:
    """Exit with one line if Python or RabbitMQ cannot work in this folder."""
    path = str(root)
    if os.pathsep in path or "\n" in path or path != os.fsencode(root).decode(errors="replace"):
        sys.exit(
            f"stockwire: Python cannot work in {path!r}: move the folder to a path without {os.pathsep!r} and line"
            " breaks, in UTF-8"
        )


def requirements_files(file: Path) -> list[Path]:
    """Return requirements.txt, the files that `file` includes, and `file` at the end, without repetition."""
    included = [file.parent / line.split()[1] for line in file.read_text().splitlines() if line.startswith("-r ")]
    return list(dict.fromkeys([file.parent / "requirements.txt", *included, file]))


def is_installed(files: list[Path], venv: Path) -> bool:
    """Return True if .venv has a copy of each file."""
    copies = [venv / file.name for file in files]
    return all(
        copy.exists() and copy.read_bytes() == file.read_bytes() for file, copy in zip(files, copies, strict=True)
    )


def is_usable(venv: Path) -> bool:
    """Return True if .venv has a Python that starts, of the minor version that packages were installed for."""
    ask = "import sys; print('python%d.%d%s' % (*sys.version_info[:2], sys.abiflags))"
    try:
        asked = subprocess.run([venv / "bin" / "python", "-c", ask], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return (venv / "lib" / asked.stdout.strip() / "site-packages").is_dir()


def settle(venv: Path) -> None:
    """Give the scripts in .venv, such as celery and pip, the interpreter of this folder if the folder was moved.

    A link to the .venv of another folder stays as it is.
    """
    location = venv / "location"
    here = os.fsencode(venv.parent) + b"\n"
    if venv.is_symlink() or (location.exists() and location.read_bytes() == here):
        return
    if location.exists():
        before = location.read_bytes().rstrip(b"\n") + b"/.venv"
        for script in (venv / "bin").glob("[Aa]ctivate*"):
            script.write_bytes(script.read_bytes().replace(before, os.fsencode(venv)))
    for script in (venv / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            change_interpreter(script, os.fsencode(venv))
    location.write_bytes(here)


def change_interpreter(script: Path, venv: bytes) -> None:
    """Let a script in .venv/bin start the interpreter of `venv`. A file that pip did not make stays as it is."""
    content = script.read_bytes()
    header = _HEADER.match(content)
    if header is None or header[1] == venv:
        return
    interpreter = venv + b"/bin/" + header[2]
    line = b"#!" + interpreter + b"\n"
    if b" " in interpreter or len(line) > _MAX_HEADER:
        line = b"#!/bin/sh\n'''exec' \"" + interpreter + b'" "$0" "$@"\n\' \'\'\'\n'
    script.write_bytes(line + content[header.end() :])


def create_venv(venv: Path) -> None:
    # Under its full name (python3.13, not python3), the interpreter disappears when the system gets another release:
    # then .venv is created again, instead of looking for its packages in vain.
    interpreter = os.path.realpath(sys.executable)
    command = [interpreter, "-m", "venv", "--clear", "--symlinks", str(venv)]
    try:
        created = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if created.returncode == 0:
            return
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    # The next run would take a part of .venv for the whole.
    shutil.rmtree(venv, ignore_errors=True)
    sys.exit(
        "stockwire: this Python cannot create a virtual environment: install its venv module"
        " (Debian and Ubuntu: apt-get install python3-venv), then try again"
    )


def run_pip(venv: Path, files: list[Path]) -> None:
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command.append("--no-compile")  # see compile_packages
    for file in files:
        command += ["--requirement", str(file)]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"stockwire: pip could not install {files[-1].name}: see its message above, then try again")


def compile_packages(venv: Path) -> None:
    """Compile the installed packages on all processors, of which pip would use one, without their own tests.

    A file that cannot be compiled, such as a template, stays as it is.
    """
    command = [str(venv / "bin" / "python"), "-m", "compileall", "-qq", "-j", "0", "-x", "/site-packages/.*/tests/"]
    subprocess.run([*command, str(venv / "lib")], check=False, stdin=subprocess.DEVNULL)


def main() -> None:
    try:
        install(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"stockwire: cannot set up {VENV}: {error}")


if __name__ == "__main__":
    main()
