"""The ledger's verbs."""

from .checkpoints import checkpoint, latest_checkpoint, sign_if_grown, verifier_key
from .export import export, export_in_steps
from .proofs import consistency_proof, inclusion_proof
from .verify import verify_in_steps, verify_live
from .write import append, entries, entries_about

__all__ = [
    "append",
    "checkpoint",
    "consistency_proof",
    "entries",
    "entries_about",
    "export",
    "export_in_steps",
    "inclusion_proof",
    "latest_checkpoint",
    "sign_if_grown",
    "verifier_key",
    "verify_in_steps",
    "verify_live",
]
