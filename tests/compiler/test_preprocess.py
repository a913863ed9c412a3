"""Macro expansion, conditions, and positions through both."""
from __future__ import annotations

from pathlib import Path

import pytest

from emulator.compiler.preprocess import preprocess
from emulator.compiler.source import CompileError, Diagnostics

ROWS = [
    ("#define A 1\nA B A", "1 B 1"),
    ("#define F(x) (x)+x\nF(1) F ((a, b)) F", "( 1 ) + 1 ( ( a , b ) ) + ( a , b ) F"),
    ("#define F(x,y) x##y\nF(ab, 1) F(,z) F(q,)", "ab1 z q"),
    ("#define CAT_(a,b) a##b\n#define CAT(a,b) CAT_(a,b)\n#define N 7\nCAT(x, N) CAT_(x, N)", "x7 xN"),
    ("#define S(x) #x\nS(a + b) S(\"q\")", '"a + b" "\\"q\\""'),
    ("#define A A + B\n#define B A\nA", "A + A"),
    ("#define E\nx E y", "x y"),
    ("#define M(x) [x]\n#define TWO(f) f(1) f(2)\nTWO(M)", "[ 1 ] [ 2 ]"),
    ("#define V(a, ...) a: __VA_ARGS__\nV(1, 2, 3) V(1)", "1 : 2 , 3 1 :"),
    ("#define LONG 1 + \\\n 2\nLONG", "1 + 2"),
    ("#if 1 + 1 == 2 && defined(X)\na\n#elif !defined X\nb\n#else\nc\n#endif", "b"),
    ("#define X 3\n#if X > 2 ? X << 1 >= 6 : 0\na\n#endif\n#undef X\n#ifdef X\nb\n#endif", "a"),
    ("#if 0\n#if 1\na\n#else\nb\n#endif\n' stray \"\n#else\nc\n#endif", "c"),
    ("a // # not\n/* #define Q 1 */ Q", "a Q"),
    ("__LINE__\n__LINE__", "1 2"),
    ("#define NOARG() z\nNOARG() NOARG", "z NOARG"),
    ("#define F(x, y) x + y\nF(1\n#if 0\n, 2\n#else\n, 3\n#endif\n) z", "1 + 3 z"),
    ("#define F(x) t ## x ## (in) ## x ##_e.x\nF(u0)", "tu0 ( in ) u0_e . u0"),
    ('@a("x\n  y  z // it\'s  so\n") q', '@ a ( "x\n  y z // it\'s  so\n" ) q'),
    ('#define N 7\n@a[k = f("N\n\tN  M // N\n#ifdef N\n a \\" b\n#else\n c\n#endif\n ;end"), l] N',
     '@ a [ k = f ( "N\n 7 M // N\n\n a \\" b\n\n\n\n ;end" ) , l ] 7'),
    ('@a("b") f("c") @d("e\n"', '@ a ( "b" ) f ( "c" ) @ d ( "e\n"'),
    ('@a(")") f("c\n")', '@ a ( ")" ) f ( " c " )'),
    ("#define F(x, ...) f(x, ## __VA_ARGS__)\nF(1) F(1,) F(1, 2, 3)", "f ( 1 ) f ( 1 , ) f ( 1 , 2 , 3 )"),
    ("#define F(x, r...) f(x, r)\nF(1) F(1, 2, 3)", "f ( 1 , ) f ( 1 , 2 , 3 )"),
    ("#define F(r...) f(0, ## r)\nF() F(1, 2)", "f ( 0 ) f ( 0 , 1 , 2 )"),
    ("#define E\n#define F(...) [a __VA_OPT__(, (__VA_ARGS__)) b]\nF() F(E) F(1, 2)", "[ a b ] [ a b ] [ a , ( 1 , 2 ) b ]"),
    ("#define X(a, b) a ## b\n#define Y(a, b) X(a, b)\nY(Y(8, w), 255)", "8w255"),
    ("#define BITS(n, v) n ## w ## v\nBITS(8, 0x1f) BITS(16, 7)", "8w0x1f 16w7"),
    ("#define CAT(a, b) a ## b\nCAT(8w, 0xff) CAT(0x, ff) CAT(1, x) CAT(x, 1)", "8w0xff 0xff 1 x x1"),
    ("__COUNTER__ x __COUNTER__", "0 x 1"),
    ("#define HAVE defined(A) || defined B\n#define A\n#if HAVE\nyes\n#endif", "yes"),
    ("#if 0x10UL == 16 && 010 == 8 && 'a' == 97\nyes\n#endif", "yes"),
    ("#if (1 || 1 / 0) && !(0 && 1 % 0) && (1 ? 1 : 1 / 0)\nyes\n#endif", "yes"),
    ("#if -7 / 2 == -3 && -7 % 2 == -1 && 1 << 63 < 0 && (1 << 100) == 0\nyes\n#endif", "yes"),
    ("#ifdef __TARGET_BMV2__\nbmv2\n#endif", "bmv2"),
]


def words(text: str, folder: Path) -> tuple[str, Diagnostics]:
    path = folder / "x.p4"
    path.write_text(text)
    diags = Diagnostics()
    try:
        tokens = preprocess(str(path), diags)[:-1]
    except CompileError:
        tokens = []
    return " ".join(t[1] for t in tokens), diags


@pytest.mark.parametrize("text, wanted", ROWS)
def test_expansion(text: str, wanted: str, tmp_path: Path) -> None:
    found, diags = words(text, tmp_path)
    assert not diags.failed, diags.render()
    assert found == wanted


@pytest.mark.parametrize("text, message", [
    ("#if\n#endif", "bad #if"), ("#if 1", "#if without #endif"), ("#endif", "#endif without #if"),
    ("#include \"nope.p4\"", "included file not found: nope.p4"), ("#include \"x.p4\"", "nested too deeply"),
    ("#define F(x) x\nF(1, 2)", "macro F takes 1 arguments, 2 given"),
    ("#define F(x, y, ...) x\nF(1)", "macro F takes 3 arguments, 1 given"),
    ("#if 3 % (2 - 2)\n#endif", "bad #if: division by zero"),
    ("#define F(x) x\nF(1", "never closed"),
    ("#error stop here", "#error stop here"),
    ("#frob", "warning: unknown preprocessor directive #frob: the line is skipped"),
    ("#if 1 / 0\n#endif", "bad #if"), ("/* never", "comment is never closed"),
])
def test_errors(text: str, message: str, tmp_path: Path) -> None:
    _, diags = words(text, tmp_path)
    assert message in diags.render()


def test_macros_that_double_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.compiler.preprocess.MAX_EXPANDED", 1000)
    doubled = "".join(f"#define A{i} A{i - 1} + A{i - 1}\n" for i in range(1, 40))
    _, diags = words(doubled + "A39", tmp_path)
    assert "x.p4:40:1: error: macros make more than 1000 words" in diags.render()
    _, diags = words(doubled + "A8", tmp_path)
    assert not diags.failed


def test_a_token_keeps_its_place(tmp_path: Path) -> None:
    """Arguments stand where they were written, a macro's own tokens where it was called."""
    path = tmp_path / "x.p4"
    path.write_text("#define F(x) q x\n\n  F(arg)\n")
    diags = Diagnostics()
    tokens = preprocess(str(path), diags)
    assert [(t[1], *diags.where(t[2])[1:]) for t in tokens[:2]] == [("q", 3, 3), ("arg", 3, 5)]


def test_include_once(tmp_path: Path) -> None:
    (tmp_path / "i.p4").write_text("#pragma once\nonly\n")
    found, _ = words('#include "i.p4"\n#include "i.p4"\n', tmp_path)
    assert found == "only"
