"""Whose a document is: the subject that an agent is known as, or the tenant's own for an activity's profiles."""

from dataclasses import dataclass
from uuid import UUID

from lrs.domain.agents import Identifier, identifier_of, is_placeholder
from lrs.domain.documents import Context
from lrs.domain.errors import InvalidRequest
from lrs.ports import Reading, Vault


@dataclass(frozen=True, slots=True)
class Owners:
    """Finds and enrols owners."""

    vault: Vault
    public_url: str

    def known(self, tenant: str, reading: Reading, context: Context) -> UUID | None:
        """The owner, or None where nobody is known by the agent: nothing is minted for a look."""
        if context.agent is None:
            return self.vault.tenant_subject(tenant)
        identifier = self._identifier(context)
        return None if identifier is None else reading.lookup([identifier]).get(identifier)

    def enrolled(self, reading: Reading, context: Context) -> UUID:
        """The subject of the context's agent, from now on if not before. StaleFence, InvalidRequest."""
        identifier = self._identifier(context)
        if identifier is None:
            raise InvalidRequest("agent: stands for everybody who was erased; nothing can be kept for it")
        return reading.enrol([identifier])[identifier]

    def _identifier(self, context: Context) -> Identifier | None:
        """None for our placeholder coming back, which is never a subject."""
        agent = context.agent
        return None if agent is None or is_placeholder(agent, self.public_url) else identifier_of(agent)
