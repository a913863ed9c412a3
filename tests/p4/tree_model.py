"""The model of a switch in a tree: a root as ever, or a child that sends its sums to a parent and brings its answers down.

From docs/PROTOCOL.md, "A tree of switches"; the same sets, tuples and scalar numbers as the model it extends.
"""

from __future__ import annotations

import struct

from fpisa import register
from fpisa.bits import highest_bit, shifted_out
from fpisa.flags import INEXACT, STATUS_MASK
from tests.p4.model import PORT, Job, Model, Set, internet_checksum

CONTRIBUTION, RESULT, RESULT_AGAIN, PARTIAL = range(4)
HEADERS = 58


class TreeModel(Model):
    @property
    def raw(self) -> bool:
        return self.program.uplink == "raw"

    @property
    def packed_bytes(self) -> int:
        return self.program.elements * self.program.value_bytes

    @property
    def raw_bytes(self) -> int:
        return self.program.elements * (self.program.fmt.register_bits // 8 + 1)

    @staticmethod
    def divisor(job: Job) -> int:
        return 1 if job.parent is not None else job.total or len(job.workers)

    def payload_of(self, frame: bytes) -> int:
        """Bytes of values in a frame of this kind."""
        return self.raw_bytes if self.raw and frame[42] & 15 == PARTIAL else self.packed_bytes

    def refusal(self, port: int, frame: bytes) -> str | None:
        if len(frame) < HEADERS or len(frame) < HEADERS + self.payload_of(frame):
            return "short"
        if struct.unpack(">H", frame[38:40])[0] != 24 + self.payload_of(frame):
            return "short"
        first, fmt, job_id, rank, _, pool, _, _, _, elements = struct.unpack(">BBHBBHIBbH", frame[42:58])
        kind = first & 15
        for wrong, name in (
            (first >> 4 != 1, "version"),
            (kind > (PARTIAL if self.raw else RESULT_AGAIN), "kind"),
            (fmt != self.program.code, "format"),
            (elements != self.program.elements, "elements"),
            (job_id not in self.jobs, "job"),
        ):
            if wrong:
                return name
        job = self.jobs[job_id]
        if kind in (RESULT, RESULT_AGAIN):
            if job.parent is None or rank != job.parent.rank:
                return "rank"
            source = (job.parent.port, job.parent.mac, job.parent.ip)
            pool = (pool - job.parent.pool_offset) & 0xFFFF
        else:
            if rank >= len(job.workers):
                return "rank"
            member = job.workers[rank]
            source = (member.port, member.mac, member.ip)
        if (port, frame[6:12], frame[26:30]) != source:
            return "source"
        if not job.first_slot <= pool >> 1 < min(job.first_slot + job.slots, self.program.slots):
            return "slot"
        return None

    def contribute(self, port: int, frame: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        _, _, job_id, rank, _, pool, chunk, _, exponent, _ = struct.unpack(">BBHBBHIBbH", frame[42:58])
        job = self.jobs[job_id]
        if frame[42] & 15 in (RESULT, RESULT_AGAIN):
            return self.take_answer(self.localised(frame, job), job, chunk)
        pair = self.slot_sets(pool >> 1)
        own, other = pair[pool & 1], pair[1 - (pool & 1)]
        fate = self.verdict(own, other, job_id, chunk, rank)
        if fate == "resent":
            if job.parent is not None and not own.answered:
                return "raised_again", [self.raise_sum(frame, job, own)]
            return fate, [self.answer(self.as_packed(frame), job, job.workers[rank], own, RESULT_AGAIN)]
        if fate == "overfull":
            own.holders.add(rank)
            other.holders.discard(rank)
            return "stale", []
        if fate not in ("absorbed", "early"):
            return fate, []
        self.absorb_frame(own, job, chunk, rank, exponent, frame)
        other.holders.discard(rank)
        if own.missing:
            return fate, []
        if job.parent is not None:
            return "raised", [self.raise_sum(frame, job, own)]
        packed = self.as_packed(frame)
        return "completed", [self.answer(packed, job, worker, own, RESULT) for worker in job.workers]

    def take_answer(self, frame: bytes, job: Job, chunk: int) -> tuple[str, list[tuple[int, bytes]]]:
        """The parent's result: once, where the sum below is complete."""
        pool = struct.unpack(">H", frame[48:50])[0]
        own = self.slot_sets(pool >> 1)[pool & 1]
        if own.round != (job.id, chunk) or own.missing:
            return "stale", []
        if own.answered:
            return "duplicate", []
        words = self.values(frame)
        own.answered, own.flags = True, frame[54] & STATUS_MASK if self.program.shape != "int" else 0
        own.exponent = struct.unpack(">b", frame[55:56])[0]
        own.sums = words if self.program.shape == "int" else [register.first(self.program.fmt, w) for w in words]
        return "answered", [self.answer(frame, job, worker, own, RESULT) for worker in job.workers]

    def localised(self, frame: bytes, job: Job) -> bytes:
        pool = (struct.unpack(">H", frame[48:50])[0] - job.parent.pool_offset) & 0xFFFF
        return frame[:48] + struct.pack(">H", pool) + frame[50:]

    def as_packed(self, frame: bytes) -> bytes:
        """A frame of registers as if it had carried floats, for the answer made from it."""
        if frame[42] & 15 != PARTIAL:
            return frame
        total = struct.pack(">H", 44 + self.packed_bytes)
        return frame[:16] + total + frame[18:58] + bytes(self.packed_bytes) + frame[HEADERS + self.raw_bytes :]

    def absorb_frame(self, own: Set, job: Job, chunk: int, rank: int, exponent: int, frame: bytes) -> None:
        if own.round != (job.id, chunk):
            own.answered, own.flags = False, 0
        if self.program.shape != "int":
            own.flags |= frame[54] & STATUS_MASK
        addends = self.registers(frame) if frame[42] & 15 == PARTIAL else self.values(frame)
        self.absorb(own, job, chunk, rank, exponent, addends)

    def add(self, state, addend):
        if isinstance(addend, register.Register):
            return register.merge(self.program.fmt, state, addend)
        return super().add(state, addend)

    def registers(self, frame: bytes) -> list[register.Register]:
        """The registers of a raw frame: mantissas, then exponents; exponent 0 says that the mantissa is special bits."""
        count, size = self.program.elements, self.program.fmt.register_bits // 8
        at = HEADERS + count * size
        out = []
        for index, exponent in enumerate(frame[at : at + count]):
            field = frame[HEADERS + index * size :][:size]
            if exponent:
                out.append(register.Register(exponent, int.from_bytes(field, "big", signed=True), 0, 0))
            else:
                out.append(register.Register(1, 0, field[-1] & 7, 0))
        return out

    def raise_sum(self, frame: bytes, job: Job, own: Set) -> tuple[int, bytes]:
        """The sum so far as a contribution to the parent."""
        parent = job.parent
        end = HEADERS + self.payload_of(frame)
        flags, payload = self.raw_sum(own) if self.raw else self.packed_sum(own)
        udp_bytes = 24 + len(payload)
        ip = bytearray(frame[14:34])
        if self.raw:
            ip[2:4] = struct.pack(">H", 20 + udp_bytes)
        ip[4:6], ip[8], ip[10:12] = b"\0\0", 64, b"\0\0"
        ip[12:16], ip[16:20] = parent.own_ip, parent.ip
        ip[10:12] = struct.pack(">H", internet_checksum(bytes(ip)))
        pool = (struct.unpack(">H", frame[48:50])[0] + parent.pool_offset) & 0xFFFF
        exponent = own.exponent if self.program.shape == "int" else struct.unpack(">b", frame[55:56])[0]
        return parent.port, b"".join(
            (
                parent.mac, parent.own_mac, frame[12:14], bytes(ip),
                struct.pack(">HHHH", PORT, PORT, udp_bytes, 0),
                bytes([0x10 | (PARTIAL if self.raw else CONTRIBUTION)]), frame[43:46],
                bytes([parent.rank]), frame[47:48], struct.pack(">H", pool), frame[50:54],
                struct.pack(">Bb", flags, exponent), frame[56:58],
                payload, frame[end:],
            )
        )  # fmt: skip

    def packed_sum(self, own: Set) -> tuple[int, bytes]:
        flags, words = self.result(own, 1)
        if self.program.shape != "int":
            flags |= INEXACT * any(self.rounds(state) for state in own.sums)
        return flags, struct.pack(self.order(), *words)

    def rounds(self, state: register.Register) -> bool:
        """Whether the accumulator has a bit below the last one of its packed word."""
        if state.special or state.mantissa == 0:
            return False
        fmt = self.program.fmt
        leading = highest_bit(abs(state.mantissa))
        field = leading + state.exponent + fmt.scale + fmt.bias
        distance = leading - fmt.fraction_bits + max(0, 1 - field)
        return distance > 0 and shifted_out(abs(state.mantissa), distance)

    def raw_sum(self, own: Set) -> tuple[int, bytes]:
        size = self.program.fmt.register_bits // 8
        mantissas, exponents = b"", b""
        flags = own.flags
        for state in own.sums:
            field = state.special or state.mantissa
            mantissas += field.to_bytes(size, "big", signed=field < 0)
            exponents += bytes([0 if state.special else state.exponent])
            flags |= state.events & (STATUS_MASK if self.program.track_inexact else STATUS_MASK & ~INEXACT)
        return flags, mantissas + exponents
