"""The documents that the platform ships for its services."""

import yaml
from mcp_services.documents import SCOPES

from a1platform.services.catalog import EXAMPLE, GATEWAY, balanced
from a1platform.services.resolve import NAMESPACE
from a1platform.services.shared import documents


def test_the_shipped_documents_are_valid_for_the_services_that_read_them() -> None:
    shipped = {name.removesuffix(".yaml"): yaml.safe_load(text) for name, text in documents().items()}
    assert shipped.keys() == SCOPES.keys()
    for scope, document in shipped.items():
        SCOPES[scope].model_validate(document)


def test_the_example_is_found_where_the_catalog_puts_it() -> None:
    (server,) = yaml.safe_load(documents()["servers.yaml"])["servers"]
    assert server["url"] == f"{balanced(EXAMPLE)}/mcp"


def test_the_gateway_answers_to_every_name_that_its_service_has() -> None:
    hosts = yaml.safe_load(documents()["gateway.yaml"])["hosts"]
    names = [GATEWAY, f"{GATEWAY}.{NAMESPACE}", f"{GATEWAY}.{NAMESPACE}.svc"]
    assert {*names, f"{names[-1]}.cluster.local"} <= set(hosts)
