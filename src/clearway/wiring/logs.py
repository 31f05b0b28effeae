"""Structured logs on standard error; one JSON object a line, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

_SECRET_KEYS = re.compile(r"token|secret|password|authorization|cookie|private", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"cwy_[A-Za-z0-9]+_[A-Za-z0-9_-]+|AGE-SECRET-KEY-[A-Z0-9]+|(?<=://)[^/\s@]+(?=@)")
_MASK = "•••"
_DEEPEST = 12  # what lies deeper is no log line; it is left out, so that a value in itself ends


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what is named like a secret, and what looks like one inside text."""
    for key, value in event.items():
        event[key] = _MASK if _SECRET_KEYS.search(str(key)) else _masked(value, 0)
    return event


def _masked(value: Any, depth: int) -> Any:
    """The value with its secrets masked, at every depth; what is no JSON becomes its text first."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_MASK, value)
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): _MASK if _SECRET_KEYS.search(str(key)) else _masked(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner, depth + 1) for inner in value]
    return _SECRET_TEXT.sub(_MASK, str(value))


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
