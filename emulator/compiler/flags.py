"""The command line of `fpisa compile`: p4c-bm2-ss's flags that people use, and our own."""
from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

EXAMPLE = """example:
  fpisa compile prog.p4 -o prog.json --p4runtime-files prog.p4info.txtpb
"""
LIMITS = ("table-reuse", "division")
CLASSES = ("deprecated", "mismatch", "ordering", "overflow", "parser-transition", "preprocessor", "reuse", "shadow",
           "uninitialized", "unknown", "unreachable", "unsupported", "unused")
OTHER_NAMES = {"uninitialized_use": "uninitialized", "uninitialized_out_param": "uninitialized",
               "ignore-prop": "unknown", "all": "*"}
"""What p4c calls classes of warnings that have another name here."""

WITHOUT_MEANING = frozenset([
    "--testJson", "--listMidendPasses", "--listFrontendPasses", "--parser-inline-opt", "--loopsUnroll",
    "-O", "-O0", "-O1", "-O2", "-O3", "-Og", "-Os", "-g", "--preferSwitch", "--validate",
    "--doNotEmitIncludes",
])
WITHOUT_MEANING_VALUED = frozenset([
    "--toJSON", "--dump", "--top4", "-T", "--excludeFrontendPasses", "--excludeMidendPasses", "--excludeBackendPasses",
])
"""Flags of p4c for looking into it or tuning it: read, and without effect. The latter are followed by a value."""
OPTIONAL_VALUE = frozenset(["--Wdisable", "--Werror", "--Wwarn", "--Winfo", "--disable-annotations"])
RUNTIME_FORMS = ("binary", "json", "text")


def normalized(argv: Sequence[str]) -> list[str]:
    """The command line without flags that mean nothing here; a flag whose value is optional has it after `=` only."""
    out: list[str] = []
    skip = False
    for word in argv:
        name, equals, value = word.partition("=")
        if skip:
            skip = False
        elif name in OPTIONAL_VALUE:
            out.append(f"{name}={value or '*'}")
        elif name in WITHOUT_MEANING_VALUED:
            skip = not equals
        elif name not in WITHOUT_MEANING:
            out.append(word)
    return out


def make_parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="fpisa compile", epilog=EXAMPLE, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="P4_16 for v1model to bmv2 JSON and P4Info, with the flags of p4c-bm2-ss that people use.")
    p.add_argument("source", help="P4_16 program")
    _output_flags(p)
    _language_flags(p)
    _diagnostic_flags(p)
    p.add_argument("--fromJSON", dest="from_json", help=argparse.SUPPRESS)
    p.add_argument("--version", action="version", version="fpisa compile, bmv2 JSON 2.23")
    return p


def _output_flags(p: argparse.ArgumentParser) -> None:
    p.add_argument("-o", metavar="FILE", dest="output",
                   help="write bmv2 JSON here (-: standard output), or into this folder (default: the program's name with .json)")
    p.add_argument("-E", action="store_true", dest="preprocess", help="preprocess only, to standard output")
    p.add_argument("--p4runtime-files", default="", metavar="A[,B]",
                   help="write P4Info; .txtpb, .txt, .json or .bin tells the form")
    p.add_argument("--p4runtime-file", default="", metavar="FILE", help=argparse.SUPPRESS)
    p.add_argument("--p4runtime-format", choices=RUNTIME_FORMS, default="",
                   help="form of --p4runtime-file (binary by default), and of P4Info files whose name tells none")
    p.add_argument("--p4runtime-entries-files", "--p4runtime-entries-file", default="", metavar="A[,B]",
                   help="write the program's own table entries as a P4Runtime WriteRequest")
    p.add_argument("--pp", metavar="FILE", help="write the program as read, after preprocessing")
    p.add_argument("-M", "-MM", action="store_true", dest="depends_only",
                   help="print the files the program is made of as a rule for make, and stop")
    p.add_argument("-MD", "-MMD", action="store_true", dest="depends",
                   help="write that rule beside the JSON file (.d)")
    p.add_argument("-MF", metavar="FILE", dest="depends_file", help="write that rule here")


def _language_flags(p: argparse.ArgumentParser) -> None:
    p.add_argument("-I", action="append", default=[], metavar="DIR", dest="include",
                   help="look for included files here (then in the folders of P4C_16_INCLUDE_PATH)")
    p.add_argument("-D", action="append", default=[], metavar="NAME[=VALUE]", dest="define", help="define a macro")
    p.add_argument("-U", action="append", default=[], metavar="NAME", dest="undefine", help="forget a macro")
    p.add_argument("--nocpp", action="store_true", help="the program is preprocessed already: only #line and #pragma are read")
    p.add_argument("--disable-annotations", action="append", default=[],
                   metavar="A[,B]", dest="ignored", help="read the program as if it had none of these annotations")
    p.add_argument("--target", default="bmv2", help="bmv2 (the only one)")
    p.add_argument("--arch", default="v1model", help="v1model (the only one)")
    p.add_argument("--std", "--p4v", "-x", default="p4-16", help="p4-16 (the only one)")
    p.add_argument("-b", dest="backend", help=argparse.SUPPRESS)
    p.add_argument("-a", dest="arch_short", help=argparse.SUPPRESS)
    p.add_argument("--allow", action="append", default=[], metavar="LIMIT",
                   help=f"lift limits of the reference target: {', '.join(LIMITS)} (comma separated, or all)")
    p.add_argument("--parser-reject", choices=("accept", "error", "drop"), default="accept",
                   help="what `transition reject` and a select that matches nothing do: end parsing (as simple_switch), "
                        "the latter with error NoMatch, or drop the packet")
    p.add_argument("--emit-externs", action="store_true",
                   help="write externs that the program declares, for a switch that loads a module with them")
    p.add_argument("--ndebug", action="store_true", help="leave out assert and assume")
    p.add_argument("--no-unroll", action="store_true", help="keep loops in actions as loops")
    p.add_argument("--compiler", choices=("fpisa", "p4c"), default="fpisa",
                   help="p4c: use an installed p4c-bm2-ss instead")


def _diagnostic_flags(p: argparse.ArgumentParser) -> None:
    p.add_argument("--Wdisable", action="append", default=[], metavar="CLASS",
                   help=f"leave out a class of warnings, or all; classes: {', '.join(CLASSES)}")
    p.add_argument("--Werror", action="append", default=[], metavar="CLASS",
                   help="count a class of warnings, or all, as errors")
    p.add_argument("--Wwarn", "--Winfo", action="append", default=[], metavar="CLASS",
                   help="leave a class of warnings, or all but those named with --Werror, what they are")
    p.add_argument("--maxErrorCount", type=int, default=20, metavar="N", help="stop after so many errors")
    p.add_argument("-v", action="count", default=0, dest="verbose", help="say what is being done, with times")
    p.add_argument("--dump-after", action="append", default=[], metavar="PASS",
                   help="print the program after a pass (parse, inline, or a pass's name; --dump-after=list names them)")


def check(args: argparse.Namespace) -> str | None:
    """What is wrong with the command line, in one sentence; fills in `args.allowed`."""
    arch = args.arch_short or args.arch
    target = args.backend or args.target
    if target not in ("bmv2", "simple_switch", "bmv2-ss-p4org", "bmv2-v1model-p4org") or arch != "v1model":
        return f"only v1model on bmv2 is supported, not {arch} on {target}"
    if args.std.lower().replace("_", "-") not in ("p4-16", "16"):
        return "only P4_16 is supported"
    if args.from_json:
        return "--fromJSON is not supported: only source text can be compiled"
    if not os.path.isfile(args.source):
        return f"not a file: {args.source}" if os.path.exists(args.source) else f"no such file: {args.source}"
    unknown = sorted(set(words(args.dump_after)) - {"list", "all", *step_names()}) if args.dump_after else []
    if unknown:
        return f"--dump-after knows {', '.join(step_names())}, list and all, not {unknown[0]}"
    args.allowed = frozenset(LIMITS) if "all" in words(args.allow) else frozenset(words(args.allow))
    unknown = sorted(args.allowed - set(LIMITS))
    if unknown:
        return f"--allow knows {', '.join(LIMITS)}, not {unknown[0]}"
    return None


def step_names() -> list[str]:
    """Of the compiler's passes, in their order."""
    from .pipeline import CORE_PASSES

    return ["preprocess", "parse", "check", "inline", *(name for name, _ in CORE_PASSES), "emit"]


def words(items: Sequence[str]) -> list[str]:
    return [w for item in items for w in item.split(",") if w]


def warning_classes(items: Sequence[str]) -> set[str]:
    """Classes of warnings by our names; "*" is all."""
    return {OTHER_NAMES.get(name, name) for name in words(items)}


def error_classes(args: argparse.Namespace) -> tuple[set[str], set[str]]:
    """Classes of warnings that count as errors ("*": all), and those that stay warnings then."""
    errors, kept = warning_classes(args.Werror), warning_classes(args.Wwarn)
    if "*" in kept:
        errors.discard("*")
    return errors, kept - errors


def include_path(given: Sequence[str]) -> list[str]:
    """The folders given, then those of the environment variable that p4c reads."""
    return [*given, *(d for d in os.environ.get("P4C_16_INCLUDE_PATH", "").split(os.pathsep) if d)]
