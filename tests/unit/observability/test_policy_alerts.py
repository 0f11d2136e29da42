"""What somebody is told of the policies."""

from a1platform.observability.escalation import LEVELS
from a1platform.observability.policy_alerts import policy_alerts, policy_rule


def test_what_is_denied_and_there_all_the_same_is_told_and_what_is_only_counted_is_not() -> None:
    (violated,) = [one["expr"] for one in policy_alerts() if one["alert"] == "PolicyViolated"]
    assert 'enforcement_action="deny"' in violated
    assert "dryrun" not in violated
    assert "warn" not in violated


def test_an_audit_that_stopped_or_never_ran_is_told_too() -> None:
    (stale,) = [one["expr"] for one in policy_alerts() if one["alert"] == "PolicyAuditStale"]
    assert "> 600 " in stale
    assert "absent(" in stale


def test_every_alert_has_its_place_on_the_escalation_path() -> None:
    (group,) = policy_rule("a1-policies", "gatekeeper-system")["spec"]["groups"]
    assert group["rules"]
    assert all(one["labels"]["escalation"] in LEVELS for one in group["rules"])
