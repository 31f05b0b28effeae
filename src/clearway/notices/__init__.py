"""Who is told what, and how."""

from .flows import CHORES, FLOWS
from .model import KINDS, Delivery, Email, Message, Notice, NoticeDocument, SecretRef, Target, fill
from .ports import FakeSender, Sender
from .service import apply, deliveries, notices, plan_apply, watch

__all__ = [
    "CHORES",
    "FLOWS",
    "KINDS",
    "Delivery",
    "Email",
    "FakeSender",
    "Message",
    "Notice",
    "NoticeDocument",
    "SecretRef",
    "Sender",
    "Target",
    "apply",
    "deliveries",
    "fill",
    "notices",
    "plan_apply",
    "watch",
]
