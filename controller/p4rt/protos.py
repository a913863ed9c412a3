"""The P4Runtime and P4Info messages: the only file that knows how they come into Python.

The `p4runtime` package ships code generated for protobuf 3, which newer protobuf runtimes refuse to execute.
The descriptors inside it are fine, so this reads them from the package's files and builds the classes at run
time, in a pool of its own: another P4Runtime library in the same process cannot collide with it.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any as AnyType

from google.protobuf import any_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

__all__ = [
    "METHODS",
    "SERVICE",
    "DecodeError",
    "ErrorInfo",
    "Message",
    "Method",
    "RpcStatus",
    "p4i",
    "p4r",
    "parse_text",
    "print_text",
]

SERVICE = "p4.v1.P4Runtime"

# In the order of their imports.
_FILES = ("p4/config/v1/p4types", "p4/config/v1/p4info", "p4/v1/p4data", "p4/v1/p4runtime")


def _serialized(path: Path) -> bytes:
    """The serialized FileDescriptorProto inside a generated `_pb2.py`, old style or new."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            value = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            value = node.args[0]
        if isinstance(value, ast.Constant) and isinstance(value.value, bytes):
            return value.value
    raise ImportError(f"no descriptor in {path}; reinstall the p4runtime package")


def _load() -> descriptor_pool.DescriptorPool:
    spec = importlib.util.find_spec("p4")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the p4runtime package is not installed; run `pip install p4runtime`")
    root = Path(next(iter(spec.submodule_search_locations))).parent
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, status_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    for name in _FILES:
        pool.AddSerializedFile(_serialized(root / f"{name}_pb2.py"))
    return pool


_POOL = _load()


def _classes(found: AnyType) -> list[AnyType]:
    """The classes of messages, by their descriptors, and of all that is declared inside them."""
    made = [message_factory.GetMessageClass(one) for one in found]
    return made + [inner for one in found for inner in _classes(one.nested_types)]


# Held for good. protobuf keeps the classes of a pool's inner messages only as long as there is such a message; then they are
# garbage, and are made again for the next. A garbage collection that lets another thread run meanwhile (as it does where it
# frees one of gRPC's objects, or memory mapped from a file) hands that thread a class that is half taken apart: a crash.
_HELD = [
    made
    for name in (*_FILES, "google/rpc/status", "google/protobuf/any")
    for made in _classes(list(_POOL.FindFileByName(f"{name}.proto").message_types_by_name.values()))
]


class _Package:
    """A protobuf package as a namespace: `p4r.TableEntry()`, `p4r.Update.INSERT`."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> AnyType:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            found = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{self._package}.{name}"))
        except KeyError:
            raise AttributeError(f"no message {name} in {self._package}") from None
        setattr(self, name, found)
        return found


p4r: AnyType = _Package("p4.v1")
p4i: AnyType = _Package("p4.config.v1")
RpcStatus: AnyType = _Package("google.rpc").Status
ErrorInfo: AnyType = error_details_pb2.ErrorInfo


@dataclass(frozen=True)
class Method:
    """One RPC of the service: its message classes and whether each side streams."""

    name: str
    request: AnyType
    response: AnyType
    client_streaming: bool
    server_streaming: bool

    @property
    def path(self) -> str:
        return f"/{SERVICE}/{self.name}"


def _methods() -> dict[str, Method]:
    return {
        m.name: Method(
            m.name,
            message_factory.GetMessageClass(m.input_type),
            message_factory.GetMessageClass(m.output_type),
            m.client_streaming,
            m.server_streaming,
        )
        for m in _POOL.FindServiceByName(SERVICE).methods
    }


METHODS: dict[str, Method] = _methods()


def parse_text(text: str, message: AnyType) -> AnyType:
    """Fill `message` from protobuf text; raises ValueError with the parser's line and column."""
    try:
        return text_format.Parse(text, message, descriptor_pool=_POOL)
    except text_format.ParseError as error:
        raise ValueError(str(error)) from None


def print_text(message: Message) -> str:
    return text_format.MessageToString(message)


@cache
def enum_name(enum: str, number: int) -> str:
    """`enum_name("p4.v1.Update.Type", 1)` is "INSERT"; the number itself where it has no name."""
    found = _POOL.FindEnumTypeByName(enum).values_by_number.get(number)
    return found.name if found is not None else str(number)
