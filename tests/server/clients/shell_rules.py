"""Run by p4runtime-shell's own interpreter, over TLS with a client certificate: address, P4Info, JSON of rules.p4, folder of
certificates as arguments; prints `done` if all went well."""

import sys

import p4runtime_sh.shell as sh
from p4runtime_sh.p4runtime import P4RuntimeWriteException, SSLOptions

address, p4info, program, folder = sys.argv[1:5]
tls = SSLOptions(False, f"{folder}/ca.pem", f"{folder}/client.pem", f"{folder}/client.key")
sh.setup(0, address, (0, 1), config=sh.FwdPipeConfig(p4info, program), ssl_options=tls)


def read(entity) -> list:
    found = []
    entity.read(found.append)
    return found


def refused(call) -> str:
    try:
        call()
    except P4RuntimeWriteException as error:
        return str(error)
    raise SystemExit("not refused")


assert len(read(sh.TableEntry("Ig.by_kind"))) == 3
for number in (1, 2):
    member = sh.ActionProfileMember("Ig.ways")(member_id=number, action="Ig.to")
    member.action["port"] = str(number)
    member.insert()
group = sh.ActionProfileGroup("Ig.ways")(group_id=1)
group.add(1)
group.add(2, weight=3)
group.insert()
assert read(sh.ActionProfileGroup("Ig.ways"))[0].members[1].weight == 3
entry = sh.TableEntry("Ig.spread")(group_id=1)
entry.match["kind"] = "7"
entry.insert()
assert "FAILED_PRECONDITION" in refused(group.delete)
entry.delete()
group.delete()

meter = sh.MeterEntry("Ig.pace")
meter.index = 2
meter.cir, meter.cburst, meter.pir, meter.pburst = 1, 2, 3, 4
meter.modify()
assert [cell.pburst for cell in read(meter)] == [4]

metered = sh.TableEntry("Ig.metered")(action="Ig.paced")
metered.match["kind"] = "3"
metered.meter_config.cir, metered.meter_config.pir = 5, 6
metered.insert()
direct = sh.DirectMeterEntry("Ig.strict")
direct.table_entry.match["kind"] = "3"
assert [cell.pir for cell in read(direct)] == [6]

counter = sh.DirectCounterEntry("Ig.hits")
counter.table_entry.match["kind"] = "1"
counter.packet_count = 9
counter.modify()
assert [cell.packet_count for cell in read(counter)] == [9], "the counter of a constant entry"
session = sh.CloneSessionEntry(3)
session.add(1)
session.packet_length_bytes = 60
session.insert()
assert [s.packet_length_bytes for s in read(sh.CloneSessionEntry(0))] == [60]
sh.teardown()
print("done")
