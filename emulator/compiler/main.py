"""`fpisa compile`: P4_16 for v1model to bmv2 JSON and P4Info, with the flags of p4c-bm2-ss that people use."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

EXAMPLE = """example:
  fpisa compile prog.p4 -o prog.json --p4runtime-files prog.p4info.txtpb
"""
LIMITS = ("table-reuse", "division")


def make_parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="fpisa compile", description=__doc__, epilog=EXAMPLE, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source", help="P4_16 program")
    p.add_argument("-o", metavar="FILE", dest="output", help="write bmv2 JSON here (default: the program's name with .json)")
    p.add_argument("-I", action="append", default=[], metavar="DIR", dest="include", help="look for included files here")
    p.add_argument("-D", action="append", default=[], metavar="NAME[=VALUE]", dest="define", help="define a macro")
    p.add_argument("-U", action="append", default=[], metavar="NAME", dest="undefine", help="forget a macro")
    p.add_argument("-E", action="store_true", dest="preprocess", help="preprocess only, to standard output")
    p.add_argument("--p4runtime-files", default="", metavar="A[,B]",
                   help="write P4Info; .txtpb, .txt, .json or .bin tells the form")
    p.add_argument("--p4runtime-file", default="", metavar="FILE", help=argparse.SUPPRESS)
    p.add_argument("--p4runtime-format", default="", help=argparse.SUPPRESS)
    p.add_argument("--p4runtime-entries-files", default="", metavar="A[,B]",
                   help="write the program's own table entries as a P4Runtime WriteRequest")
    p.add_argument("--Wdisable", nargs="?", const="*", action="append", default=[], metavar="CLASS",
                   help="leave out a class of warnings, or all (--Wdisable=unused)")
    p.add_argument("--Werror", nargs="?", const="*", action="append", default=[], metavar="CLASS",
                   help="count a class of warnings, or all, as errors")
    p.add_argument("--Wwarn", nargs="?", const="*", action="append", default=[], help=argparse.SUPPRESS)
    p.add_argument("--Winfo", nargs="?", const="*", action="append", default=[], help=argparse.SUPPRESS)
    p.add_argument("--maxErrorCount", type=int, default=20, metavar="N", help="stop after so many errors")
    p.add_argument("--target", default="bmv2", help="bmv2 (the only one)")
    p.add_argument("--arch", default="v1model", help="v1model (the only one)")
    p.add_argument("--std", default="p4-16", help="p4-16 (the only one)")
    p.add_argument("--p4v", default="16", help=argparse.SUPPRESS)
    p.add_argument("-b", dest="backend", help=argparse.SUPPRESS)
    p.add_argument("-a", dest="arch_short", help=argparse.SUPPRESS)
    p.add_argument("--pp", metavar="FILE", help="write the program as read, after preprocessing")
    p.add_argument("-v", action="count", default=0, dest="verbose", help="say what is being done, with times")
    p.add_argument("--dump-after", action="append", default=[], metavar="PASS",
                   help="print the program after a pass (parse, inline, or a pass's name; --dump-after=list names them)")
    p.add_argument("--allow", action="append", default=[], metavar="LIMIT",
                   help=f"lift limits of the reference target: {', '.join(LIMITS)} (comma separated, or all)")
    p.add_argument("--parser-reject", choices=("accept", "drop"), default="accept",
                   help="what an explicit `transition reject` does: end parsing (as simple_switch) or drop the packet")
    p.add_argument("--emit-externs", action="store_true",
                   help="write externs that the program declares, for a switch that loads a module with them")
    p.add_argument("--ndebug", action="store_true", help="leave out assert and assume")
    p.add_argument("--no-unroll", action="store_true", help="keep loops in actions as loops")
    p.add_argument("--compiler", choices=("fpisa", "p4c"), default="fpisa",
                   help="p4c: use an installed p4c-bm2-ss instead")
    p.add_argument("--version", action="version", version="fpisa compile, bmv2 JSON 2.23")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    args = parser.parse_args(sys.argv[1:] if argv is None else list(argv))
    problem = _check(args)
    if problem:
        print(f"fpisa compile: error: {problem}", file=sys.stderr)
        return 2
    if args.compiler == "p4c":
        return run_p4c(args)
    try:
        return compile_one(args)
    except OSError as error:
        print(f"fpisa compile: error: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _check(args: argparse.Namespace) -> str | None:
    arch = args.arch_short or args.arch
    target = args.backend or args.target
    if target not in ("bmv2", "simple_switch") or arch != "v1model":
        return f"only v1model on bmv2 is supported, not {arch} on {target}"
    if args.std.lower() not in ("p4-16", "p4_16") or args.p4v not in ("16", "p4-16"):
        return "only P4_16 is supported"
    if not os.path.isfile(args.source):
        return f"no such file: {args.source}"
    args.allowed = frozenset(LIMITS) if "all" in _words(args.allow) else frozenset(_words(args.allow))
    unknown = sorted(args.allowed - set(LIMITS))
    if unknown:
        return f"--allow knows {', '.join(LIMITS)}, not {unknown[0]}"
    return None


def _words(items: Sequence[str]) -> list[str]:
    return [w for item in items for w in item.split(",") if w]


def compile_one(args: argparse.Namespace) -> int:
    """Compile with this compiler; the exit status is 0, or 1 when the program has errors."""
    from .context import Options
    from .source import Diagnostics

    diags = Diagnostics(disabled=set(_words(args.Wdisable)), as_errors=set(_words(args.Werror)),
                        max_errors=max(1, args.maxErrorCount))
    if args.preprocess:
        return _preprocess_only(args, diags)
    from .api import compile_file

    options = Options(args.allowed, args.parser_reject, args.ndebug, not args.no_unroll, args.emit_externs)
    watch = _Watch(args)
    result = compile_file(args.source, include=args.include, defines=args.define, undefines=args.undefine,
                          options=options, diags=diags, watch=watch)
    if result.diagnostics:
        print(result.text(), file=sys.stderr)
    if result.json is None:
        return 1
    _write_outputs(args, result)
    return 0


class _Watch:
    """Told after each pass: prints times (-v) and the program (--dump-after, --pp)."""

    def __init__(self, args: argparse.Namespace) -> None:
        import time

        self.args = args
        self.clock = time.perf_counter
        self.last = self.clock()
        self.wanted = set(_words(args.dump_after))

    def __call__(self, name: str, subject: Any) -> None:
        now = self.clock()
        if self.args.verbose:
            print(f"fpisa compile: {name}: {(now - self.last) * 1000:.1f} ms", file=sys.stderr)
        if "list" in self.wanted:
            print(name)
        if name == "preprocess" and self.args.pp:
            from .lexer import spell

            with open(self.args.pp, "w", encoding="utf-8") as handle:
                handle.write(spell(subject[:-1]))
        elif name in self.wanted or "all" in self.wanted:
            from .dump import dump

            print(f"// after {name}\n{dump(subject)}")
        self.last = self.clock()


def _preprocess_only(args: argparse.Namespace, diags: Any) -> int:
    from .lexer import spell
    from .preprocess import preprocess
    from .source import CompileError

    tokens: list[Any] = []
    try:
        tokens = preprocess(args.source, diags, args.include, args.define, args.undefine)
    except CompileError:
        pass
    if diags.items:
        print(diags.render(), file=sys.stderr)
    if diags.failed:
        return 1
    sys.stdout.write(spell(tokens[:-1]))
    return 0


def _write_outputs(args: argparse.Namespace, result: Any) -> None:
    import json

    path = output_path(args)
    with open(path, "w", encoding="utf-8") as handle:
        json.dump(result.json, handle, indent=1)
        handle.write("\n")
    files = _words([args.p4runtime_files, args.p4runtime_file])
    if files:
        from .emit_p4info import write_message

        for name in files:
            write_message(result.p4info, name, args.p4runtime_format)
    entries = _words([args.p4runtime_entries_files])
    if entries:
        from .emit_entries import emit_entries
        from .emit_p4info import write_message

        for name in entries:
            write_message(emit_entries(result.program, result.p4info), name, "")


def output_path(args: argparse.Namespace) -> str:
    stem = os.path.splitext(os.path.basename(args.source))[0] + ".json"
    if args.output is None:
        return stem
    return os.path.join(args.output, stem) if os.path.isdir(args.output) else args.output


def run_p4c(args: argparse.Namespace) -> int:
    """Hand over to an installed p4c-bm2-ss."""
    import shutil
    import subprocess

    found = shutil.which("p4c-bm2-ss")
    if found is None:
        print("fpisa compile: error: --compiler p4c needs p4c-bm2-ss in the PATH", file=sys.stderr)
        return 1
    command = [found, args.source, "-o", output_path(args)]
    command += [f"-I{d}" for d in args.include] + [f"-D{d}" for d in args.define] + [f"-U{d}" for d in args.undefine]
    for flag, values in (("--Wdisable", args.Wdisable), ("--Werror", args.Werror)):
        command += [flag if v == "*" else f"{flag}={v}" for v in values]
    for flag, value in (("--p4runtime-files", args.p4runtime_files), ("--pp", args.pp),
                        ("--p4runtime-entries-files", args.p4runtime_entries_files)):
        command += [flag, value] if value else []
    command += ["-E"] if args.preprocess else []
    command += ["--ndebug"] if args.ndebug else []
    command += ["--emit-externs"] if args.emit_externs else []
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
