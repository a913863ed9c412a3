"""`fpisa compile`: P4_16 for v1model to bmv2 JSON and P4Info, with the flags of p4c-bm2-ss that people use."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from .flags import check, error_classes, include_path, make_parser, normalized, warning_classes, words

JSON_LEVELS = 5
JSON_WIDTH = 110


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    args = parser.parse_args(normalized(sys.argv[1:] if argv is None else argv))
    args.include = include_path(args.include)
    problem = check(args)
    if problem:
        print(f"fpisa compile: error: {problem}", file=sys.stderr)
        return 2
    if args.compiler == "p4c":
        return run_p4c(args)
    try:
        return compile_one(args)
    except OSError as error:
        where = error.filename or "the output"  # a full disk does not say which file is on it
        print(f"fpisa compile: error: cannot write {where}: {error.strerror}", file=sys.stderr)
        return 1


def compile_one(args: argparse.Namespace) -> int:
    """Compile with this compiler; the exit status is 0, or 1 when the program has errors."""
    from .context import Options
    from .source import Diagnostics

    errors, kept = error_classes(args)
    diags = Diagnostics(disabled=warning_classes(args.Wdisable), as_errors=errors, kept=kept,
                        max_errors=max(1, args.maxErrorCount))
    if args.preprocess or args.depends_only:
        return _preprocess_only(args, diags)
    from .api import compile_file

    options = Options(args.allowed, args.parser_reject, args.ndebug, not args.no_unroll, args.emit_externs,
                      frozenset(words(args.ignored)))
    watch = _Watch(args)
    result = compile_file(args.source, include=args.include, defines=args.define, undefines=args.undefine,
                          options=options, diags=diags, watch=watch, directives=not args.nocpp)
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
        self.wanted = set(words(args.dump_after))

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
        tokens = preprocess(args.source, diags, args.include, args.define, args.undefine, not args.nocpp)
    except CompileError:
        pass
    if diags.items:
        print(diags.render(), file=sys.stderr)
    if diags.failed:
        return 1
    sys.stdout.write(depends_rule(args, diags) if args.depends_only else spell(tokens[:-1]))
    return 0


def depends_rule(args: argparse.Namespace, diags: Any) -> str:
    """The JSON file and the files it is made from, as a rule for make."""
    names = dict.fromkeys(f.name for f in diags.files if not f.name.startswith("<"))
    return f"{output_path(args)}: " + " \\\n  ".join(name.replace(" ", "\\ ") for name in names) + "\n"


def _write_outputs(args: argparse.Namespace, result: Any) -> None:
    path = output_path(args)
    if path == "-":
        sys.stdout.write(json_text(result.json))
    else:
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(json_text(result.json))
    if args.depends or args.depends_file:
        with open(args.depends_file or os.path.splitext(path)[0] + ".d", "w", encoding="utf-8") as handle:
            handle.write(depends_rule(args, result.diags))
    files = [(name, "") for name in words([args.p4runtime_files])]
    files += [(name, args.p4runtime_format or "binary") for name in words([args.p4runtime_file])]
    if files:
        from .emit_p4info import write_message

        for name, form in files:
            write_message(result.p4info, name, form, args.p4runtime_format)
    entries = words([args.p4runtime_entries_files])
    if entries:
        from .emit_entries import emit_entries
        from .emit_p4info import write_message

        for name in entries:
            write_message(emit_entries(result.program, result.p4info), name, "")


def json_text(document: Any, level: int = 0) -> str:
    """JSON with short objects on one line each, and everything deeper than an action's primitives."""
    import json

    if not isinstance(document, (dict, list)) or not document:
        return json.dumps(document)
    if level >= 2:
        flat = json.dumps(document)
        if level == JSON_LEVELS or len(flat) < JSON_WIDTH:
            return flat
    indent = "\n" + " " * (level + 1)
    if isinstance(document, dict):
        rows = [f"{json.dumps(k)}: {json_text(v, level + 1)}" for k, v in document.items()]
    else:
        rows = [json_text(v, level + 1) for v in document]
    opening, closing = "{}" if isinstance(document, dict) else "[]"
    return opening + indent + ("," + indent).join(rows) + indent[:-1] + closing + ("" if level else "\n")


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
