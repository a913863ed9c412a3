"""What the room's commands share on their command lines: format options, and errors of one sentence."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from fpisa.formats import FORMATS, ROUNDINGS, SHAPES, Format, FormatError, get_format

NEGATIVE_VALUE = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """argparse with our error form: one sentence, no usage text around it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (`{self.prog} --help` shows the options)\n")


def negative_values(argv: Sequence[str]) -> list[str]:
    """Arguments such as -2.25, -1e9 and -inf marked as values: a leading space keeps argparse from taking
    them for options, and no number minds it."""
    return [f" {arg}" if NEGATIVE_VALUE.match(arg) else arg for arg in argv]


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """--format, --shape, --rounding, --register-bits, --guard-bits."""
    parser.add_argument("--format", default="fp32", metavar="F", help=f"{', '.join(FORMATS)} (default fp32)")
    parser.add_argument("--shape", choices=SHAPES, default="exact", help="of the addition (default exact)")
    parser.add_argument("--rounding", choices=ROUNDINGS, default="rne", help="of the read (default rne)")
    parser.add_argument("--register-bits", type=int, metavar="R", help="16, 32 or 64 (default 32)")
    parser.add_argument("--guard-bits", type=int, metavar="G", help="kept below the last bit (default 0)")


def chosen_format(parser: Parser, options: argparse.Namespace) -> Format:
    """The format the options ask for; ends the program with a sentence where there is none."""
    try:
        return get_format(options.format, options.register_bits, options.guard_bits)
    except FormatError as error:
        parser.error(str(error))


def complain(command: str, message: str) -> int:
    """One sentence to stderr, and the exit status of a failed run."""
    print(f"{command}: error: {message}", file=sys.stderr)
    return 1
