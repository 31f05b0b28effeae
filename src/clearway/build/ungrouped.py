"""Runs a command for which setting its supplementary groups does nothing, and says that it did well.

Run alone, by path, with nothing but the standard library: `ungrouped.py ARGV...`. In a user namespace that an
ordinary user made, the kernel forbids `setgroups`; buildah insists on it before each RUN, although a list of
one's own group changes nothing. A filter of system calls answers in the kernel's place; all others pass.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

_NUMBERS = {"x86_64": (0xC000003E, 116), "aarch64": (0xC00000B7, 159)}  # the architecture's mark, setgroups
_LOAD, _EQUAL, _ANSWER = 0x20, 0x15, 0x06
_ALLOW, _DONE = 0x7FFF0000, 0x00050000  # go on; answer with the error 0, which is none
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(mark: int, number: int) -> bytes:
    """The filter: of this architecture, this call does nothing."""
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 0, 3, mark),
        (_LOAD, 0, 0, 0),  # the call
        (_EQUAL, 0, 1, number),
        (_ANSWER, 0, 0, _DONE),
        (_ANSWER, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def main() -> None:
    """See the module's text."""
    known = _NUMBERS.get(platform.machine())
    if known is not None:
        code = program(*known)
        libc = ctypes.CDLL(None, use_errno=True)
        wanted = _Program(len(code) // 8, code)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
            _SECCOMP, _FILTER, ctypes.byref(wanted), 0, 0
        ):
            sys.exit(f"the filter of system calls was refused: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
