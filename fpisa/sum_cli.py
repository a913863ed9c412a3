"""`fpisa sum`: add floats as the switch does, showing what happens in the registers."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fpisa.arguments import Parser, add_format_options, chosen_format, complain, negative_values
from fpisa.codec import to_float
from fpisa.flags import FLAG_NAMES, INEXACT, LEFT_OVERFLOW, OVERFLOW, OVERWRITTEN, SPECIAL_NAMES, names
from fpisa.formats import Format
from fpisa.literals import parse_value, show
from fpisa.normalize import Result, read
from fpisa.register import Register
from fpisa.scalar import accumulate
from fpisa.sum_hex import sum_stream

EVENT_NAMES = {
    INEXACT: "inexact",
    OVERFLOW: "overflow",
    OVERWRITTEN: "overwritten",
    LEFT_OVERFLOW: "left-shift overflow",
}

EXAMPLES = """examples:
  fpisa sum 1.5 -2.25 0x7f800000
  fpisa sum --format fp16 --shape approx --register-bits 16 1 2048 -0.5
  printf '3fc00000 c0100000\\n' | fpisa sum --hex --format fp32 --shape exact --rounding rne
prints `bf400000 0`: the result's word and its flags (bit 0 inexact, 1 overflow, 2 invalid), both in hex."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0, 1 for bad values, 2 for bad options)."""
    parser = build_parser()
    options = parser.parse_args(negative_values(sys.argv[1:] if argv is None else argv))
    fmt = chosen_format(parser, options)
    if options.hex:
        if options.values:
            parser.error("--hex reads words from standard input and takes no values")
        return sum_stream(
            fmt, options.shape, options.rounding, sys.stdin.buffer, sys.stdout, as_json=options.json
        )
    if not options.values:
        parser.error("give at least one value to add, or --hex")
    try:
        words = [parse_value(fmt, value) for value in options.values]
    except ValueError as error:
        return complain("fpisa sum", str(error))
    states = list(accumulate(fmt, words, options.shape))
    result = read(fmt, states[-1], options.rounding)
    if options.json:
        print(json.dumps(as_json(fmt, options, words, states, result), indent=2))
    else:
        print_table(fmt, options, words, states, result)
    return 0


def build_parser() -> Parser:
    """The command's options, with examples."""
    parser = Parser(
        prog="fpisa sum",
        description="Add floating-point values as the switch does, one after the other.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("values", nargs="*", metavar="VALUE", help="a number, inf, nan or 0x7f800000")
    add_format_options(parser)
    parser.add_argument("--hex", action="store_true", help="one sum a line of hex words from standard input")
    parser.add_argument("--json", action="store_true", help="results as JSON (with --hex: one object a line)")
    return parser


def new_events(states: list[Register], index: int) -> int:
    """What this addition raised that no earlier one had."""
    return states[index].events & ~(states[index - 1].events if index else 0)


def as_json(
    fmt: Format, options: argparse.Namespace, words: list[int], states: list[Register], result: Result
) -> dict:
    """The sum as plain data: settings, the registers after each step, the result."""
    steps = [
        {
            "word": show(fmt, word),
            "value": number(to_float(fmt, word)),
            "exponent": state.exponent,
            "mantissa": state.mantissa,
            "special": names(state.special, SPECIAL_NAMES),
            "events": names(state.events, EVENT_NAMES),
        }
        for word, state in zip(words, states)
    ]
    return {
        "format": fmt.name,
        "register_bits": fmt.register_bits,
        "guard_bits": fmt.guard_bits,
        "shape": options.shape,
        "rounding": options.rounding,
        "steps": steps,
        "result": show(fmt, result.word),
        "value": number(to_float(fmt, result.word)),
        "flags": result.flags,
        "flag_names": names(result.flags, FLAG_NAMES),
    }


def number(value: float) -> float | str:
    """JSON has no infinities and no NaN; they become text."""
    return value if value - value == 0 else str(value)


def digits(value: float) -> str:
    """Enough digits to tell neighbours of fp32 apart."""
    return f"{value:.9g}"


def print_table(
    fmt: Format, options: argparse.Namespace, words: list[int], states: list[Register], result: Result
) -> None:
    """The sum as a table, a row each addition, and the result below."""
    table = Table(
        title=f"{fmt.name}, {options.shape} shape, {fmt.register_bits}-bit mantissa, "
        f"{fmt.guard_bits} guard bits, headroom {fmt.headroom}",
        title_justify="left",
    )
    for column in ("add", "word", "exponent", "mantissa", "register holds", "new events"):
        table.add_column(column, justify="left" if column == "new events" else "right")
    for index, (word, state) in enumerate(zip(words, states)):
        held = " ".join(names(state.special, SPECIAL_NAMES)) or digits(register_value(fmt, state))
        table.add_row(
            digits(to_float(fmt, word)),
            show(fmt, word),
            str(state.exponent),
            mantissa_text(fmt, state.mantissa),
            held,
            ", ".join(names(new_events(states, index), EVENT_NAMES)),
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    flags = ", ".join(names(result.flags, FLAG_NAMES)) or "none"
    print(f"result {digits(to_float(fmt, result.word))}  word 0x{show(fmt, result.word)}  flags {flags}")


def mantissa_text(fmt: Format, mantissa: int) -> str:
    """The register as it lies in memory (two's complement, hex) beside its signed value."""
    mask = (1 << fmt.register_bits) - 1
    return f"0x{mantissa & mask:0{fmt.register_bits // 4}x} ({mantissa})"


def register_value(fmt: Format, state: Register) -> float:
    """The register's value to the nearest double; display only."""
    return math.ldexp(state.mantissa, state.exponent + fmt.scale)
