"""What the routes need, handed in by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from api.access import Access
from api.attached import AttachedStatements
from api.waking import Handover
from lrs.describing import Describer
from lrs.documenting.clearing import DocumentClearer
from lrs.documenting.reading import DocumentReader
from lrs.documenting.writing import DocumentWriter
from lrs.notary.proofs import Proofs
from lrs.recording.recorder import Recorder
from lrs.reporting import Reporter
from lrs.retrieving import Retriever
from lrs.tenancy import Credentials, Tenants
from retention.export import Exporter
from retention.rights import Rights


@dataclass(frozen=True)
class Services:
    """The use cases, and the few settings that show in answers."""

    credentials: Credentials
    recorder: Recorder
    retriever: Retriever
    documents: DocumentReader
    document_writer: DocumentWriter
    document_clearer: DocumentClearer
    describer: Describer
    reporter: Reporter
    tenants: Tenants
    rights: Rights
    exporter: Exporter
    attached: AttachedStatements
    proofs: Proofs
    public_url: str
    ready: Callable[[], None]
    """Nothing when everything needed can be reached, else an error."""
    cors_origins: tuple[str, ...] = ()
    """Whose pages may read answers of the xAPI resources; ``*``: everybody's."""
    request_opened: Callable[[str], None] = lambda _: None
    """There is a data-subject request to run."""

    @cached_property
    def access(self) -> Access:
        """Who calls."""
        return Access(self.credentials)

    @cached_property
    def handover(self) -> Handover:
        """Requests of one round of the event loop go to the recorder together."""
        return Handover(self.recorder)
