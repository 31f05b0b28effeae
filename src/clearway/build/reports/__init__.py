"""What tests and scanners leave: collected, read, kept, and summed up for the evidence.

Rule: reports are words of the build's own steps. They are read as what strangers wrote, and signed as what
the build's tools said, apart from the provenance.
"""

from .collect import collect, counted
from .kept import Report, reports_of
from .statements import statements

__all__ = ["Report", "collect", "counted", "reports_of", "statements"]
