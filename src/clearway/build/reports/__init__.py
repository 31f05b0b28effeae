"""What tests and scanners leave: collected, read, kept, and summed up for the evidence.

Rule: reports are words of the build's own steps. They are read as what strangers wrote, and signed as what
the build's tools said, apart from the provenance.
"""

from .collect import READERS, collect, counted
from .kept import Report, replace_reports, reports_of
from .statements import statements

__all__ = ["READERS", "Report", "collect", "counted", "replace_reports", "reports_of", "statements"]
