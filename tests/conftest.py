"""What holds for every test: nothing leaves this machine, and generated examples are the same in every run."""

import sys
from typing import Any

from hypothesis import settings

settings.register_profile("aidgate", derandomize=True, deadline=None, database=None)
settings.load_profile("aidgate")


def _stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
        raise RuntimeError(f"a test tried to connect to {address}; tests talk to this machine only")


sys.addaudithook(_stay_on_this_machine)
