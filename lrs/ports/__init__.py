"""What the use cases need from the outside, as protocols. Adapters implement them; nothing here does anything.

Errors that cross a port are those of ``lrs.domain.errors``, of ``eventsourcing.persistence`` (RecordConflictError:
somebody was faster; PersistenceError: the store can not be reached) and ``StaleFence``; never a driver"s.
"""

from lrs.ports.blobs import Blobs, Kept, Listed, Spool
from lrs.ports.clock import Clock
from lrs.ports.control import ControlStore, CredentialRow, TenantRow
from lrs.ports.documents import DocumentGone, DocumentRow, Documents, StoredDocument
from lrs.ports.expiry import Expired, Expiry
from lrs.ports.filling import Filling, Indexed, Stretch
from lrs.ports.keys import Reading, StaleFence, Vault
from lrs.ports.objects import Decryption, Encryption, ObjectPlace
from lrs.ports.requests import RequestRow, Requests
from lrs.ports.statements import AgentRow, BlobRow, Head, IndexRow, Live, Recorded, Selected, Selection, Statements
from lrs.ports.stores import Inspected, Purged, Reads, Stores, TenantStore
from lrs.ports.views import Generation, ViewFilter, ViewKey, ViewRow, Views, ViewWriter

__all__ = [
    "AgentRow",
    "BlobRow",
    "Blobs",
    "Clock",
    "ControlStore",
    "CredentialRow",
    "Decryption",
    "DocumentGone",
    "DocumentRow",
    "Documents",
    "Encryption",
    "Expired",
    "Expiry",
    "Filling",
    "Generation",
    "Head",
    "IndexRow",
    "Indexed",
    "Inspected",
    "Kept",
    "Listed",
    "Live",
    "ObjectPlace",
    "Purged",
    "Reading",
    "Reads",
    "Recorded",
    "RequestRow",
    "Requests",
    "Selected",
    "Selection",
    "Spool",
    "StaleFence",
    "Statements",
    "StoredDocument",
    "Stores",
    "Stretch",
    "TenantRow",
    "TenantStore",
    "Vault",
    "ViewFilter",
    "ViewKey",
    "ViewRow",
    "ViewWriter",
    "Views",
]
