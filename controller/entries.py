"""From a job to what is written to the switch: pure. The names are those of p4src/README.md.

Order matters: entries that answer come first and the one that admits last, so no packet finds half a job; a release
undoes it backwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .fabric import Child, Fabric, Post
from .float_tables import CONSTANTS, average_entry
from .hosts import Hosts
from .p4rt.entities import ActionCall, Encodable, MulticastGroup, Replica, TableEntry
from .p4rt.schema import Schema, Table
from .p4rt.values import Value
from .session import Job

JOBS = "ingress.admission.jobs"
MEMBERS = "ingress.admission.members"
REPLICAS = "egress.reply.replicas"
HOSTS = "ingress.forward.hosts"
SEEN = "ingress.slot.seen"
ROUNDS = ("ingress.slot.round_0", "ingress.slot.round_1")  # one for each set, indexed by slot
MISSING = "ingress.slot.missing"
FATE = "ingress.fate"
LEADING_ONE = ".leading_one"
CHILD_JOB = "ingress.admission.child_job"

# Out of the way of the jobs' groups, and the largest that simple_switch_grpc takes.
FLOOD_GROUP = 0x7FFF

FATES = (
    "absorbed",
    "completed",
    "resent",
    "duplicate",
    "stale",
    "early",
    "short",
    "version",
    "kind",
    "format",
    "elements",
    "job",
    "rank",
    "source",
    "slot",
    "forwarded",
    "flooded",
    "unknown",
    "raised",
    "raised_again",
    "answered",
)


def check_program(schema: Schema) -> None:
    """ValueError, one sentence, where the program on the switch is not one of p4src."""
    needed: list[tuple[str, object, str]] = [
        ("table", schema.tables, name) for name in (JOBS, MEMBERS, REPLICAS, HOSTS)
    ]
    needed += [("register", schema.registers, name) for name in (SEEN, *ROUNDS)]
    for kind, index, name in needed:
        if name not in index:  # type: ignore[operator]
            raise ValueError(f"this is no all-reduce program: its P4Info has no {kind} {name}")


def slot_count(schema: Schema) -> int:
    return schema.registers[SEEN].size


def most_workers(schema: Schema) -> int:
    """Of one job: the bits of one of a slot's two bitmaps."""
    return schema.registers[SEEN].element.bitwidth // 2


def averages(schema: Schema) -> bool:
    """Whether the program can divide sums as they are read."""
    return CONSTANTS in schema.tables


def job_tables(schema: Schema) -> list[str]:
    """Tables with entries of jobs, the one that admits first: so they are taken away."""
    return [JOBS, MEMBERS, REPLICAS, *([CONSTANTS] if averages(schema) else [])]


def leading_one_tables(schema: Schema) -> list[Table]:
    return [table for table in schema.tables if table.name.endswith(LEADING_ONE)]


def leading_one(table: Table) -> Iterator[TableEntry]:
    """The position of the highest set bit: magnitudes 1 << b and up, below 1 << (b + 1), are found at b."""
    key = table.fields[0]
    action = table.name.removesuffix("leading_one") + "found"
    for bit in range(key.bitwidth):
        match = {key.name: (1 << bit, key.bitwidth - bit)}
        yield TableEntry(table.name, match, ActionCall(action, {"bit_index": bit}))


def program_entries(schema: Schema) -> Iterator[TableEntry]:
    """What belongs to the program rather than to a job."""
    for table in leading_one_tables(schema):
        yield from leading_one(table)


def forwarding(hosts: Hosts) -> tuple[list[Encodable], TableEntry]:
    """(the flood group and an entry for each host, the default entry that lets ARP through)."""
    ports = sorted({host.port for host in hosts.by_ip.values()})
    items: list[Encodable] = [MulticastGroup(FLOOD_GROUP, tuple(Replica(port, 0) for port in ports))]
    items += [
        TableEntry(HOSTS, {"destination": mac}, ActionCall("ingress.forward.to_port", {"egress": port}))
        for mac, port in sorted({host.mac: host.port for host in hosts.by_ip.values()}.items())
    ]
    flood = ActionCall("ingress.forward.flood", {"flood_group": FLOOD_GROUP})
    return items, TableEntry(HOSTS, action=flood, is_default=True)


def job_entries(job: Job) -> list[Encodable]:
    """Everything a job needs, in the order of writing."""
    replicas = tuple(Replica(member.port, member.rank) for member in job.members)
    return [MulticastGroup(job.group, replicas), *_replies(job), *_members(job), *_average(job), _admission(job)]


def _average(job: Job) -> Iterator[TableEntry]:
    if job.average:
        yield average_entry(job.id, job.workers)


def _replies(job: Job) -> Iterable[TableEntry]:
    for member in job.members:
        address: dict[str, Value] = {"mac": member.mac, "ip": member.host, "udp_port": member.udp_port}
        yield TableEntry(REPLICAS, {"job": job.id, "rank": member.rank}, ActionCall("egress.reply.to_worker", address))


def _members(job: Job) -> Iterable[TableEntry]:
    for member in job.members:
        source: dict[str, Value] = {
            "ingress": member.port,
            "source_mac": member.mac,
            "source_ip": member.host,
        }
        yield TableEntry(MEMBERS, {"job": job.id, "rank": member.rank}, ActionCall("ingress.admission.member", source))


def _admission(job: Job) -> TableEntry:
    info = {"workers": job.workers, "first_slot": job.first_slot, "slots": job.slots, "group": job.group}
    return TableEntry(JOBS, {"job": job.id}, ActionCall("ingress.admission.job", info))


# -- a tree of switches ----------------------------------------------------------------------------------------


def check_tree_program(schema: Schema) -> None:
    """ValueError, one sentence, where the program cannot have a parent."""
    if CHILD_JOB not in schema.actions:
        raise ValueError(f"this program is for one switch: its P4Info has no action {CHILD_JOB}; take allreduce_tree.p4")


def post_entries(job: Job, post: Post, fabric: Fabric) -> list[Encodable]:
    """What one switch of a tree needs for a job, in the order of writing."""
    replicas = tuple(Replica(child.port, child.rank) for child in post.children)
    answers = [_child_reply(job, child) for child in post.children]
    admitted = [_child_member(job, child) for child in post.children]
    divided = _average(job) if post.parent is None else ()  # only the root divides
    return [MulticastGroup(job.group, replicas), *answers, *admitted, *divided, _post_admission(job, post, fabric)]


def _child_reply(job: Job, child: Child) -> TableEntry:
    key: dict[str, Value] = {"job": job.id, "rank": child.rank}
    address: dict[str, Value] = {"mac": child.mac, "ip": child.ip}
    if child.switch is not None:
        return TableEntry(REPLICAS, key, ActionCall("egress.reply.to_switch", address))
    return TableEntry(REPLICAS, key, ActionCall("egress.reply.to_worker", {**address, "udp_port": child.udp_port}))


def _child_member(job: Job, child: Child) -> TableEntry:
    source: dict[str, Value] = {"ingress": child.port, "source_mac": child.mac, "source_ip": child.ip}
    return TableEntry(MEMBERS, {"job": job.id, "rank": child.rank}, ActionCall("ingress.admission.member", source))


def _post_admission(job: Job, post: Post, fabric: Fabric) -> TableEntry:
    info: dict[str, Value] = {
        "workers": len(post.children), "first_slot": post.first_slot, "slots": job.slots, "group": job.group
    }  # fmt: skip
    if post.parent is None:
        return TableEntry(JOBS, {"job": job.id}, ActionCall("ingress.admission.job", info))
    own, parent = fabric.sites[post.switch], fabric.sites[post.parent]
    above = next(other for other in job.posts if other.switch == post.parent)
    info |= {
        "parent_port": own.uplink, "own_mac": own.mac, "own_ip": own.ip, "parent_mac": parent.mac,
        "parent_ip": parent.ip, "rank": post.rank,
        "pool_offset": 2 * (above.first_slot - post.first_slot) & 0xFFFF,
    }  # fmt: skip
    return TableEntry(JOBS, {"job": job.id}, ActionCall(CHILD_JOB, info))
