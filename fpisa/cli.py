"""The `fpisa` command: a table of subcommands, each imported only when it is asked for.

A subcommand is a function `main(argv) -> int` in the room that does the work; it brings its own
`--help` with an example, and `--json` where it has results. Nobody imports this module.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import io
import os
import select
import sys
from collections.abc import Sequence

# name -> (module, function, one line of help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("workers.main_job", "main", "train the digits network with every aggregator and compare"),
    "sum": ("fpisa.sum_cli", "main", "add floats as the switch does, showing registers and flags"),
    "accuracy": ("fpisa.accuracy.cli", "main", "compare FPISA's sums with IEEE and other methods"),
    "converge": ("fpisa.accuracy.converge_cli", "main", "train with simulated workers and compare convergence"),
    "compile": ("emulator.compiler.main", "main", "compile P4_16 to bmv2 JSON and P4Info"),
    "switch": ("emulator.server.main", "main", "start the software switch with its P4Runtime server"),
    "p4": ("emulator.server.p4_cli", "main", "run, test, trace or draw a P4 program"),
    "controller": ("controller.cli", "main", "start the controller, or inspect a switch"),
    "topo": ("emulator.topo.main", "main", "build a Mininet topology with P4 switches"),
    "worker": ("workers.cli", "main", "join a job and all-reduce or train"),
    "compare": ("workers.compare.cli", "main", "compare aggregators over tensor size, loss, workers and CPU"),
    "fit": ("fpisa.banzai.fit_cli", "main", "say how a program fits a switch pipeline"),
    "hw": ("fpisa.banzai.hw_cli", "main", "price the hardware units FPISA asks for"),
    "query": ("workers.query.cli", "main", "run a database query with pruning on the switch"),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {line}" for name, (_, _, line) in COMMANDS.items() if available(name)]
    return "\n".join(
        ["usage: fpisa COMMAND [OPTION...]", "", *rows, "",
         "fpisa COMMAND --help shows a command's options with an example, such as",
         "  fpisa sum 1.5 -2.25 0x7f800000"]
    )


def available(name: str) -> bool:
    """Whether the command's module is part of this installation."""
    try:
        return importlib.util.find_spec(COMMANDS[name][0]) is not None
    except ModuleNotFoundError:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    args = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    who = f"fpisa {args[0]}" if args and args[0] in COMMANDS else "fpisa"
    try:
        try:
            return dispatch(args)
        finally:
            sys.stdout.flush()  # here, where a full disk is still a sentence
    except KeyboardInterrupt:
        return complain("fpisa: interrupted", 130)
    except BrokenPipeError as error:
        if reader_is_gone():
            silence_output()
            return 0
        return complain(f"{who}: error: {reason(error)}", 1)
    except OSError as error:
        silence_output()
        return complain(f"{who}: error: {reason(error)}", 1)
    except Exception:
        return complain(f"{who}: error: a fault of this program, not of yours; {kept_report()}", 1)


def dispatch(args: Sequence[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if args[0] == "--version":
        from importlib.metadata import version

        print("fpisa", version("fpisa"))
        return 0
    name, rest = args[0], list(args[1:])
    if name not in COMMANDS or not available(name):
        return complain(f"fpisa: unknown command {name!r}; `fpisa --help` lists the commands", 2)
    module, function, _ = COMMANDS[name]
    return int(getattr(importlib.import_module(module), function)(rest) or 0)


def complain(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def prepare_streams() -> None:
    """A closed stream swallows what is written, and a character that the terminal's encoding lacks is a question mark."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open as long as the process is
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as behind `| head`."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    except (OSError, ValueError):
        return False


def silence_output() -> None:
    """What is still buffered goes nowhere: Python would try to write it again at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # standard output is not a file


def reason(error: OSError) -> str:
    if error.filename is not None:
        return f"{error.filename}: {error.strerror or error}"
    if error.errno == errno.ENOSPC:
        return "cannot write the output: no space left on the device"
    return error.strerror or str(error)


def kept_report() -> str:
    """Puts the traceback where it can be sent from; says where that is."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="fpisa-fault-", suffix=".txt", delete=False) as report:
            traceback.print_exc(file=report)
        return f"{report.name} says where it happened"
    except OSError:
        return repr(sys.exc_info()[1])


if __name__ == "__main__":
    sys.exit(main())
