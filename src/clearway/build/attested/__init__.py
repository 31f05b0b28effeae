"""Builds that ran elsewhere: a CI job proves who it is; what it sent is recorded, and how sure that is."""

from .admit import Admitted, Place, admit, locate
from .identity import Identity
from .ports import Issuers
from .received import Received
from .service import attest
from .statements import claimed_for

__all__ = ["Admitted", "Identity", "Issuers", "Place", "Received", "admit", "attest", "claimed_for", "locate"]
