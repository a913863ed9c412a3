"""P4Info and P4Runtime messages, from the descriptors inside the `p4runtime` package.

The package's generated code is for an older protobuf than the pinned one and does not run on it; the serialized
descriptors in it do. They sit in a pool of our own. Only the files asked for are loaded: P4Info needs two small ones.
"""
from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory

_LITERAL = re.compile(r"""(?:serialized_pb\s*=\s*|AddSerializedFile\()(b(?P<q>['"])(?:\\.|(?!(?P=q)).)*(?P=q))""", re.DOTALL)
_CONFIG = ("p4/config/v1/p4types", "p4/config/v1/p4info")
_RUNTIME = ("p4/v1/p4data", "p4/v1/p4runtime")
_pool = descriptor_pool.DescriptorPool()
_loaded: set[str] = set()
_held: list[Any] = []
"""The classes of all messages. protobuf drops those of inner messages with the last such message and makes them again, which
crashes where another thread asks for one while they are collected."""


def _root() -> Path:
    spec = importlib.util.find_spec("p4")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the p4runtime package is not installed; run `pip install p4runtime`")
    return Path(next(iter(spec.submodule_search_locations))).parent


def _load(names: tuple[str, ...]) -> None:
    for name in names:
        if name not in _loaded:
            text = (_root() / f"{name}_pb2.py").read_text(encoding="utf-8")
            found = _LITERAL.search(text)
            if found is None:
                raise ImportError(f"no descriptor in {name}_pb2.py; reinstall the p4runtime package")
            _pool.AddSerializedFile(ast.literal_eval(found.group(1)))
            _loaded.add(name)
            _hold(_pool.FindFileByName(f"{name}.proto").message_types_by_name.values())


def _hold(found: Iterable[Any]) -> None:
    for one in found:
        _held.append(message_factory.GetMessageClass(one))
        _hold(one.nested_types)


def p4info_message() -> Any:
    """An empty p4.config.v1.P4Info."""
    if not _loaded:
        _pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    _load(_CONFIG)
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName("p4.config.v1.P4Info"))()


def write_request() -> Any:
    """An empty p4.v1.WriteRequest."""
    from google.rpc import status_pb2

    p4info_message()
    if "status" not in _loaded:
        _pool.AddSerializedFile(status_pb2.DESCRIPTOR.serialized_pb)
        _loaded.add("status")
    _load(_RUNTIME)
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName("p4.v1.WriteRequest"))()


def pool() -> descriptor_pool.DescriptorPool:
    return _pool
