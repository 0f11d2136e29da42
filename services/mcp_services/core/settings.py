"""What every role reads from its environment. Secrets are never here: only the paths of their files."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from mcp_services.core import room


class RoleSettings(BaseSettings):
    """Settings of any role; the variable's name is the field's name in capitals.

    Attributes:
        host: Address to listen on.
        port: Port of the role's API.
        operations_port: Port of `/health`, `/ready` and `/metrics`.
        log_level: Least level that is written.
        state_dir: Writable folder for the last good configuration; empty for memory only.
        config_url: Base URL of mcp-config.
        internal_key_file: The key of the internal tokens, for the roles that mint or verify them.
        traces_url: Base URL of an OTLP/HTTP receiver; empty for no traces.
        trace_ratio: Share of new traces that are recorded, 0 to 1.
        body_memory_bytes: Most memory that the bodies of requests, and the answers held whole, take at once.
        drain_seconds: Time between SIGTERM and the closed listener, in which requests are still served.
        shutdown_seconds: Longest wait for running requests after that.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = "0.0.0.0"  # noqa: S104 - a pod is reached from outside itself; the network policy limits by whom
    port: int = 8080
    operations_port: int = 9090
    log_level: str = "INFO"
    state_dir: str = "/var/lib/mcp"
    config_url: str = "http://mcp-config:8080"
    internal_key_file: Path = Path("/etc/mcp/internal/key")
    traces_url: str = "http://mcp-tracehub:8080"
    trace_ratio: float = Field(default=1.0, ge=0, le=1)
    body_memory_bytes: PositiveInt = room.MOST_BYTES
    drain_seconds: NonNegativeFloat = 5.0
    shutdown_seconds: NonNegativeFloat = 20.0

    @property
    def state_folder(self) -> Path | None:
        """The folder for the last good configuration, if there is one."""
        return Path(self.state_dir) if self.state_dir else None
