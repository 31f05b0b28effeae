"""Sends messages with Apprise: webhooks, mail, chat.

Rules:
1. Secrets are read here, at the last moment, and go nowhere but into the address.
2. Apprise's own log is shut: it names addresses.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from urllib.parse import quote

from clearway.kernel import Permanent, Retry
from clearway.notices import Message, SecretRef, Target, fill

WITH_FIELDS = ("json", "jsons", "form", "forms", "xml", "xmls")
MAX_SECRET = 10_000


class AppriseSender:
    """A notices.Sender."""

    def send(self, target: Target, message: Message) -> None:
        """See notices.Sender."""
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(app_id="Clearway", app_desc="Clearway", secure_logging=True)
        post = apprise.Apprise(asset=asset)
        if not post.add(with_id(address(target), message.id)):
            raise Permanent("the notice's address is not one that messages can be sent to")
        taken = post.notify(
            title=message.title,
            body=message.body,
            notify_type=apprise.NotifyType(message.type),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise Retry("the receiver did not take the message")


def address(target: Target) -> str:
    """The address with its secrets in place. Raises Permanent, naming what is missing."""
    if target.whole is not None:
        return read_secret(target.whole)
    return fill(target.url, {name: read_secret(ref) for name, ref in target.secrets.items()})


def read_secret(ref: SecretRef) -> str:
    """The secret itself. Raises Permanent, naming the place, when nothing is there."""
    if ref.env is not None:
        value, place = os.environ.get(ref.env, ""), f"the environment variable {ref.env}"
    else:
        place = f"the file {ref.file}"
        try:
            with Path(str(ref.file)).open(encoding="utf-8") as stream:
                value = stream.read(MAX_SECRET).strip()
        except (OSError, UnicodeDecodeError):
            value = ""
    if not value:
        raise Permanent(f"the notice's secret is missing: {place} is empty or not there")
    return value


def with_id(url: str, message_id: str) -> str:
    """The address, with the message's id as a field where the receiver's format has fields."""
    if not url.startswith(tuple(f"{scheme}://" for scheme in WITH_FIELDS)):
        return url
    return f"{url}{'&' if '?' in url else '?'}:id={quote(message_id, safe='')}"
