"""A pod is placed as a whole: what several nodes have together is no room for it."""

import pytest

from a1platform.services.placement import Amount, Pod, unplaced

NODE = Amount(2000, 2048, 50)


def _pods(*sizes: int) -> list[Pod]:
    return [Pod(f"of {size} MiB", Amount(10, size, 1)) for size in sizes]


def test_pods_that_only_the_sum_of_the_nodes_has_room_for_are_refused_and_one_is_named() -> None:
    pods = _pods(1200, 1200, 1200)
    assert sum(pod.needs.memory_mib for pod in pods) < 2 * NODE.memory_mib
    assert unplaced(pods, NODE, 2) == pods[2]
    assert unplaced(pods, NODE, 3) is None


@pytest.mark.parametrize("sizes", [(500, 700, 700, 1300), (1300, 700, 700, 500)])
def test_the_largest_are_placed_first_so_the_order_in_which_they_are_given_does_not_matter(
    sizes: tuple[int, ...],
) -> None:
    # As they come first-fit would put 500 and 700 on one node and 700 on the other: none is left for 1300.
    assert unplaced(_pods(*sizes), Amount(2000, 1800, 50), 2) is None


@pytest.mark.parametrize(
    "needs", [Amount(1100, 1, 1), Amount(1, 1100, 1), Amount(1, 1, 26)], ids=["CPU", "memory", "pods"]
)
def test_of_each_kind_a_node_has_to_have_enough(needs: Amount) -> None:
    pods = [Pod(name, needs) for name in "abc"]
    assert unplaced(pods[:2], NODE, 2) is None
    assert unplaced(pods, NODE, 2) == pods[2]


@pytest.mark.parametrize(("size", "fits"), [(512, True), (513, False)])
def test_one_node_has_room_for_the_sum_and_no_more(size: int, fits: bool) -> None:  # noqa: FBT001
    assert (unplaced(_pods(*[size] * 4), NODE, 1) is None) == fits


def test_a_node_that_has_nothing_to_give_has_room_for_nothing() -> None:
    assert unplaced(_pods(1), Amount(-5, 0, 50), 3) == _pods(1)[0]
    assert unplaced([], Amount(0, 0, 0), 1) is None
