"""`fpisa p4`: run, test, trace or draw a P4 program (source or compiled JSON)."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from emulator.switch.draw import as_svg
from emulator.switch.externs import read_file
from emulator.switch.graph import as_dot, as_text
from emulator.switch.load import load_model
from emulator.switch.model import ModelError
from emulator.switch.stf import CaseError, Result, report, run_file
from emulator.switch.switch import Switch
from emulator.switch.trace import Event, trace_packet
from emulator.switch.trace_text import trace_text

MAX_PACKET = 10240
MAX_PORT = 511  # 9 bits


class UserError(Exception):
    """Something the user can put right; one sentence."""


class Refused(Exception):
    """The compiler has said already what is wrong; only its exit status is left."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


EXAMPLES = """examples:
  fpisa p4 run router.p4 -i 0@veth0 -i 1@veth2
  fpisa p4 test router.p4 router.stf
  fpisa p4 trace router.p4 --packet 0200000000010200000000020800 --port 1
  fpisa p4 graph router.p4 -o router.svg"""


def main(argv: Sequence[str] | None = None) -> int:
    args = list(sys.argv[1:] if argv is None else argv)
    if args and args[0] == "run":
        options, rest = _parser().parse_known_args(args)
        options.rest = rest
    else:
        options = _parser().parse_args(args)
    try:
        return int(options.function(options))
    except Refused as refused:
        return refused.status
    except (UserError, ModelError, CaseError) as error:
        print(f"fpisa p4: error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpisa p4",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "run", _run, "compile and start the switch; further options go to `fpisa switch`")
    test = _command(commands, "test", _test, "play a packet test; exit status 0 only if all of it holds")
    test.add_argument("case", nargs="+", help="packet tests (.stf), each played on a fresh switch")
    test.add_argument(
        "--form", choices=("auto", "golden", "reference"), default="auto",
        help="form of the test (auto: what the file shows; a comment `# form: golden` or `# form: reference` settles it)",
    )  # fmt: skip
    _engine_option(test, "interp")
    test.add_argument("--json", action="store_true", help="print the results as JSON")
    trace = _command(commands, "trace", _trace, "show what happens to one packet, step by step")
    trace.add_argument("--packet", required=True, metavar="HEX", help="the packet's bytes in hexadecimal")
    trace.add_argument("--port", type=int, default=0, help="port it comes in by (default 0)")
    trace.add_argument("--setup", metavar="FILE", help="packet test whose table entries (and packets) come first")
    trace.add_argument("--json", action="store_true", help="print the events as JSON")
    graph = _command(commands, "graph", _graph, "draw the parser and the control flow")
    graph.add_argument("-o", "--output", metavar="FILE", help=".svg, .dot or .txt (default: text to the terminal)")
    graph.add_argument("--json", action="store_true", help="print vertices and edges as JSON")
    return parser


def _command(commands, name, function, text) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
    parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("program", help="P4_16 source (.p4) or bmv2 JSON (.json)")
    parser.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="include folder")
    parser.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=V]", help="define a macro")
    parser.add_argument("--externs", metavar="FILE", help="Python file whose EXTERNS are the program's own externs")
    parser.set_defaults(function=function)
    return parser


def _engine_option(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--engine", choices=("auto", "jit", "interp"), default=default, help="(default %(default)s)")


# --- Programs ---


def switch_for(
    program: str | Path, *, include: Sequence[str] = (), define: Mapping[str, object] | None = None, **options: Any
) -> Switch:
    """A switch that runs a P4 source or bmv2 JSON file, for tests in one process. options: those of Switch.load.

    Raises ModelError; for a source that does not compile with the compiler's messages, a line each."""
    path = Path(program)
    if path.suffix != ".p4":
        return Switch.load(path, **options)
    compiler = importlib.import_module("emulator.compiler.api")
    own = compiler.Options(emit_externs=bool(options.get("externs")))
    result = compiler.compile_file(path, include=tuple(include), defines=dict(define or {}), options=own)
    if result.json is None:
        raise ModelError(result.text())
    return Switch.load(result.json, **options)


@contextmanager
def compiled(options: argparse.Namespace) -> Iterator[tuple[Path, Path | None]]:
    """(bmv2 JSON, P4Info if it was compiled here) of the program named on the command line."""
    program = Path(options.program)
    if not program.is_file():
        raise UserError(f"{program} is not a file" if program.exists() else f"there is no file {program}")
    if program.suffix != ".p4":
        yield program, None
        return
    if importlib.util.find_spec("emulator.compiler.main") is None:
        raise UserError("the compiler is not part of this installation; give the compiled JSON file instead")
    compiler = importlib.import_module("emulator.compiler.main")
    with tempfile.TemporaryDirectory(prefix="fpisa-") as folder:
        out, info = Path(folder, f"{program.stem}.json"), Path(folder, f"{program.stem}.p4info.txtpb")
        flags = [f"-I{name}" for name in options.include] + [f"-D{name}" for name in options.define]
        flags += ["--emit-externs"] if options.externs else []
        status = int(compiler.main([str(program), "-o", str(out), "--p4runtime-files", str(info), *flags]) or 0)
        if status or not out.exists():
            raise Refused(status or 1)
        yield out, info


def _externs(options: argparse.Namespace) -> dict[str, Any]:
    return read_file(options.externs) if options.externs else {}


# --- Commands ---


def _run(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("emulator.server.main") is None:
        raise UserError("the switch's server is not part of this installation")
    server = importlib.import_module("emulator.server.main")
    with compiled(options) as (program, info):
        extra = [] if info is None else ["--p4info", str(info)]
        extra += ["--externs", options.externs] if options.externs else []
        return int(server.main([str(program), *extra, *options.rest]) or 0)


def _test(options: argparse.Namespace) -> int:
    results: list[tuple[str, Result]] = []
    externs = _externs(options)
    with compiled(options) as (program, _):
        model = load_model(program, externs=externs)
        for case in options.case:
            switch = Switch(model, engine=options.engine, seed=0, externs=externs)
            results.append((case, run_file(switch, case, options.form)))
    if options.json:
        print(json.dumps([{"case": case, "passed": r.passed, **asdict(r)} for case, r in results], indent=2))
    else:
        for case, result in results:
            print("\n".join(report(result, case)))
    return 0 if all(result.passed for _, result in results) else 1


def _trace(options: argparse.Namespace) -> int:
    try:
        data = bytes.fromhex(options.packet)
    except ValueError:
        raise UserError("--packet takes whole bytes in hexadecimal, such as 0a1b2c") from None
    if not 0 <= options.port <= MAX_PORT:
        raise UserError(f"--port {options.port} is not from 0 to {MAX_PORT}")
    if len(data) > MAX_PACKET:
        raise UserError(f"the packet has {len(data)} bytes; the limit is {MAX_PACKET}")
    with compiled(options) as (program, _):
        switch = Switch.load(program, engine="interp", seed=0, externs=_externs(options))
        if options.setup:
            run_file(switch, options.setup)
        events = trace_packet(switch, options.port, data)
    if options.json:
        print(json.dumps(events, indent=2))
    else:
        _print_trace(events)
    return 0


STYLES = {
    **dict.fromkeys(("packet", "output"), "bold green"),
    **dict.fromkeys(("state", "pipeline"), "bold"),
    "table": "cyan",
    "condition": "blue",
    **dict.fromkeys(("drop", "odd", "parser_error"), "bold red"),
    **dict.fromkeys(("unicast", "multicast", "clone", "digest", "resubmit", "recirculate", "enqueue"), "magenta"),
}


def _print_trace(events: Iterable[Event]) -> None:
    """In colours where a person looks on; rich leaves them out of a file or a pipe."""
    console = Console(highlight=False, soft_wrap=True)
    for event in events:
        for line in trace_text([event]):
            console.print(Text(line, STYLES.get(event["kind"], "")))


def _graph(options: argparse.Namespace) -> int:
    with compiled(options) as (program, _):
        model = load_model(program, externs=_externs(options))
    if options.json:
        from emulator.switch.graph import graphs

        print(json.dumps([asdict(graph) for graph in graphs(model)], indent=2))
        return 0
    if options.output is None:
        print(as_text(model), end="")
        return 0
    writers = {".svg": as_svg, ".dot": as_dot, ".gv": as_dot, ".txt": as_text}
    target = Path(options.output)
    if target.suffix not in writers:
        raise UserError(f"{target} ends in none of {', '.join(writers)}")
    try:
        target.write_text(writers[target.suffix](model), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from None
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
