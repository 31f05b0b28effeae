"""Artifacts by digest, and the signed statements about them."""

from .model import (
    COVERAGE,
    FINDINGS,
    LICENCES,
    PROVENANCE,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Artifact,
    Evidence,
    Untrusted,
    key_id,
    read_public_keys,
    statement,
    verify_envelope,
)
from .offline import Proven, Verification, verify_file
from .ports import Signer
from .service import (
    attach,
    evidence,
    evidence_of,
    export_evidence,
    get,
    keep_file,
    path_of,
    public_key_pem,
    put,
    record,
    sign,
    verify_stored,
)
from .service import list_ as list
from .service import open_ as open
from .service.keep import Damaged

__all__ = [
    "COVERAGE",
    "FINDINGS",
    "LICENCES",
    "PROVENANCE",
    "REPRODUCED",
    "SBOM",
    "TEST_RESULT",
    "Artifact",
    "Damaged",
    "Evidence",
    "Proven",
    "Signer",
    "Untrusted",
    "Verification",
    "attach",
    "evidence",
    "evidence_of",
    "export_evidence",
    "get",
    "keep_file",
    "key_id",
    "list",
    "open",
    "path_of",
    "public_key_pem",
    "put",
    "read_public_keys",
    "record",
    "sign",
    "statement",
    "verify_envelope",
    "verify_file",
    "verify_stored",
]
