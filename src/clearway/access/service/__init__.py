"""The verbs of identity and permission."""

from .people import apply, bindings, bootstrap, groups_of, plan_apply, set_password, standing, user, users
from .permit import known, may, require, who_may
from .sessions import check_csrf, claim_token, session, sign_in, sign_out
from .tokens import all_tokens, authenticate, create_token, list_tokens, revoke_token
from .touches import Touches

__all__ = [
    "Touches",
    "all_tokens",
    "apply",
    "authenticate",
    "bindings",
    "bootstrap",
    "check_csrf",
    "claim_token",
    "create_token",
    "groups_of",
    "known",
    "list_tokens",
    "may",
    "plan_apply",
    "require",
    "revoke_token",
    "session",
    "set_password",
    "sign_in",
    "sign_out",
    "standing",
    "user",
    "users",
    "who_may",
]
