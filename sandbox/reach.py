"""Whether the sandbox's node can still give back what is on it."""

import paramiko

from sandbox import chosen
from sandbox.cache import Cache
from sandbox.engine import find_engine
from sandbox.node import GROUP, nodes


def out_of_reach(cache: Cache) -> str:
    """Return why nothing can be given back by the sandbox's node, in words; empty where it answers.

    Of a machine of somebody's own nobody may conclude from its silence that it is gone. This one is a
    container of ours, which goes whole.

    Args:
        cache: Where our engine keeps containers.
    """
    engine = find_engine(cache)
    # After a restart of this machine the engine or the node does not run.
    running = engine.run("ps", "--quiet", *_filters()) if engine else ""
    if engine is None or not running:
        return "the machine is gone"
    node = next(one for one in nodes(engine) if one.name == chosen.NODE)
    try:
        with node.connect():
            return ""
    except (OSError, EOFError, paramiko.SSHException) as error:
        return f"node {node.name} does not answer over SSH ({str(error) or type(error).__name__})"


def _filters() -> list[str]:
    labels = ("a1.sandbox=node", f"a1.group={GROUP}", f"a1.node={chosen.NODE}")
    return [word for label in labels for word in ("--filter", f"label={label}")]
