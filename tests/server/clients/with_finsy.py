"""Run by finsy's own interpreter: address, P4Info, JSON as arguments; prints `done` if all went well."""

import asyncio
import sys
from pathlib import Path

import finsy as fy

address, p4info, program = sys.argv[1:4]
TABLE = "Ig.l2.exact_table"


async def exercise(switch: fy.Switch) -> None:
    await switch.delete_all()
    entry = fy.P4TableEntry(TABLE, match=fy.Match(dst_mac=0x020000000001), action=fy.Action("Ig.to_port", out_port=3))
    await switch.write([
        +entry,
        +fy.P4MulticastGroupEntry(1, replicas=(1, 2)),
        +fy.P4CloneSessionEntry(3, replicas=(1,)),
    ])  # fmt: skip
    rows = [row async for row in switch.read(fy.P4TableEntry(TABLE))]
    assert len(rows) == 1 and rows[0].action.args == {"out_port": 3}, rows
    cells = [cell async for cell in switch.read(fy.P4CounterEntry("Ig.seen"))]
    assert [cell.index for cell in cells] == [0, 1, 2, 3], cells
    await switch.write([fy.P4PacketOut(bytes(14) + b"payload", egress_port=5, to_pipeline=0, pad=0)])
    try:
        await switch.write([-fy.P4TableEntry(TABLE, match=fy.Match(dst_mac=9))])
        raise SystemExit("the deletion of nothing was not refused")
    except fy.P4ClientError as error:
        assert error.is_not_found_only, error
    await switch.delete_all()
    assert not [row async for row in switch.read(fy.P4TableEntry(TABLE))]


async def main() -> None:
    options = fy.SwitchOptions(p4info=Path(p4info), p4blob=Path(program), device_id=0)
    async with fy.Switch("sw1", address, options) as switch:
        await exercise(switch)
    print("done")


asyncio.run(main())
