"""What every face needs: who asks, bytes in, bytes out, and errors as answers."""

from .answers import problem, text
from .bytes_in import Received, TooLarge, receive
from .bytes_out import send
from .forms import Form, read_form
from .who import by_basic, by_bearer, who

__all__ = [
    "Form",
    "Received",
    "TooLarge",
    "by_basic",
    "by_bearer",
    "problem",
    "read_form",
    "receive",
    "send",
    "text",
    "who",
]
