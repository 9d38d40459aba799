"""The folders and files of `up` in var/."""

from shared.settings import VAR

LOG_FOLDER = VAR / "log"
BROKER_FOLDER = VAR / "rabbitmq"
BROKER_LOG = BROKER_FOLDER / "log" / "console.log"
# The number of the running `up`.
UP_PID = VAR / "up.pid"
# The file that records processes, in the folder of their logs or data.
PROCESS_FILE = "processes"
# The records of all processes of `up`, in the order in which they end: what uses the broker ends before the broker.
PROCESS_FILES = (LOG_FOLDER / PROCESS_FILE, BROKER_FOLDER / PROCESS_FILE)
