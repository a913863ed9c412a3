"""The backend under real processes: an unmodified script over veth pairs, the switch being the model."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.p4.model import Program
from tests.workers.cluster import model_for
from tests.workers.veth import Seats, Veths, VethSwitch
from workers.allreduce import Options
from workers.torch_backend import settings

CHILD = Path(__file__).with_name("ddp_child.py")
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def free_udp_port() -> int:
    """Free at every address of this machine, where other tests' workers live as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


OPTIONS = Options(elements=64, slots=32, udp_port=free_udp_port())


def run_ranks(backend, controller, pairs, *words, **extra):
    """The child script once a rank, as torchrun would start it; (exit status, output, errors) of each."""
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    common |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "FPISA_CONTROLLER": controller, **extra}
    common["FPISA_UDP_PORT"] = str(OPTIONS.udp_port)
    children = []
    for rank, (near, _) in enumerate(pairs):
        mine = {"RANK": str(rank), "FPISA_INTERFACE": near, "FPISA_ELEMENTS": "64", "FPISA_SLOTS": "32"}
        mine["FPISA_DEADLINE"] = "60"  # a crowded machine must not look like a silent rank
        command = [sys.executable, str(CHILD), backend, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        children.append(subprocess.Popen(command, env=common | mine, cwd=ROOT.parent, **pipes))
    try:
        done = [child.communicate(timeout=120) for child in children]
    finally:
        for child in children:
            child.kill()
    return [(child.returncode, *texts) for child, texts in zip(children, done, strict=True)]


@pytest.fixture
def network():
    """(the controller's address, the veth pairs, the model)."""
    with Veths() as pairs:
        model = model_for(2, OPTIONS, Program(elements=64, slots=64))
        switch, seats = VethSwitch(model.process, [far for _, far in pairs]), Seats()
        try:
            yield seats.address, pairs, model
        finally:
            switch.close()
            seats.close()


@pytest.mark.root
@pytest.mark.parametrize("how", ["fpisa", pytest.param("cpu:fpisa", marks=pytest.mark.slow), "url"])
def test_an_unmodified_script(network, how):
    controller, pairs, model = network
    words = ["fpisa", f"fpisa://{controller}/grad?slots=32"] if how == "url" else [how]
    ranks = run_ranks(words[0], "nowhere" if how == "url" else controller, pairs, *words[1:])
    for status, _, errors in ranks:
        assert status == 0, errors
    first, second = (json.loads(out) for _, out, _ in ranks)
    for mine in (first, second):
        assert mine["sum"] == [[3.0], [3.0]]
        assert (mine["avg"], mine["avg64"], mine["max"]) == ([0.5], [0.5], [1.0, 0.0])
        assert (mine["int64"], mine["gather"]) == ([1, 14], [[0.0, 0.0], [1.0, 1.0]])
        assert (mine["broadcast"], mine["objects"]) == (15.0, [{"rank": 0}, {"rank": 1}])
    assert first["weights"] == second["weights"]
    assert model.fates["completed"] > 50


@pytest.mark.root
def test_a_rank_that_dies_is_named(network):
    controller, pairs, _ = network
    (status, _, errors), (killed, _, _) = run_ranks("fpisa", controller, pairs, DIE="1")
    assert killed == 9 and status not in (0, 9), errors
    assert "rank 1 went silent: it hung up" in errors, errors


@pytest.mark.root
def test_no_controller_is_one_sentence(network):
    _, pairs, _ = network
    nowhere = f"127.0.0.1:{free_port()}"
    for status, _, errors in run_ranks("fpisa", nowhere, pairs):
        assert status == 1 and f'backend "fpisa": no controller answers at {nowhere}' in errors


def test_settings_come_from_environment_and_url(monkeypatch):
    environment = {"FPISA_CONTROLLER": "a:1", "FPISA_INTERFACE": "eth0", "FPISA_SLOTS": "128"}
    read = settings.read_settings(environment)
    assert (read.controller, read.job, read.interface, read.options.slots) == ("a:1", "torch", "eth0", 128)
    url = settings.from_url("fpisa://b:2/train?slots=64&deadline=3.5&rank=1&world_size=2")
    assert url == {"controller": "b:2", "job": "train", "slots": "64", "deadline": "3.5"}
    monkeypatch.setattr(settings, "_url_settings", url)
    read = settings.read_settings(environment)
    assert (read.controller, read.job, read.options.slots, read.options.timing.deadline) == ("b:2", "train", 64, 3.5)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, 'backend "fpisa" needs FPISA_CONTROLLER'),
        ({"FPISA_CONTROLLER": "a:1"}, "needs FPISA_INTERFACE"),
        ({"FPISA_CONTROLLER": "a:1", "FPISA_INTERFACE": "e", "FPISA_SLOTS": "x"}, "slots must be a number above 0"),
        ({"FPISA_CONTROLLER": "a:1", "FPISA_INTERFACE": "e", "FPISA_ELEMENTS": "7"}, "holds 32 to 256 values"),
        ({"FPISA_CONTROLLER": "a:1", "FPISA_INTERFACE": "e", "FPISA_FORMAT": "fp31"}, "unknown wire format"),
    ],
)
def test_wrong_settings_have_a_sentence(environment, sentence):
    with pytest.raises(settings.SettingsError, match=sentence):
        settings.read_settings(environment)


def test_an_unknown_parameter_has_a_sentence():
    with pytest.raises(settings.SettingsError, match="unknown setting 'slot' in fpisa://a:1/j"):
        settings.from_url("fpisa://a:1/j?slot=3")
