"""Run by finsy's own interpreter: address, P4Info, JSON of rules.p4 as arguments; prints `done` if all went well."""

import asyncio
import sys
from pathlib import Path

import finsy as fy
from finsy.p4entity import P4BackupReplica, P4Replica
from finsy.proto import stratum

address, p4info, program = sys.argv[1:4]


async def rows(switch: fy.Switch, *entities) -> list:
    return [row async for row in switch.read(*entities)]


async def refused(switch: fy.Switch, *updates) -> fy.P4ClientError:
    try:
        await switch.write(list(updates))
    except fy.P4ClientError as error:
        return error
    raise SystemExit(f"not refused: {updates}")


async def entries(switch: fy.Switch) -> None:
    by_kind = await rows(switch, fy.P4TableEntry("by_kind"))
    assert sorted(row.priority for row in by_kind) == [1, 2, 3] and sum(row.is_const for row in by_kind) == 1
    shot = fy.P4IndirectAction([(2, fy.P4TableAction("Ig.to", port=1)), (1, fy.P4TableAction("Ig.to", port=2))])

    def named(port: str) -> fy.P4TableEntry:
        match = fy.Match(vlan=9, kind=6)
        return fy.P4TableEntry("by_vlan", match=match, action=fy.Action("forward", port=port), priority=1)

    def spread() -> fy.P4TableEntry:
        return fy.P4TableEntry("spread", match=fy.Match(kind=1), action=shot)

    await switch.write([+named("12"), +spread()])
    (row,) = await rows(switch, fy.P4TableEntry("by_vlan"))
    assert row.action.args == {"port": "12"}, row
    (row,) = await rows(switch, fy.P4TableEntry("spread"))
    assert [weight for weight, _ in row.action.action_set] == [2, 1], row
    assert "there is no port" in str(await refused(switch, ~named("x")))
    await switch.write([-named("12"), -spread()])


async def state(switch: fy.Switch) -> None:
    config = fy.P4MeterConfig(cir=1, cburst=2, pir=3, pburst=4)
    backed = P4Replica(1, instance=1, backup_replicas=[P4BackupReplica(2, instance=5)])
    await switch.write([
        ~fy.P4MeterEntry("pace", index=1, config=config),
        ~fy.P4RegisterEntry("flags", index=2, data=True),
        +fy.P4MulticastGroupEntry(1, replicas=(backed, P4Replica(4, instance=2))),
    ])  # fmt: skip
    none = fy.P4CounterData()
    zeros = fy.P4MeterCounterData(green=none, yellow=none, red=none)
    (cell,) = await rows(switch, fy.P4MeterEntry("pace", index=1, counter_data=zeros))
    assert cell.config == config and cell.counter_data is not None, cell
    assert [cell.data for cell in await rows(switch, fy.P4RegisterEntry("flags"))] == [False, False, True, False]
    (group,) = await rows(switch, fy.P4MulticastGroupEntry())
    assert group.replicas[0].backup_replicas[0].instance == 5, group


async def role() -> None:
    """A role that has one table: finsy insists on a configuration for roles."""
    number = next(t.preamble.id for t in fy.P4Schema(Path(p4info)).p4info.tables if t.preamble.name == "Ig.metered")
    config = stratum.P4RoleConfig(shared_p4_ids=[number])
    async with fy.Switch("sw2", address, fy.SwitchOptions(device_id=0, role_name="edge", role_config=config)) as switch:
        entry = fy.P4TableEntry("metered", match=fy.Match(kind=1), action=fy.Action("NoAction"))
        await switch.write([+entry])
        assert len(await rows(switch, fy.P4TableEntry())) == 1
        error = await refused(
            switch, +fy.P4TableEntry("by_kind", match=fy.Match(kind=9), action=fy.Action("drop"), priority=1)
        )
        assert "does not have table" in str(error), error


async def main() -> None:
    options = fy.SwitchOptions(p4info=Path(p4info), p4blob=Path(program), device_id=0)
    async with fy.Switch("sw1", address, options) as switch:
        await entries(switch)
        await state(switch)
        await role()
    print("done")


asyncio.run(main())
