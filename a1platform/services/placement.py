"""Whether pods fit nodes, each on one node as a whole."""

from collections.abc import Iterable
from typing import NamedTuple


class Amount(NamedTuple):
    """What a node has or something needs: thousandths of a core, memory in MiB, pods."""

    cpu_milli: int
    memory_mib: int
    pods: int


class Pod(NamedTuple):
    """A pod by the name of what runs in it, and what it needs."""

    name: str
    needs: Amount


def total(amounts: Iterable[Amount]) -> Amount:
    """Return what several need together.

    Args:
        amounts: What each needs.
    """
    every = [Amount(0, 0, 0), *amounts]
    return Amount(*(sum(one) for one in zip(*every, strict=True)))


def less(has: Amount, needs: Amount) -> Amount:
    """Return what is left, below 0 where it is not enough.

    Args:
        has: What there is.
        needs: What is taken of it.
    """
    return Amount(*(one - other for one, other in zip(has, needs, strict=True)))


def unplaced(pods: Iterable[Pod], free: Amount, nodes: int) -> Pod | None:
    """Return the first pod that no node has room for, or None: first-fit decreasing.

    The pods come by the largest share of a node that they need of anything, and each goes to the first node
    with room. That can miss a way to place them all, as can the scheduler, which moves no pod that runs.

    Args:
        pods: What is to be placed.
        free: What each node has for them.
        nodes: How many nodes there are.
    """

    def share(pod: Pod) -> float:
        return max(needs / max(has, 1) for needs, has in zip(pod.needs, free, strict=True))

    left = [free] * nodes
    for pod in sorted(pods, key=share, reverse=True):
        rests = [less(has, pod.needs) for has in left]
        place = next((index for index, rest in enumerate(rests) if min(rest) >= 0), None)
        if place is None:
            return pod
        left[place] = rests[place]
    return None
