"""What every face needs: who asks, bytes in, bytes out, and errors as answers."""

from .answers import problem, text
from .bytes_in import Received, TooLarge, receive
from .bytes_out import send
from .who import by_basic, by_bearer, who

__all__ = ["Received", "TooLarge", "by_basic", "by_bearer", "problem", "receive", "send", "text", "who"]
