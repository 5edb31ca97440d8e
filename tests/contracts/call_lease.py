"""What all call leases promise."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ginkgo_data.ports.call_lease import CallLease

PassTime = Callable[[float], None]

NOBODYS: frozenset[str] = frozenset()


class CallLeaseContract:
    """Subclasses provide the fixtures `lease`, `neighbour` (another worker's, of the same fleet) and `pass_time`."""

    def test_a_free_key_is_given_to_the_first_who_asks(self, lease: CallLease, neighbour: CallLease) -> None:
        assert lease.take(["a", "b"], 60.0) == {"a", "b"}
        assert neighbour.take(["b", "c"], 60.0) == {"c"}
        assert lease.take(["c"], 60.0) == NOBODYS

    def test_a_lease_ends_with_its_time(self, lease: CallLease, neighbour: CallLease, pass_time: PassTime) -> None:
        lease.take(["a"], 60.0)
        pass_time(58.0)
        assert neighbour.take(["a"], 60.0) == NOBODYS
        pass_time(2.0)
        assert neighbour.take(["a"], 60.0) == {"a"}
        assert lease.take(["a"], 60.0) == NOBODYS

    def test_taking_ones_own_again_lengthens_it(
        self, lease: CallLease, neighbour: CallLease, pass_time: PassTime
    ) -> None:
        lease.take(["a", "b"], 60.0)
        pass_time(40.0)
        assert lease.take(["a"], 60.0) == {"a"}
        pass_time(40.0)
        assert neighbour.take(["a", "b"], 60.0) == {"b"}

    def test_a_lease_that_was_not_given_is_not_lengthened_by_asking(
        self, lease: CallLease, neighbour: CallLease, pass_time: PassTime
    ) -> None:
        lease.take(["a"], 60.0)
        pass_time(40.0)
        neighbour.take(["a"], 600.0)
        pass_time(20.0)
        assert neighbour.take(["a"], 60.0) == {"a"}

    def test_what_is_given_back_is_free_at_once(self, lease: CallLease, neighbour: CallLease) -> None:
        lease.take(["a", "b"], 60.0)
        lease.give_back(["a", "never taken"])
        assert neighbour.take(["a", "b"], 60.0) == {"a"}

    def test_only_ones_own_can_be_given_back(self, lease: CallLease, neighbour: CallLease) -> None:
        lease.take(["a"], 60.0)
        neighbour.give_back(["a"])
        assert neighbour.take(["a"], 60.0) == NOBODYS

    def test_what_came_to_another_after_its_end_is_not_given_back_by_the_former_holder(
        self, lease: CallLease, neighbour: CallLease, pass_time: PassTime
    ) -> None:
        lease.take(["a"], 10.0)
        pass_time(10.0)
        assert neighbour.take(["a"], 60.0) == {"a"}
        lease.give_back(["a"])
        assert lease.take(["a"], 60.0) == NOBODYS

    def test_of_many_threads_who_ask_at_once_one_worker_gets_each_key(
        self, lease: CallLease, neighbour: CallLease
    ) -> None:
        keys = [f"k{number}" for number in range(200)]
        with ThreadPoolExecutor(2) as pool:
            for turn in range(10):
                named = [f"{turn}/{key}" for key in keys]
                one, two = pool.map(lambda who, named=named: who.take(named, 60.0), (lease, neighbour))
                assert not one & two
                assert one | two == set(named)

    def test_any_number_of_keys_can_be_named_also_none(self, lease: CallLease, neighbour: CallLease) -> None:
        keys = [f"tushare daily {number}" for number in range(1201)]
        assert lease.take([], 60.0) == NOBODYS
        lease.give_back([])
        assert lease.take(keys, 60.0) == set(keys)
        assert neighbour.take(keys, 60.0) == NOBODYS
        lease.give_back(keys)
        assert neighbour.take([*keys, *keys], 60.0) == set(keys)
