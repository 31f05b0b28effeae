"""The server, spoken to over HTTP. Imports its HTTP library only when something is sent."""

from __future__ import annotations

import builtins
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .exits import FAILED, UNREACHABLE, CliError, code_of_status

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
UPLOADED_S = 600.0  # until what was sent is checked, stored and signed
TRIES = 3


class Server:
    """One server, and who asks."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self.url = url
        self._httpx = httpx
        if not url.startswith(("http://", "https://")):
            raise CliError(f"{url!r} is not an address", expected="http://host:port or https://host")
        headers = {"User-Agent": "clearway-cli"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=headers)
        except (httpx.InvalidURL, ValueError, UnicodeError) as error:
            raise CliError(f"{url!r} is not an address: {error}", expected="http://host:port") from None

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, /, **params: Any) -> Any:
        """Read."""
        return self._json(self._send("GET", path, params=_plain(params)))

    def text(self, path: str, **params: Any) -> str:
        """Read something that is not JSON."""
        return self._send("GET", path, params=_plain(params)).text

    def text_with_headers(self, path: str, **params: Any) -> tuple[str, Mapping[str, str]]:
        """Read a piece of something, and what tells where the next one begins."""
        answer = self._send("GET", path, params=_plain(params))
        return answer.text, answer.headers

    def bytes(self, path: str) -> bytes:
        """Read bytes."""
        return self._send("GET", path).content

    def items(self, path: str, most: int, **params: Any) -> list[Any]:
        """Items of as many pages as it takes to have `most` of them."""
        found: list[Any] = []
        cursor: str | None = None
        while len(found) < most:
            limit = min(most - len(found), 500)
            page = self.get(path, limit=limit, cursor=cursor, **params)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        """Write, once even when it is sent again after a broken connection."""
        return self._write("POST", path, body, params)

    def send(self, path: str, data: builtins.bytes) -> Any:
        """Write bytes; where that is done twice, it is done once."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._json(self._send("POST", path, content=data, headers=headers))

    def put(self, path: str, body: Any) -> Any:
        """Write, once."""
        return self._write("PUT", path, body, {})

    def upload(self, path: str, parts: Sequence[tuple[str, tuple[Any, ...]]], /, **params: Any) -> Any:
        """Send files, again from their starts when it must be: the server knows what it has already."""
        timeout = self._httpx.Timeout(TIMEOUT_S, read=UPLOADED_S)
        answer = self._send(
            "POST", path, before=lambda: _rewind(parts), files=parts, params=_plain(params), timeout=timeout
        )
        return self._json(answer)

    def delete(self, path: str) -> Any:
        """Delete, once."""
        return self._write("DELETE", path, None, {})

    def lines(self, path: str) -> Iterator[str]:
        """The data of server-sent events, until the server ends the stream."""
        headers = {"Accept": "text/event-stream"}
        try:
            with self._http.stream(
                "GET", path, headers=headers, timeout=self._httpx.Timeout(60, read=None)
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem_of(answer)
                named = False  # an event of a name of its own tells of the stream, not of its subject
                for line in answer.iter_lines():
                    named = (named and bool(line)) or line.startswith("event:")
                    if line.startswith("data:") and not named:
                        yield line[5:].removeprefix(" ")
        except self._httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _write(self, method: str, path: str, body: Any, params: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        answer = self._send(method, path, json=body, params=_plain(params), headers=headers)
        return self._json(answer)

    def _send(
        self, method: str, path: str, *, before: Callable[[], None] = lambda: None, **options: Any
    ) -> httpx.Response:
        for attempt in range(1, TRIES + 1):
            before()
            try:
                answer = self._http.request(method, path, **options)
            except self._httpx.HTTPError as error:
                if attempt == TRIES or isinstance(error, self._httpx.ConnectError):
                    raise self._unreachable(error) from None
            else:
                if answer.status_code != 503 or attempt == TRIES:
                    if answer.is_error:
                        raise problem_of(answer)
                    return answer
            time.sleep(0.3 * attempt)
        raise AssertionError("unreachable")

    def _json(self, answer: httpx.Response) -> Any:
        if answer.status_code == 204 or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise CliError(
                f"{self.url} does not answer as Clearway does", FAILED, todo="Check the address."
            ) from None

    def _unreachable(self, error: Exception) -> CliError:
        return CliError(
            f"{self.url} cannot be reached: {error}",
            UNREACHABLE,
            todo="Start it with `clearway up`, or check the address with `clearway doctor`.",
        )


def problem_of(answer: httpx.Response) -> CliError:
    """The error that a problem document describes."""
    try:
        content = answer.json()
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    message = str(content.get("detail") or f"the server answered {answer.status_code}")
    gates = gate_lines(content.get("gates") or ())
    todo = content.get("todo")
    if todo and "openapi.json" in todo:  # for those who write the request themselves
        todo = "See --help."
        if "is not known here" in str(content):  # this command wrote the request, and people cannot mend it
            todo = "The server knows no such field: are it and this command of one version?"
    if problems := _problems(content):
        title = content.get("title") or "The server refused it"
        return CliError(
            f"{title}: {len(problems)} problems",
            code_of_status(answer.status_code),
            todo=todo,
            more=(*problems, *gates),
        )
    first, *rest = message.splitlines() or [""]
    return CliError(
        first,
        code_of_status(answer.status_code),
        where=_seen(content.get("where")),
        expected=content.get("expected"),
        todo=todo,
        more=tuple(gates or rest),
    )


def _problems(content: dict[str, Any]) -> list[str]:
    """Every problem but a single one that the message tells already."""
    problems = content.get("problems") or []
    if len(problems) < 2:
        return []
    found = []
    for each in problems:
        if not isinstance(each, dict):
            found.append(str(each))
            continue
        file = ":".join(str(each[key]) for key in ("file", "line") if each.get(key))
        where = _seen(each.get("where")) or file
        wanted = f"expected {each.get('expected')}"
        told = not each.get("expected") or str(each.get("message", "")).endswith(wanted)
        expected = "" if told else f"; {wanted}"
        found.append(f"{where}: {each.get('message', '')}{expected}".removeprefix(": "))
    return found


def _seen(where: Any) -> Any:
    """Where something is wrong, if people can see it: they typed no body, and the message names the field."""
    return None if str(where).partition(".")[0] in ("body", "query") else where


def gate_lines(gates: Any) -> list[str]:
    """Gates for people: name, answer, reason, and what would change it."""
    found = []
    for gate in gates:
        if not isinstance(gate, dict):
            continue
        line = f"gate {gate.get('gate')}: {gate.get('answer')}: {gate.get('reason', '')}"
        found.append(line + (f" ({gate['would_change']})" if gate.get("would_change") else ""))
    return found


def _rewind(parts: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
    for _, (_, stream, *_) in parts:
        stream.seek(0)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None
    }
