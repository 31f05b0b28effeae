"""The verbs of the room."""

from .keep import get, keep_file, list_, open_, path_of, put, record
from .prove import attach, evidence, evidence_of, export_evidence, public_key_pem, sign, verify_stored

__all__ = [
    "attach",
    "evidence",
    "evidence_of",
    "export_evidence",
    "get",
    "keep_file",
    "list_",
    "open_",
    "path_of",
    "public_key_pem",
    "put",
    "record",
    "sign",
    "verify_stored",
]
