"""Change requests, approvals, versions, release notes."""
