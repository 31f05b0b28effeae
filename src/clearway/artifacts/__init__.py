"""Artifacts by digest, and the signed statements about them."""

from .expect import Expectations, Line, load_expectations
from .model import (
    CLAIMED,
    COVERAGE,
    FINDINGS,
    LICENCES,
    PROVENANCE,
    REBUILT,
    REPRODUCED,
    SBOM,
    TEST_RESULT,
    Artifact,
    Evidence,
    Untrusted,
    key_id,
    pre_authentication,
    read_public_keys,
    statement,
    subject_digests,
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
from .spdx import Verdict as LicenceVerdict
from .spdx import expression as licence_expression
from .spdx import judge as judge_licence

__all__ = [
    "CLAIMED",
    "COVERAGE",
    "FINDINGS",
    "LICENCES",
    "PROVENANCE",
    "REBUILT",
    "REPRODUCED",
    "SBOM",
    "TEST_RESULT",
    "Artifact",
    "Damaged",
    "Evidence",
    "Expectations",
    "LicenceVerdict",
    "Line",
    "Proven",
    "Signer",
    "Untrusted",
    "Verification",
    "attach",
    "evidence",
    "evidence_of",
    "export_evidence",
    "get",
    "judge_licence",
    "keep_file",
    "key_id",
    "licence_expression",
    "list",
    "load_expectations",
    "open",
    "path_of",
    "pre_authentication",
    "public_key_pem",
    "put",
    "read_public_keys",
    "record",
    "sign",
    "statement",
    "subject_digests",
    "verify_envelope",
    "verify_file",
    "verify_stored",
]
