"""Settings of the endpoint that audit logs are sent to: syslog over TLS (RFC 5424 and RFC 5425)."""

from collections.abc import Iterator
from typing import Annotated

from cryptography.x509 import load_pem_x509_certificates
from pydantic import AfterValidator, Field

from a1platform.settings.base import Settings
from a1platform.settings.ranges import Host, as_address
from a1platform.settings.shown import shown
from a1platform.settings.together import Problem


def _certificates(text: str) -> str:
    try:
        load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError(
            f"found {shown(text)}, expected certificates as PEM text: -----BEGIN CERTIFICATE----- and so on"
        ) from None
    return text if text.endswith("\n") else f"{text}\n"


PathOnHost = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$", examples=["/etc/ssl/private/log.key"])]


class LogEndpointSettings(Settings):
    """Where the audit logs of hosts and API servers are sent: syslog over TLS.

    Attributes:
        host: Name or address of the endpoint.
        port: Its port.
        name: Name in the endpoint's certificate, by default `host`; required beside an address.
        ca: Certificates, as PEM text, of those who may vouch for the endpoint; by default whom the host
            trusts.
        certificate_file: Certificate of the host itself, a file that the site has put there, for endpoints
            that ask for one.
        key_file: Its private key, for root alone, put there by the site too.
    """

    host: Host
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    name: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9*._-]+$", examples=["logs.example.org"], max_length=253)]
        | None
    ) = None
    ca: Annotated[str, AfterValidator(_certificates)] | None = None
    certificate_file: PathOnHost | None = None
    key_file: PathOnHost | None = None

    def between(self, given: object) -> Iterator[Problem]:
        """Return where nobody could be sure of the endpoint, or the endpoint not of the host."""
        yield from super().between(given)
        if self.name is None and as_address(self.host) is not None:
            text = f"found no name beside the address {shown(self.host)}, expected that of its certificate"
            yield Problem(("name",), text, (("host",), ("name",)))
        if (self.certificate_file is None) != (self.key_file is None):
            missing = "certificateFile" if self.certificate_file is None else "keyFile"
            text = "found nothing, expected certificateFile and keyFile together"
            yield Problem((missing,), text, (("certificateFile",), ("keyFile",)))
