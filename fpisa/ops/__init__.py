"""Scalar models of the other float operations a pipeline can do: the oracles of their P4 controls.

    compare   order_key, compare, less, minimum, maximum
    convert   to_integer, from_integer, to_format
    scale     times_power_of_two, read_scaled, read_average
    multiply  multiply (exact product, rounded once), multiply_by_tables
    tables    reciprocal, square_root: one look-up, or two and an addition

Words in, words out, as in `fpisa.normalize`: every rounded result leaves through `round_pack`, and flags come
back beside it (INEXACT where this one operation rounded, unlike the sum's INEXACT; OVERFLOW; INVALID).
"""
