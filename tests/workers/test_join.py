"""Joining, over a scripted controller on a socket pair or a free port."""

import json
import socket
import threading

import pytest

from controller.session import JoinRequest
from workers.join import JoinError, Lines, Membership, PeerLost, join

REQUEST = JoinRequest("grad", 2, "10.0.0.1", 18100, 64)
JOINED = {
    "ok": True,
    "job": 9,
    "rank": 1,
    "workers": 2,
    "first_slot": 64,
    "slots": 64,
    "switch_mac": "02:00:00:00:00:fe",
    "switch_ip": "10.0.0.254",
    "udp_port": 18000,
    "members": [
        {
            "rank": r,
            "host": f"10.0.0.{r + 1}",
            "mac": f"02:00:00:00:00:0{r + 1}",
            "port": r,
            "udp_port": 18100,
        }
        for r in range(2)
    ],
}


class Controller:
    """Answers each line it is sent with the next of its scripted answers; None closes the connection."""

    def __init__(self, *answers):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.answers, self.heard = answers, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.server.accept()
        with connection, connection.makefile("rb") as lines:
            for answer, line in zip(self.answers, lines, strict=False):
                self.heard.append(json.loads(line))
                if answer is None:
                    return
                connection.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")
            self.heard += [json.loads(line) for line in lines]

    def close(self):
        self.server.close()
        self.thread.join(5)


@pytest.fixture
def controller():
    made = []

    def make(*answers):
        made.append(Controller(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_joining_and_leaving(controller):
    server = controller(JOINED)
    member = join(server.address, REQUEST, 5)
    assert (member.joined.job, member.joined.rank, member.joined.first_slot) == (9, 1, 64)
    member.check()
    member.leave()
    server.close()
    assert server.heard[0] == {"op": "join", **REQUEST.__dict__}
    assert server.heard[1] == {"op": "leave"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"ok": False, "error": "rank 1 is taken"}, "rank 1 is taken"),
        (None, "closed the connection"),
        (b"{nonsense\n", "not JSON"),
        ({**JOINED, "job": 0}, "'job' must be a whole number"),
    ],
)
def test_a_refusal_is_one_sentence(controller, answer, sentence):
    with pytest.raises(JoinError, match=sentence):
        join(controller(answer).address, REQUEST, 5)


def test_nobody_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    for nowhere in (address, str(tmp_path / "socket")):
        with pytest.raises(JoinError, match="no controller answers at"):
            join(nowhere, REQUEST, 5)
    with pytest.raises(JoinError, match="neither HOST:PORT nor the path"):
        join("localhost:http", REQUEST, 5)


def test_workers_that_never_come(controller):
    with pytest.raises(JoinError, match=r"job 'grad' did not get its 2 workers within 0\.05 s"):
        join(controller(b"").address, REQUEST, 0.05)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Membership(Lines(ours), None, REQUEST), theirs


def test_a_lost_peer_is_heard_of_once_it_is_lost(pair):
    member, theirs = pair
    member.check()
    theirs.sendall(b'{"event":"lo')
    member.check()
    theirs.sendall(b'st","rank":1,"reason":"its connection broke"}\n')
    with pytest.raises(PeerLost, match="rank 1 went silent: its connection broke") as caught:
        member.check()
    assert caught.value.ranks == (1,)
    with pytest.raises(PeerLost):
        member.check()


def test_asking_who_is_silent_skips_events(pair):
    member, theirs = pair
    theirs.sendall(b'{"event":"lost","rank":0,"reason":"gone"}\n{"ok":true,"silent":[0,3],"reason":"bits missing"}\n')
    answer = member.silent(130, 77)
    assert (answer.silent, answer.reason) == ((0, 3), "bits missing")
    assert json.loads(theirs.recv(1000)) == {"op": "silent", "pool_index": 130, "chunk": 77}


def test_a_controller_that_goes_away(pair):
    member, theirs = pair
    theirs.close()
    with pytest.raises(JoinError, match="closed the connection"):
        member.check()
