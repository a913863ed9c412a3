"""Run by p4runtime-shell's own interpreter: address, P4Info, JSON as arguments; prints `done` if all went well."""

import sys

import p4runtime_sh.shell as sh
from p4runtime_sh.p4runtime import P4RuntimeWriteException

address, p4info, program = sys.argv[1:4]
sh.setup(device_id=0, grpc_addr=address, election_id=(0, 1), config=sh.FwdPipeConfig(p4info, program))

entry = sh.TableEntry("Ig.l2.exact_table")(action="Ig.to_port")
entry.match["dst_mac"] = "02:00:00:00:00:01"
entry.action["out_port"] = "3"
entry.insert()
rows = []
sh.TableEntry("Ig.l2.exact_table").read(rows.append)
assert len(rows) == 1
entry.action["out_port"] = "4"
entry.modify()

default = sh.TableEntry("Ig.l2.exact_table")(action="Ig.punt", is_default=True)
default.action["reason"] = "7"
default.modify()

group = sh.MulticastGroupEntry(1)
group.add(1, 1)
group.add(2, 1)
group.insert()
session = sh.CloneSessionEntry(5)
session.add(1)
session.insert()

counter = sh.CounterEntry("Ig.seen")
counter.index = 1
counter.packet_count = 5
counter.modify()
cells = []
counter.read(lambda cell: cells.append((cell.index, cell.packet_count)))
assert cells == [(1, 5)], cells

entry.delete()
try:
    entry.delete()
    raise SystemExit("a second delete was not refused")
except P4RuntimeWriteException as error:
    assert "NOT_FOUND" in str(error) and "use INSERT" in str(error), error
sh.teardown()
print("done")
