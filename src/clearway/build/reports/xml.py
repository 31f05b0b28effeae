"""XML of strangers, an element at a time.

Rules: no entity is declared or expanded, nothing is fetched, nothing is nested without end, and what was read
is emptied, so that a big report costs little more memory than its names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from clearway.build.model import BuildFailed

MOST_DEPTH = 100


def elements(stream: IO[bytes]) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Each element at its end, with the names of those around it, the outermost first. Raises BuildFailed."""
    around: list[tuple[str, Element]] = []
    try:
        for event, element in iterparse(stream, events=("start", "end")):
            if event == "start":
                around.append((_name(element), element))
                if len(around) > MOST_DEPTH:
                    raise BuildFailed("its elements are nested too deep")
                continue
            around.pop()
            yield tuple(name for name, _ in around), element
    except DefusedXmlException as error:
        raise BuildFailed("it declares entities, which a report does not need") from error
    except (ParseError, ValueError, LookupError, UnicodeError) as error:
        raise BuildFailed(f"it is no XML: {error}") from error


def _name(element: Element) -> str:
    return name_of(element)


def name_of(element: Element) -> str:
    """The element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def number(text: str | None) -> int:
    """A count; 0 when it is none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0
