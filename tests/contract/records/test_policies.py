from __future__ import annotations

from dataclasses import replace

import pytest

from domain.disposal import KeptPolicy, PolicyState
from domain.errors import StateConflict
from domain.ids import PolicyId, PrincipalId
from storage.records import Records
from tests.contract.records.given import HOUR, T0, number


def a_policy(n: int, state: PolicyState = PolicyState.PROPOSED) -> KeptPolicy:
    return KeptPolicy(
        id=PolicyId(number(n)),
        document='{"others":"P1Y","rules":[{"tag":"å"}]}',
        fingerprint="other=P1Y",
        state=state,
        proposed_by=PrincipalId(number(8)),
        proposed_at=T0,
        confirmed_by=None,
        confirmed_at=None,
    )


def test_a_policy_is_kept_as_it_is_and_changes(records: Records) -> None:
    policy = a_policy(1)
    records.write(lambda unit: unit.policies.put(policy))
    assert records.read(lambda unit: unit.policies.get(policy.id)) == policy
    assert records.read(lambda unit: unit.policies.in_state(PolicyState.PROPOSED)) == policy
    assert records.read(lambda unit: unit.policies.effective_id()) is None
    confirmed = replace(
        policy, state=PolicyState.EFFECTIVE, confirmed_by=PrincipalId(number(9)), confirmed_at=T0 + HOUR
    )
    records.write(lambda unit: unit.policies.put(confirmed))
    assert records.read(lambda unit: unit.policies.in_state(PolicyState.EFFECTIVE)) == confirmed
    assert records.read(lambda unit: unit.policies.effective_id()) == policy.id
    assert records.read(lambda unit: unit.policies.get(PolicyId(number(2)))) is None


@pytest.mark.parametrize("state", [PolicyState.PROPOSED, PolicyState.EFFECTIVE])
def test_one_is_in_force_and_one_proposed_at_the_most(records: Records, state: PolicyState) -> None:
    def both(unit) -> None:
        unit.policies.put(a_policy(1, state))
        with pytest.raises(StateConflict):
            unit.policies.put(a_policy(2, state))
        unit.policies.put(a_policy(3, PolicyState.PAST))
        unit.policies.put(a_policy(4, PolicyState.PAST))

    records.write(both)
    found = records.read(lambda unit: unit.policies.in_state(state))
    assert found is not None
    assert found.id == number(1)


def test_nobody_confirms_what_they_proposed_whoever_speaks_to_the_database(records: Records) -> None:
    alone = replace(a_policy(1), confirmed_by=PrincipalId(number(8)))
    with pytest.raises(Exception, match="two_people"):
        records.write(lambda unit: unit.policies.put(alone))
