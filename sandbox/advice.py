"""What to do about an error that a plugin tells in its own words; ours say it themselves."""

import re

_RESOURCE = re.compile(r"^\s*\S+ \((?P<name>[^)\s]+)\):$")
_ADVICE = {
    r"host key mismatch": (
        "the host shows another key than the pinned one, so nothing was sent to it. If the machine was set "
        "up anew, compare the fingerprint and pin it by `a1 init`; else something stands in between"
    ),
    r"unable to authenticate": (
        "the host refuses the key. Put the public half of privateKeyFile into its user's authorized_keys, "
        "or name the right user and file"
    ),
    # The error itself, not what it quotes of a pod's; and no program that refuses another one on the host.
    r"^\s*error: (?!.*dial unix).*(n refused|no route to|i/o timeout|is unreachable|no such host)": (
        "the host does not answer at this address and port. Start it or correct host and port, then run the "
        "command again; if it is gone for good, {gone}"
    ),
    r"exited without exit status|\bEOF\b|connection reset|connection lost|broken pipe|closed network": (
        "the connection was cut in the middle. What was begun is safe to repeat: run the command again"
    ),
    # Programs in Go write it small.
    r"(?i:no space left on device|disk quota exceeded)|SSH_FX_FAILURE": (
        "the host could not write: its disk is full or read-only. Free space there (`df -h`), then run the "
        "command again; what has arrived is used"
    ),
    r"can be resized|requests\.storage: Forbidden: field can not be less": (
        "a volume becomes neither smaller nor, in K3s's own class, larger. Set its old size again, or make "
        "it anew without its data as docs/platform.md says below Data"
    ),
}
_ALONE = "set a1platform:nodeIsGone to true and run `make down`"
_ONE_OF_SEVERAL = (
    "let its entry in a1platform:nodes say isGone: true and run the command again; then take the entry out"
)


def advice(output: str, *, alone: bool = True) -> list[str]:
    """Return a line for each failed resource that something is known to help.

    Args:
        output: What `pulumi` printed; the list of diagnostics in it counts.
        alone: Whether the stack has one machine only; others go on without the one that is gone.
    """
    gone = _ALONE if alone else _ONE_OF_SEVERAL
    lines: dict[str, None] = {}
    resource = ""
    for line in output.partition("Diagnostics:")[2].splitlines():
        if header := _RESOURCE.match(line):
            resource = header["name"]
            continue
        found = next((text for pattern, text in _ADVICE.items() if re.search(pattern, line)), None)
        if found and not any(known.startswith(f"{resource}: ") for known in lines):
            lines[f"{resource}: {found.format(gone=gone)}"] = None
    return list(lines)
