"""Hears from the kernel when a network interface changes, through a netlink socket."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

LINK_GROUP = 1
"""RTMGRP_LINK: interfaces that appear, vanish, go up or down, gain or lose their carrier."""


class LinkWatch:
    """Calls `changed` in a thread of its own after any interface of the network namespace it was made in has changed.
    Where the kernel gives no such socket it does nothing."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._socket.setblocking(False)
            self._socket.bind((0, LINK_GROUP))
        except OSError as error:
            log.warning("links are looked at only when numbers are read: %s", error.strerror)
            self._shut()

    def start(self) -> None:
        if self._socket is not None:
            self._thread = threading.Thread(target=self._run, name="fpisa-links", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread; also twice."""
        if self._end < 0:
            return
        os.eventfd_write(self._end, 1)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._shut()
        os.close(self._end)
        self._end = -1

    def _shut(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _run(self) -> None:
        assert self._socket is not None
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        poll.register(self._socket, select.POLLIN)
        while self._end not in (fd for fd, _ in poll.poll()):
            self._empty()
            try:
                self._changed()
            except Exception:
                log.exception("a change of links was not followed")

    def _empty(self) -> None:
        """What the messages say does not matter: the interfaces are asked themselves."""
        assert self._socket is not None
        with contextlib.suppress(OSError):  # EAGAIN: empty; ENOBUFS: some were lost
            while True:
                self._socket.recv(1 << 16)
