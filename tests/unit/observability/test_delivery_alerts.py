"""What somebody is told of the delivery from Git."""

from a1platform.delivery.argocd import application, root_application
from a1platform.observability.delivery_alerts import delivery_alerts, delivery_rule
from a1platform.observability.escalation import LEVELS


def test_an_application_that_is_not_healthy_is_told_and_so_is_one_that_is_not_as_git_says() -> None:
    (alert,) = delivery_alerts()
    assert alert["alert"] == "ArgoCdNotDelivered"
    assert alert["expr"] == (
        'count by (name) (argocd_app_info{project=~"a1|a1-root",health_status!="Healthy"}'
        ' or argocd_app_info{project=~"a1|a1-root",sync_status!="Synced"}) > 0'
    )


def test_the_root_and_all_applications_below_it_are_looked_at() -> None:
    root = root_application("https://git.example.com/a1.git", "main", "manifests")
    below = application("mcp-gateway", "manifests/mcp-gateway", "a1-orchestrator")
    projects = "|".join(one["spec"]["project"] for one in (below, root))
    (alert,) = delivery_alerts()
    assert alert["expr"].count(f'project=~"{projects}"') == 2


def test_the_alert_has_its_place_on_the_escalation_path() -> None:
    (group,) = delivery_rule()["spec"]["groups"]
    assert [one["labels"]["escalation"] in LEVELS for one in group["rules"]] == [True]
