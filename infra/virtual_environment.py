"""Create .venv on first use, and install requirements when they change. The launcher `stockwire` runs this script.

The script needs only the standard library. A copy of each requirements file in .venv says what is installed.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(f"stockwire: needs Python 3.11 or newer, this is {sys.version.split()[0]}")

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def install(name: str, root: Path = ROOT) -> None:
    """Install the requirements files that `name` needs, unless they are installed. A second process waits."""
    venv = root / ".venv"
    files = requirements_files(root / name)
    with (root / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "bin" / "python").exists():
            print("stockwire: making .venv (once)", file=sys.stderr)
            create_venv(venv)
        if is_installed(files, venv):
            return
        print(f"stockwire: installing {name} (once)", file=sys.stderr)
        run_pip(venv, files)
        for file in files:
            shutil.copyfile(file, venv / file.name)


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
    for file in files:
        command += ["--requirement", str(file)]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"stockwire: pip could not install {files[-1].name}: see its message above, then try again")


def main() -> None:
    try:
        install(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"stockwire: cannot set up {VENV}: {error}")


if __name__ == "__main__":
    main()
