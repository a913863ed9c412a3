"""Switch statements, on tables and on expressions."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("switch expr", full(
        ig=(
        "switch (h.h.a + 1) { 1: {h.h.b = 1;} 2: 3: {h.h.b = 0x23;} default: {h.h.b = 0xff;} } switch "
        "(h.h.w[3:0]) { 5: { exit; } } h.h.c = 9;"),
    ), (0, "0123030400050006"), IN),
    ("switch default mid", full(
        locs="action a1() {h.h.b = 1;} action a2() {h.h.b=2;} table t { actions = {a1; a2;} default_action = a2; }",
        ig="switch (t.apply().action_run) { a1: default: { h.h.c = 1; } }",
    ), (0, "0102010400050006"), IN),
    ("switch no cases", small(
        ig=(
        "action a() { h.h.a = 9; } table t { actions = {a;} default_action=a; } apply { switch "
        "(t.apply().action_run) { } }"),
    ), (0, "09020304"), SHORT),
    ("switch multi", small(
        ig=(
        "action a() { h.h.a = 9; } action c() {} table t { actions = {a; c; NoAction;} default_action=c; "
        "} apply { switch (t.apply().action_run) { a: c: { h.h.b = 1; } NoAction: default: { h.h.b = 2;} "
        "} }"),
    ), (0, "01010304"), SHORT),
    ("switch last no body", small(
        ig=(
        "action a() { h.h.a = 9; } action c() {} table t { actions = {a; c;} default_action=c; } apply { "
        "switch (t.apply().action_run) { a: { h.h.b = 1; } c: } }"),
    ), (0, "01020304"), SHORT),
    ("switch expr cases types", small(
        ig=(
        "apply { switch (m.e) { En.A: { h.h.a = 1; } En.B: { h.h.a = 2; } } bool z = true; switch "
        "(h.h.w) { 0x304: { h.h.b = 7; } 16w5: 6: { } default: { } } switch ((int<8>)h.h.a) { -1: {} 1: "
        "{ h.h.w = 5; } } }"),
        top="enum En {A, B}",
        meta="En e;",
    ), (0, "01070005"), SHORT),
    ("switch bool", small(
        ig="apply { switch (h.h.a == 1) { true: { h.h.b = 7; } false: { h.h.b = 8; } } }",
    ), (0, "01070304"), SHORT),
    ("return in switch", small(
        ig=(
        "action a() {} table t { actions = {a;} default_action=a; } apply { switch "
        "(t.apply().action_run) { a: { h.h.a = 5; return; } } h.h.b = 9; }"),
    ), (0, "05020304"), SHORT),
    ("exit in switch in sub", small(
        ig="c() c1; apply { c1.apply(h.h); h.h.w = 0; }",
        before=(
        "control c(inout h_t x) { action a() {} table t { actions = {a;} default_action=a; } apply { "
        "switch (t.apply().action_run) { a: { x.a = 5; if (x.b == 2) exit; } } x.b = 9; } }"),
    ), (0, "05020304"), SHORT),
    ("nested switch with apply", full(
        locs=(
        "action a() { h.h.a = 9; } action c() { h.h.c = 8; } table t { key = { h.h.b : exact; } actions "
        "= { a; c; @defaultonly NoAction; } const entries = { 2 : a(); } } table u { key = { h.h.a : "
        'exact @name("q"); } actions = { a; c; } const entries = { 9 : c(); } default_action = a(); }'),
        ig=(
        "switch (t.apply().action_run) { a: { switch (u.apply().action_run) { c: { h.h.d = 0x44; return; "
        "} a: { h.h.d = 0x55; } } } c: NoAction: { h.h.d = 0x66; } } h.h.x = 1;"),
    ), (0, "0902084400050006"), IN),
    ("action calls in switch bodies with exit", full(
        locs=(
        "action s(out bit<8> v) { v = 5; } action u() { s(h.h.a); } action s2() { } table t { actions = "
        "{ u; s2; } default_action = u; }"),
        ig="switch (t.apply().action_run) { u: { s(h.h.b); exit; } s2: { } } h.h.c = 9;",
    ), (0, "0505030400050006"), IN),
    ("big switch on sm", full(
        ig=(
        "switch (sm.ingress_port) { 0: { h.h.a = 9; } 1: 2: { h.h.a = 8; } default: { } } switch (h.h.w) "
        "{ 16w5: {  switch (h.h.x) { 6: { h.h.b = 7; return; } } } } h.h.c = 1;"),
    ), (0, "0907030400050006"), IN),
    ("switch only default / empty", full(
        ig="switch (h.h.a) { default: { h.h.b = 3; } } switch (h.h.a) { 1: 2: default: { h.h.c = 4; } }",
    ), (0, "0103040400050006"), IN),
    ("large switch with fallthrough default middle", full(
        ig="switch (h.h.b) { 8w1: 8w2: { h.h.a = 9; } 8w3: default: { h.h.a = 7; } }",
    ), (0, "0902030400050006"), IN),
    ("apply in switch expr", full(
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="switch (t.apply().hit ? 8w1 : 8w2) { 1: { h.h.a = 7; } 2: { h.h.a = 8; } }",
    ), (0, "0702030c00050006"), IN),
    ("two switch same table diff", small(
        ig=(
        "action a() { } action c() { } table t { key = { h.h.a : exact; } actions = { a; c; } "
        "default_action = c; const entries = { 1 : a(); } } apply { switch (t.apply().action_run) { a: { "
        "if (h.h.b == 2) { h.h.w = 1; } else { h.h.w = 2; } } default: { h.h.w = 3; } } h.h.a = 5; }"),
    ), (0, "05020001"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_switch(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
