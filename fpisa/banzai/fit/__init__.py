"""Whether a compiled P4 program fits a switch pipeline: bmv2 JSON -> dataflow -> state accesses -> stages -> verdict."""
