"""The tamper-evident log of every fact."""

from .model import Checkpoint, ConsistencyProof, Entry, InclusionProof
from .service import (
    append,
    checkpoint,
    consistency_proof,
    entries,
    entries_about,
    export,
    export_in_steps,
    inclusion_proof,
    latest_checkpoint,
    sign_if_grown,
    verifier_key,
    verify_in_steps,
    verify_live,
)
from .signer import NoteSigner, load_or_create_key
from .standalone_verify import BadNote, Problem, Verification, verify_folder
from .store import guard_statements
from .tree import verify_consistency, verify_inclusion

__all__ = [
    "BadNote",
    "Checkpoint",
    "ConsistencyProof",
    "Entry",
    "InclusionProof",
    "NoteSigner",
    "Problem",
    "Verification",
    "append",
    "checkpoint",
    "consistency_proof",
    "entries",
    "entries_about",
    "export",
    "export_in_steps",
    "guard_statements",
    "inclusion_proof",
    "latest_checkpoint",
    "load_or_create_key",
    "sign_if_grown",
    "verifier_key",
    "verify_consistency",
    "verify_folder",
    "verify_in_steps",
    "verify_inclusion",
    "verify_live",
]
