"""What operators may do, by role, and where."""

import enum


class Role(enum.StrEnum):
    """What an operator's verbs may do: each what those before it do, and more."""

    VIEWER = "viewer"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


def reaches(within: tuple[str, ...], tenant: str, project: str = "") -> bool:
    """Whether somebody who acts within these (`tenant`, or `tenant/project`) acts at a place.

    Without any, everywhere; without a `project`, the place is all of the tenant.
    """
    if not within:
        return True
    return tenant in within or (bool(project) and f"{tenant}/{project}" in within)
