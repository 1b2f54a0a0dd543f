"""The place of the escrow, where it may be one."""

from lrs.adapters.objects.places import Objects, open_place
from lrs.domain.errors import InvalidRequest

_SETTING = "LRS_ESCROW_URL"


def open_escrow(url: str, backup_url: str | None) -> Objects:
    """The escrow's place. InvalidRequest when it is the backups' (one inside the other is the same: a copy of one
    would be both), or when it keeps versions: then an overwritten key could be had all the same.
    StoreUnavailable."""
    place = open_place(url, _SETTING)
    if backup_url is not None and _overlap(place.url, open_place(backup_url, "LRS_BACKUP_URL").url):
        raise InvalidRequest(f"{_SETTING} and LRS_BACKUP_URL must be apart, neither inside the other")
    if place.keeps_versions():
        raise InvalidRequest(f"{_SETTING} keeps versions of what is overwritten: take a bucket that does not")
    return place


def _overlap(one: str, other: str) -> bool:
    first, second = (url.rstrip("/") + "/" for url in (one, other))
    return first.startswith(second) or second.startswith(first)
