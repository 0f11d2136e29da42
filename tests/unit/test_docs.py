"""The documents against the code: links, commands, and the tables whose truth is data elsewhere."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from a1platform.cli.main import app
from a1platform.observability.delivery_alerts import delivery_alerts
from a1platform.observability.escalation import LEVELS
from a1platform.observability.policy_alerts import policy_alerts
from a1platform.observability.rules import alerts
from a1platform.observability.slo import Objective, Slo
from a1platform.services.builders.secrets import REFRESH
from a1platform.services.catalog import CATALOG
from tests.access import STORE_READERS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "services" / "README.md"])
_CODE = ("a1platform", "sandbox", "services", "stacks", "tests", ".github")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_make_target_and_every_a1_command_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", _text("Makefile"), re.MULTILINE))
    commands = set(getattr(get_command(app), "commands", {}))
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`|&& )make ([a-z-]+)", text, re.MULTILINE)) - targets == set()
    assert set(re.findall(r"(?:^|`|bin/)a1 ([a-z-]+)", text, re.MULTILINE)) - commands == set()


def test_documents_that_the_code_names_are_there() -> None:
    named = {
        (found, _name(path))
        for folder in _CODE
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sh", ".yml", ".yaml", ".json"}
        for found in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text(encoding="utf-8", errors="replace"))
    }
    assert {one for one in named if not (ROOT / one[0]).is_file()} == set()


def test_the_runbook_knows_every_alert() -> None:
    ours = alerts(Objective("s", "s", Slo(), critical=True), "n")
    every = (*ours, *policy_alerts(), *delivery_alerts())
    raised = {rule["alert"] for rule in every}
    assert {name for name in raised if f"`{name}`" not in _text("docs/runbook-a1.md")} == set()


def test_a_step_of_the_key_s_rotation_is_longer_than_the_new_key_s_way_to_the_last_pod() -> None:
    waited = re.search(r"three steps, each followed by (\d+) minutes of waiting", _text("docs/runbook-a1.md"))
    kubelet_minutes = 2
    assert waited
    assert int(waited[1]) > int(REFRESH.removesuffix("m")) + kubelet_minutes


def test_the_guide_to_the_parts_names_every_account_that_reads_the_store_and_no_other() -> None:
    section = _text("docs/platform.md").partition("### Who reads the store")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.+`) \|", section, re.MULTILINE)
    named = {tuple(one.split("/")) for row in rows for one in re.findall(r"`([^`]+)`", row)}
    assert named == STORE_READERS


def _minutes(minutes: int) -> str:
    return f"{minutes} min" if minutes else "at once"


def test_the_escalation_path_of_the_runbook_is_the_one_that_alertmanager_follows() -> None:
    rows = [
        f"| `{name}` | {level.who} | {_minutes(level.response_minutes)} |" for name, level in LEVELS.items()
    ]
    assert [row for row in rows if row not in _text("docs/runbook-a1.md")] == []


def test_the_architecture_tells_the_objectives_that_are_measured() -> None:
    slo, text = Slo(), _text("docs/a1-architecture.md")
    rows = (
        f"| Availability over 30 days | {slo.availability:.1%} |".replace("%", " %"),
        f"| P95 | {slo.p95_seconds * 1000:g} ms |",
        f"| P99 | {slo.p99_seconds * 1000:g} ms |",
        f"| Failed requests over 5 minutes | {slo.error_ratio:.0%} |".replace("%", " %"),
    )
    assert [row for row in rows if row not in text] == []


def test_the_guide_tells_every_file_of_checks_of_what_is_deployed_and_no_other() -> None:
    told = set(re.findall(r"\| `(test_\w+\.py)` \|$", _text("docs/smoke-tests-a1.md"), re.MULTILINE))
    folders = (ROOT / "tests" / name for name in ("smoke", "disruptive"))
    assert told == {path.name for folder in folders for path in folder.glob("test_*.py")}


def test_the_policies_and_the_services_are_all_described() -> None:
    policies = {path.parent.name for path in (ROOT / "policies").glob("*/constraint.yaml")}
    assert {name for name in policies if f"| `{name}` |" not in _text("docs/policies.md")} == set()
    roles = {entry.role for entry in CATALOG}
    assert {role for role in roles if f"| `{role}` |" not in _text("docs/services.md")} == set()
    assert f"[{len(policies)} policies]" in _text("README.md")
