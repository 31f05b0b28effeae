"""Structured logs on standard error; one JSON object a line, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

_SECRET_KEYS = re.compile(r"token|secret|password|authorization|cookie|private", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"cwy_[A-Za-z0-9]+_[A-Za-z0-9_-]+|AGE-SECRET-KEY-[A-Z0-9]+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what is named like a secret, and what looks like one inside text."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "•••"
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub("•••", value)
    return event


def configure(level: str) -> None:
    """Route the standard library's logging and structlog through one redacting JSON renderer."""
    structlog = _structlog()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "apprise", "alembic", "dbos"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _structlog() -> Any:
    """structlog without Rich, with which it colours a terminal: Rich costs more to load than all the rest of
    it, in each process, and we write JSON. To be called before anybody else imports structlog."""
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]  # how Python marks what cannot be imported
    try:
        import structlog
    finally:
        if hidden:
            del sys.modules["rich"]
    return structlog
