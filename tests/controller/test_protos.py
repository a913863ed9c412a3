"""Message classes stay: protobuf would collect those of inner messages with the last message, and make them again."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest

from controller.p4rt.protos import p4r
from emulator.compiler import protos as compiler_protos

STRESS = """
import gc, mmap, threading, time
from controller.p4rt.protos import p4r

class Node: pass

end = time.monotonic() + {seconds}

def work():
    while time.monotonic() < end:
        request = p4r.StreamMessageRequest()
        request.arbitration.election_id.low = 5
        request = p4r.StreamMessageRequest.FromString(request.SerializeToString())
        write = p4r.WriteRequest()
        write.updates.add().entity.table_entry.match.add(field_id=1).exact.value = b"1"
        node = Node()  # a cycle whose end lets other threads run
        node.all = node, request, write, mmap.mmap(-1, 4096)
        del request, write, node
        time.sleep(0.0003)

def collect():
    while time.monotonic() < end:
        gc.collect()

threads = [threading.Thread(target=work) for _ in range(4)] + [threading.Thread(target=collect)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def class_of(message: Any) -> weakref.ref[type]:
    return weakref.ref(type(message))


def test_classes_of_inner_messages_outlive_their_messages() -> None:
    kept = [
        class_of(p4r.StreamMessageRequest().arbitration.election_id),
        class_of(p4r.TableEntry().match.add().exact),
        class_of(p4r.ForwardingPipelineConfig().p4info.tables.add().preamble.doc),
        class_of(p4r.StreamMessageResponse().arbitration.status),
        class_of(compiler_protos.p4info_message().tables.add().match_fields.add().type_name),
        class_of(compiler_protos.write_request().updates.add().entity.register_entry.index),
    ]
    gc.collect()
    assert all(found() is not None for found in kept)


@pytest.mark.slow
def test_collections_while_messages_are_made_do_not_crash() -> None:
    """Without the classes held it takes a few seconds to crash."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", STRESS.format(seconds=20)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
