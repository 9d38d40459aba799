"""The names of environment variables that are meant for Stockwire, and those that only look like it."""

import re

PREFIX = "STOCKWIRE_"

# Variables that Kubernetes and Docker make in each container for a service called stockwire, or stockwire-history.
# Source: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables and
# https://docs.docker.com/engine/network/links/#environment-variables
_SERVICE_VARIABLES = (
    (re.compile(r"STOCKWIRE_(\w+_)?SERVICE_HOST"), re.compile(r".*")),
    (re.compile(r"STOCKWIRE_(\w+_)?SERVICE_PORT(_\w+)?"), re.compile(r"\d+")),
    (re.compile(r"STOCKWIRE_(\w+_)?PORT"), re.compile(r"(tcp|udp|sctp)://.*")),
    (re.compile(r"STOCKWIRE_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO|START|END|PORT_START|PORT_END))?"), None),
    (re.compile(r"STOCKWIRE_(\w+_)?NAME"), re.compile(r"/.*")),
    (re.compile(r"STOCKWIRE_(\d+_)?ENV_\w+"), None),
)


def resembles_setting(name: str) -> bool:
    """Return True for the name of a setting, and for one with other letters or signs: `stockwire-provider`."""
    return re.sub("[.-]", "_", name).upper().startswith(PREFIX)


def is_service_variable(name: str, value: str) -> bool:
    """Return True for a variable that Kubernetes or Docker has made, such as `STOCKWIRE_PORT=tcp://10.0.0.1:8000`."""
    return any(
        names.fullmatch(name) and (values is None or values.fullmatch(value)) for names, values in _SERVICE_VARIABLES
    )
