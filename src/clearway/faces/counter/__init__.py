"""What every face needs: who asks, bytes in, bytes out, and errors as answers."""

from .answers import hang_up, problem, text
from .bytes_in import PIECE, Received, TooLarge, pieces, receive
from .bytes_out import send
from .forms import Form, read_form
from .who import by_basic, by_bearer, who

__all__ = [
    "PIECE",
    "Form",
    "Received",
    "TooLarge",
    "by_basic",
    "by_bearer",
    "hang_up",
    "pieces",
    "problem",
    "read_form",
    "receive",
    "send",
    "text",
    "who",
]
