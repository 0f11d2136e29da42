"""The internal tokens, and the key of theirs that is rotated while everybody works."""

import itertools
import time
from pathlib import Path

import pytest
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject

OLD, NEW = "o" * 32, "n" * 32
PHASES = (OLD, f"{OLD}\n{NEW}\n", f"{NEW}\n{OLD}\n", f"{NEW}\n")
"""Of a rotation, as docs/runbook-a1.md has it; each has reached everybody before the next one begins."""


@pytest.fixture(autouse=True)
def seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed file is read at the next look."""
    monkeypatch.setattr("mcp_services.core.files._LOOK_EVERY_SECONDS", 0.0)


@pytest.mark.parametrize(("before", "after"), [*itertools.pairwise(PHASES)])
@pytest.mark.parametrize("first", ["signs", "verifies"])
def test_no_token_is_refused_while_a_phase_of_a_rotation_reaches_one_service_before_the_other(
    tmp_path: Path, before: str, after: str, first: str
) -> None:
    files = {name: tmp_path / name for name in ("signs", "verifies")}
    for file in files.values():
        file.write_text(before)
    signs, verifies = (InternalTokens(files[name], name) for name in ("signs", "verifies"))
    subject = Subject("alice", "user")
    under_way = signs.mint(subject)
    assert verifies.verify(f"Bearer {under_way}") == subject
    files[first].write_text(after)
    assert verifies.verify(f"Bearer {signs.mint(subject)}") == subject
    # Only what the last phase takes away is refused, a minute after anybody signed with it.
    assert OLD not in after or verifies.verify(f"Bearer {under_way}") == subject


def test_a_new_key_that_signs_before_everybody_has_it_is_refused_by_the_others(tmp_path: Path) -> None:
    (tmp_path / "early").write_text(f"{NEW}\n{OLD}\n")
    (tmp_path / "late").write_text(OLD)
    early, late = InternalTokens(tmp_path / "early", "early"), InternalTokens(tmp_path / "late", "late")
    with pytest.raises(InvalidTokenError):
        late.verify(f"Bearer {early.mint(Subject('alice', 'user'))}")


def test_a_rotated_internal_key_is_honoured_beside_the_old_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)
    tokens = InternalTokens(file, "mcp-gateway")
    alice = Subject("alice", "user", ("tools",), ("staff",))
    before = tokens.mint(alice)
    file.write_text(f"{NEW}\n{OLD}\n")
    assert tokens.verify(f"Bearer {before}") == alice
    after = tokens.mint(alice)
    file.write_text(f"{NEW}\n")
    assert tokens.verify(f"Bearer {after}") == alice
    with pytest.raises(InvalidTokenError):
        tokens.verify(f"Bearer {before}")
    file.write_text("short")
    assert tokens.verify(f"Bearer {after}") == alice


@pytest.mark.parametrize(("seconds", "good"), [(3, True), (-62, True), (30, False), (-70, False)])
def test_clocks_of_two_nodes_may_differ_by_a_few_seconds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    good: bool,  # noqa: FBT001
) -> None:
    (tmp_path / "key").write_text("k" * 32)
    tokens, now = InternalTokens(tmp_path / "key", "mcp-gateway"), time.time()
    with monkeypatch.context() as patched:
        patched.setattr("mcp_services.core.identity.time.time", lambda: now + seconds)
        minted = tokens.mint(Subject("alice", "user"))
    if good:
        assert tokens.verify(f"Bearer {minted}").id == "alice"
    else:
        with pytest.raises(InvalidTokenError):
            tokens.verify(f"Bearer {minted}")
