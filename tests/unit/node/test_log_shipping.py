"""Audit logs go to the endpoint that is meant, in no other way, and nowhere unless somebody asks for it."""

from typing import Any

import pytest
from pydantic import ValidationError

from a1platform.node.hardening import changes
from a1platform.node.hardening.log_shipping import log_shipping, render_conf
from a1platform.settings.log_endpoint import LogEndpointSettings
from a1platform.settings.node import HardeningSettings
from tests.certificate import self_signed
from tests.unit.settings.refused import refused

CERTIFICATE, _ = self_signed("logs.example.org", "192.0.2.7")


def _endpoint(**keys: Any) -> LogEndpointSettings:  # noqa: ANN401 - what a file may hold
    return LogEndpointSettings.model_validate({"host": "logs.example.org", **keys})


def test_nothing_is_sent_anywhere_by_default() -> None:
    assert "log-shipping" not in {change.name for change in changes(HardeningSettings(), "ops")}


def test_both_audit_logs_are_sent_once_an_endpoint_is_named() -> None:
    settings = HardeningSettings(log_endpoint=_endpoint())
    (change,) = (one for one in changes(settings, "ops") if one.name == "log-shipping")
    conf = next(file.content for file in change.files if file.path.endswith(".conf"))
    assert 'file="/var/log/audit/audit.log"' in conf
    assert 'file="/var/lib/rancher/k3s/server/logs/audit.log"' in conf


def test_the_endpoint_is_known_by_its_name_and_by_nothing_less() -> None:
    conf = render_conf(_endpoint(host="192.0.2.7", name="logs.example.org"))
    assert 'target="192.0.2.7" port="6514"' in conf
    assert 'StreamDriverMode="1" StreamDriverAuthMode="x509/name"' in conf
    assert 'StreamDriverPermittedPeers="logs.example.org"' in conf


def test_the_sites_own_authority_takes_the_place_of_those_that_the_host_trusts() -> None:
    assert "ca-certificates" in log_shipping(_endpoint()).packages
    change = log_shipping(_endpoint(ca=CERTIFICATE))
    assert "ca-certificates" not in change.packages
    assert CERTIFICATE in [file.content for file in change.files]
    assert 'CAFile="/etc/a1/log-endpoint-ca.pem"' in render_conf(_endpoint(ca=CERTIFICATE))


def test_an_endpoint_that_asks_for_a_certificate_gets_the_hosts_own() -> None:
    keys = {"certificateFile": "/etc/ssl/a1/log.crt", "keyFile": "/etc/ssl/a1/log.key"}
    conf = render_conf(_endpoint(**keys))
    assert 'defaultNetstreamDriverCertFile="/etc/ssl/a1/log.crt"' in conf
    assert 'defaultNetstreamDriverKeyFile="/etc/ssl/a1/log.key"' in conf
    apparmor = next(file.content for file in log_shipping(_endpoint(**keys)).files if "apparmor" in file.path)
    assert "\n/etc/ssl/a1/log.key r,\n" in apparmor


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"host": "192.0.2.7"}, "logEndpoint.name: found no name beside the address '192.0.2.7'"),
        ({"ca": "/etc/ssl/ca.pem"}, "logEndpoint.ca: found '/etc/ssl/ca.pem', expected certificates as PEM"),
        ({"keyFile": "/etc/ssl/a1/log.key"}, "logEndpoint.certificateFile: found nothing, expected"),
        ({"name": 'x" action('}, "logEndpoint.name: found 'x\" action('"),
        ({"keyFile": 'relative"'}, "logEndpoint.keyFile: found"),
        ({"port": 0}, "logEndpoint.port: found 0, expected at least 1"),
    ],
)
def test_an_endpoint_that_nobody_could_be_sure_of_is_refused(keys: dict[str, Any], said: str) -> None:
    lines = refused({"hardening": {"logEndpoint": {"host": "logs.example.org", **keys}}})
    assert any(said in line for line in lines)


def test_a_host_that_is_no_name_cannot_reach_the_configuration() -> None:
    with pytest.raises(ValidationError):
        _endpoint(host='x" port="1')
