"""What each process of Clearway does from its start to its end."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import NoReturn

from clearway.kernel import Invalid

from .settings import Settings

STOP_GRACE_S = 10.0


def server(settings: Settings) -> None:
    """Serve API, pages and faces until told to stop."""
    import uvicorn

    from . import edge, schema, system

    built = system.build_system(settings)
    application = edge.application(
        built
    )  # first: so a worker that starts too makes the tables of a new folder
    schema.upgrade(built.database, settings.home)
    system.first_start(built)
    collect_again()
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run()


def worker(settings: Settings) -> None:
    """Run flows and chores until told to stop."""
    from clearway.worker import work

    from . import schema, system

    built = system.build_system(settings)
    schema.upgrade(built.database, settings.home)
    collect_again()
    work(built.database, built.flows, built.chores, settings.home)


def signer(settings: Settings) -> NoReturn:
    """Become the signer: a program of its own that loads nothing of ours beside the key."""
    from clearway import integrations

    if settings.signer_user and os.geteuid() != 0:
        raise Invalid(
            f"signer_user is {settings.signer_user!r}, and only root can start a process of another user",
            where=str(settings.home / "clearway.toml"),
        )
    # By its path: importing its package would load half of Clearway to find it.
    program = Path(next(iter(integrations.__path__))) / "signer_process" / "serve.py"
    words = [sys.executable, "-I", str(program), "--key", str(settings.signer_key)]
    words += [
        "--socket",
        str(settings.signer_socket),
        "--log",
        str(settings.home / "signer" / "signed.jsonl"),
    ]
    if settings.signer_user:
        words += ["--user", settings.signer_user]
    os.execv(sys.executable, words)  # noqa: S606 - no shell is wanted


def stop(settings: Settings) -> None:
    """End every instance that was deployed on this machine, and the router. A worker that is up, or the next
    one to start, starts them again: stop Clearway first."""
    from concurrent.futures import ThreadPoolExecutor

    from clearway.integrations.envoy import EnvoyRouter
    from clearway.integrations.local import Program

    instances = settings.home / "run" / "instances"
    folders = sorted(instances.iterdir()) if instances.is_dir() else []
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda folder: Program(folder).stop(STOP_GRACE_S), folders))
    EnvoyRouter(settings.folder("router"), Program).stop()


def collect_again() -> None:
    """Look for garbage from now on, and never among what the start made: it stays as long as the process."""
    gc.freeze()
    gc.enable()


def replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, complete or not at all."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, path)
