"""Settings: from ``LRS_*`` environment variables, or from a TOML file that ``LRS_CONFIG`` names.

The environment wins over the file. ``docs/settings.md`` lists every setting; a test keeps the list complete.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lrs.domain.errors import InvalidRequest


class Settings(BaseSettings):
    """Where things are and how the service shows itself."""

    model_config = SettingsConfigDict(env_prefix="LRS_", extra="ignore", hide_input_in_errors=True, frozen=True)

    data_dir: Path = Field(default=Path("lrs-data"), description="the folder of the embedded store")
    key_dir: Path | None = Field(
        default=None, description="epoch keys and the ledger's mirror; never inside the data"
    )
    root_key: SecretStr | None = Field(default=None, description="the root key in base64 (32 bytes)")
    root_key_file: Path | None = Field(default=None, description="or a file of mode 0600 that holds it")
    root_provider: Literal["file", "environment", "transit"] | None = Field(
        default=None, description="who wraps epoch keys; none said: the root key, wherever it is"
    )
    transit_url: str | None = Field(default=None, description="the address of HashiCorp Vault or OpenBao")
    transit_mount: str = Field(default="transit", description="where its transit engine is mounted")
    transit_namespace: str | None = Field(default=None, description="its namespace, where it has some")
    transit_token: SecretStr | None = Field(default=None, description="the token for it")
    transit_token_file: Path | None = Field(default=None, description="or a file that holds it, read each time")
    escrow_url: str | None = Field(
        default=None, description="where epoch keys are escrowed: a folder, or s3://bucket/prefix"
    )
    backup_url: str | None = Field(default=None, description="where backups go: a folder, or s3://bucket/prefix")
    backup_recipients: str = Field(
        default="", description="age public keys, with commas, that backups and escrow are sealed to"
    )
    backup_days: int = Field(
        default=730, ge=1, description="how long what today's records do not need is kept in the backup"
    )
    epoch_hours: float = Field(
        default=24, gt=0, le=24 * 366, description="how long after the last one an epoch is closed"
    )
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL instead of the embedded store: a URL, several hosts if you like"
    )
    vault_url: SecretStr | None = Field(default=None, description="the vault's own PostgreSQL database")
    replica_url: SecretStr | None = Field(
        default=None, description="stand-bys of LRS_DATABASE_URL, from which queries and reports are answered"
    )
    owner_url: SecretStr | None = Field(
        default=None, description="who owns the tables, where that is not the role of LRS_DATABASE_URL"
    )
    vault_owner_url: SecretStr | None = Field(
        default=None, description="who owns the vault's tables, where that is not the role of LRS_VAULT_URL"
    )
    blobs_url: str | None = Field(
        default=None, description="where attachments are kept: a folder, or s3://bucket/prefix"
    )
    attachments_bytes_max: int = Field(
        default=512 * 1024 * 1024, ge=1024, description="most bytes of a request with attachments"
    )
    connections: int = Field(default=16, ge=4, le=500, description="most connections of a process to PostgreSQL")
    public_url: str = Field(default="http://127.0.0.1:8080", description="how the service is reached from outside")
    cors_origins: str = Field(
        default="*",
        description="whose pages may read xAPI answers: origins with commas, * for all, empty for none",
    )
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8080, ge=0, le=65_535, description="the port to listen on; 0: any free one")

    @property
    def origins(self) -> tuple[str, ...]:
        """Each of ``cors_origins``."""
        return tuple(one for sent in self.cors_origins.split(",") if (one := sent.strip()))

    @property
    def recipients(self) -> tuple[str, ...]:
        """Each of ``backup_recipients``."""
        return tuple(one for sent in self.backup_recipients.split(",") if (one := sent.strip()))

    @property
    def keys(self) -> Path:
        """The key directory: as set, else beside the data. InvalidRequest when it lies inside the data."""
        keys = self.key_dir or self.data_dir.absolute().with_name(self.data_dir.absolute().name + "-keys")
        if keys.absolute().resolve().is_relative_to(self.data_dir.absolute().resolve()):
            raise InvalidRequest(
                "LRS_KEY_DIR must not lie inside LRS_DATA_DIR: a backup of one must miss the other"
            )
        return keys


def load_settings(**given: Any) -> Settings:
    """The settings in force; ``given`` wins over the environment. InvalidRequest."""
    named = os.environ.get("LRS_CONFIG")
    from_file: dict[str, Any] = {}
    if named:
        try:
            from_file = tomllib.loads(Path(named).read_text("utf-8"))
        except (OSError, ValueError):
            raise InvalidRequest("the file that LRS_CONFIG names can not be read as TOML") from None
    in_environment = {name for name in Settings.model_fields if f"LRS_{name.upper()}" in os.environ}
    values = {name: value for name, value in from_file.items() if name not in in_environment}
    try:
        settings = Settings(**(values | {name: value for name, value in given.items() if value is not None}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidRequest(f"LRS_{str(first['loc'][0]).upper()}: {first['type']}") from None
    if (settings.database_url is None) is not (settings.vault_url is None):
        # The keys never lie beside what they seal: half a choice would put one of the two where nobody looks.
        raise InvalidRequest("LRS_DATABASE_URL and LRS_VAULT_URL go together: two databases, or neither")
    return settings
