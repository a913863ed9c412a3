"""TLS: who is let in, who is not, and what is said of certificates that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller.p4rt.client import Tls
from controller.p4rt.status import P4RuntimeError
from controller.p4rt.switch import P4Switch
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server, ServerTls


@pytest.fixture
def serve(certificates: Path) -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:

        def start(
            cacert: str | None = None, client_auth: bool = False, cert: str = "server", key: str = "server"
        ) -> str:
            device = Device(SwitchOptions("interp"))
            stack.callback(device.close)
            c = certificates
            tls = ServerTls(c / f"{cert}.pem", c / f"{key}.key", c / f"{cacert}.pem" if cacert else None, client_auth)
            server = Server(device, "127.0.0.1:0", tls)
            stack.callback(server.stop, 0)
            server.start()
            return server.address

        yield start


def enters(address: str, tls: Tls) -> bool:
    with P4Switch(address, tls=tls, timeout=20) as client:
        return client.election.primary


def stays_out(address: str, tls: Tls | None) -> bool:
    try:
        with P4Switch(address, tls=tls, timeout=1):
            return False
    except P4RuntimeError as error:
        return error.is_unreachable and address in str(error)


def test_a_server_alone_shows_a_certificate(serve: Callable[..., str], certificates: Path) -> None:
    address, c = serve(), certificates
    assert enters(address, Tls(c / "ca.pem"))
    assert enters(address, Tls(c / "ca.pem", server_name="switch"))
    assert stays_out(address, Tls(c / "other_ca.pem")), "a server of an unknown CA"
    assert stays_out(address, Tls(c / "ca.pem", server_name="elsewhere")), "a certificate for another name"
    assert stays_out(address, None), "a client without TLS"


def test_clients_show_certificates_where_they_must(serve: Callable[..., str], certificates: Path) -> None:
    address, c = serve("ca", True), certificates
    assert enters(address, Tls(c / "ca.pem", c / "client.pem", c / "client.key"))
    assert stays_out(address, Tls(c / "ca.pem"))
    assert stays_out(address, Tls(c / "ca.pem", c / "stranger.pem", c / "stranger.key"))
    assert enters(serve("ca"), Tls(c / "ca.pem")), "a CA alone asks for no certificates"


def test_certificates_that_cannot_be_used(serve: Callable[..., str], certificates: Path) -> None:
    (certificates / "broken.pem").write_text("no certificate\n")
    (certificates / "broken.key").write_text("no key\n")
    for cert, key in (("broken", "server"), ("server", "broken"), ("server", "client")):
        with pytest.raises(OSError, match="certificate") as caught:
            serve(cert=cert, key=key)
        assert "\n" not in str(caught.value)
