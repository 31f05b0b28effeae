"""The processes of Clearway: `python -m clearway.wiring server|worker|signer|stop --home DIR`."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one process until it is told to stop; an error a person can mend is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m clearway.wiring")
    parser.add_argument("process", choices=("server", "worker", "signer", "stop"))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    given = parser.parse_args(arguments)
    gc.disable()  # imports leave no garbage; looking for it again and again is a fourth of their time
    from clearway.kernel import ClearwayError

    from . import logs, processes, settings

    try:
        chosen = settings.load(given.home, host=given.host, port=given.port)
        logs.configure(chosen.log_level)
        getattr(processes, given.process)(chosen)
    except ClearwayError as error:
        print(f"clearway {given.process}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
