"""The command line: files written, flags, what errors look like."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.compiler.main import json_text, main

from .harness import source


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "prog.p4"
    path.write_text(source(
        "t.apply();", locals="action set(bit<8> v) { hdr.h.a = v; } table t { key = { hdr.h.b : ternary; } "
        "actions = { set; NoAction; } const entries = { 2 &&& 2 : set(7); } default_action = NoAction(); }"))
    return path


def test_writes_json_p4info_and_entries(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    infos = [tmp_path / f"i.{suffix}" for suffix in ("txtpb", "txt", "json", "bin")]
    entries = tmp_path / "e.txtpb"
    status = main([str(program), "-o", str(out), "--p4runtime-files", ",".join(map(str, infos)),
                   "--p4runtime-entries-files", str(entries)])
    assert status == 0
    document = json.loads(out.read_text())
    assert document["__meta__"]["version"] == [2, 23] and document["program"] == "prog.p4"
    assert infos[0].read_text() == infos[1].read_text() and 'name: "Ig.t"' in infos[0].read_text()
    assert json.loads(infos[2].read_text())["pkg_info"] == {"arch": "v1model"}
    assert b"Ig.set" in infos[3].read_bytes()
    assert "is_const: true" in entries.read_text() and "type: INSERT" in entries.read_text()


def test_error_shows_place_line_and_caret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.p4"
    path.write_text(source("hdr.h.a = hdr.h.w;\n        hdr.h.nothing = 1;\n        frob(hdr.h.a);"))
    assert main([str(path), "-o", str(tmp_path / "x.json")]) == 1
    text = capsys.readouterr().err
    lines = text.splitlines()
    first = lines.index(next(line for line in lines if "expected bit<8>, found bit<16>" in line))
    assert lines[first].startswith(f"{path}:") and ": error: " in lines[first]
    assert lines[first + 1].strip() == "hdr.h.a = hdr.h.w;"
    assert lines[first + 2].index("^") == lines[first + 1].index("= hdr.h.w")
    assert "has no field nothing" in text and "'frob' is not declared" in text
    assert not (tmp_path / "x.json").exists()


def test_syntax_errors_several_per_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.p4"
    path.write_text(source("hdr.h.a = ;\n hdr.h.b = 1;\n hdr.h.c = 2 +;\n"))
    assert main([str(path)]) == 1
    assert capsys.readouterr().err.count("error: expected an expression") == 2


def test_preprocess_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.p4"
    path.write_text("#define TWICE(x) x x\n#ifdef FLAG\nTWICE(yes)\n#else\nno\n#endif\n")
    assert main([str(path), "-E", "-D", "FLAG"]) == 0
    assert capsys.readouterr().out.split() == ["yes", "yes"]
    assert main([str(path), "-E", "-DFLAG=1", "-U", "FLAG"]) == 0
    assert capsys.readouterr().out.split() == ["no"]


def test_include_path(tmp_path: Path, program: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "prog2.p4").write_text(program.read_text())
    path = tmp_path / "top.p4"
    path.write_text("#include <prog2.p4>\n")
    assert main([str(path), "-o", str(tmp_path / "o.json")]) == 1
    assert main([str(path), "-I", str(tmp_path / "inc"), "-o", str(tmp_path / "o.json")]) == 0


def test_warnings_and_what_the_flags_make_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.p4"
    path.write_text(source("bit<8> idle = 1; return; hdr.h.a = 1;"))
    out = ["-o", str(tmp_path / "o.json")]
    assert main([str(path), *out]) == 0
    text = capsys.readouterr().err
    assert "variable 'idle' is never used [unused]" in text and "never reached [unreachable]" in text
    assert main([str(path), *out, "--Wdisable=unused"]) == 0
    assert "never used" not in capsys.readouterr().err
    assert main([str(path), *out, "--Werror=unreachable"]) == 1
    assert main([str(path), *out, "--Wdisable"]) == 0


@pytest.mark.parametrize("args, wanted", [
    (["nowhere.p4"], "no such file"),
    (["--arch", "psa", __file__], "only v1model"),
    (["--std", "p4-14", __file__], "only P4_16"),
    (["--allow", "everything", __file__], "--allow knows"),
])
def test_misuse_is_one_sentence(args: list[str], wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    text = capsys.readouterr().err.strip()
    assert wanted in text and len(text.splitlines()) == 1


def test_unwritable_output(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(program), "-o", "/nonexistent/dir/x.json"]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert main([str(program), "-o", "/dev/full"]) == 1
    assert capsys.readouterr().err == "fpisa compile: error: cannot write the output: No space left on device\n"


def test_a_folder_is_no_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"fpisa compile: error: not a file: {tmp_path}\n"


def test_binary_source_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b.p4"
    path.write_bytes(bytes(range(256)))
    assert main([str(path)]) == 1
    assert capsys.readouterr().err == f"fpisa compile: error: cannot read {path}: not text\n"


def test_dump_after(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(program), "-o", str(tmp_path / "o.json"), "--dump-after", "parse,inline", "-v"]) == 0
    text = capsys.readouterr().out
    assert "// after parse" in text and "apply Ig.t" in text
    assert main([str(program), "-o", str(tmp_path / "o.json"), "--dump-after", "parse,nonsense"]) == 2
    assert "--dump-after knows preprocess, parse, check" in capsys.readouterr().err


def test_module_starts_as_a_command(program: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "emulator.compiler.main", str(program), "-o",
                           str(tmp_path / "o.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_compiler_does_not_load_protobuf_unless_asked(program: Path, tmp_path: Path) -> None:
    code = ("import sys; from emulator.compiler.main import main; "
            f"main([{str(program)!r}, '-o', {str(tmp_path / 'o.json')!r}]); "
            "sys.exit('google.protobuf' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("flags", [
    ["--Wdisable"], ["--Werror"], ["--Wdisable=unused", "--Werror=uninitialized_use"], ["--disable-annotations"],
    ["--toJSON", "t.json"],
    ["--dump", "folder", "--top4", "a,b", "-T", "x:3"], ["--p4v", "16"], ["--std", "p4_16"], ["--parser-inline-opt"],
    ["--excludeMidendPasses=x"], ["--disable-annotations=a"], ["-b", "bmv2", "-a", "v1model"], ["-I."], ["-DA=1", "-UA"],
    ["--maxErrorCount", "3"], ["--loopsUnroll", "--testJson", "-g", "-O2", "--listMidendPasses", "--doNotEmitIncludes"],
], ids=" ".join)
def test_flags_of_the_reference_compiler(flags: list[str], program: Path, tmp_path: Path) -> None:
    """In front of the program: a flag with an optional value must not take the program's name for it."""
    assert main([*flags, str(program), "-o", str(tmp_path / "o.json")]) == 0
    assert (tmp_path / "o.json").exists()


def test_include_path_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mine.p4").write_text("const bit<8> MINE = 1;\n")
    path = tmp_path / "uses.p4"
    path.write_text("#include <mine.p4>\n" + program.read_text())
    assert main([str(path), "-o", str(tmp_path / "o.json")]) == 1
    monkeypatch.setenv("P4C_16_INCLUDE_PATH", f"{tmp_path}/nowhere:{tmp_path}/lib")
    assert main([str(path), "-o", str(tmp_path / "o.json")]) == 0


def test_rule_for_make(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "o.json"
    assert main([str(program), "-o", str(out), "-MD"]) == 0
    rule = (tmp_path / "o.d").read_text()
    assert rule.startswith(f"{out}: {program}") and "v1model.p4" in rule
    capsys.readouterr()
    assert main(["-M", str(program), "-o", str(out)]) == 0
    assert capsys.readouterr().out == rule


def test_json_on_few_lines_says_the_same(program: Path) -> None:
    document = compile_file(program).json
    text = json_text(document)
    assert json.loads(text) == document
    assert text.count("\n") < json.dumps(document, indent=1).count("\n") / 2


def test_errors_by_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--Wwarn and --Winfo take classes out of --Werror; --Wdisable does, too."""
    path = tmp_path / "w.p4"
    path.write_text(source("bit<8> idle = 1; return; hdr.h.a = 1;"))
    out = [str(path), "-o", str(tmp_path / "o.json")]
    for flags, status in ((["--Werror"], 1), (["--Werror", "--Wwarn=unused"], 1),
                          (["--Werror", "--Wwarn=unused,unreachable"], 0),
                          (["--Werror", "--Winfo=unused", "--Wdisable=unreachable"], 0), (["--Werror", "--Wwarn"], 0),
                          (["--Werror=unused", "--Wwarn"], 1), (["--Werror", "--Wdisable"], 0)):
        assert main([*out, *flags]) == status, flags
    assert "[--Werror=unused]" in capsys.readouterr().err


def test_the_form_of_p4info(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name's suffix tells; --p4runtime-format tells for other names, and for --p4runtime-file, which is binary."""
    out = [str(program), "-o", str(tmp_path / "o.json")]
    names = [str(tmp_path / name) for name in ("a.txtpb", "a.json", "a.bin", "a.other", "one")]
    for flags, form in (([], b"# proto"), (["--p4runtime-format", "json"], b"{")):
        assert main([*out, "--p4runtime-files", ",".join(names[:4]), "--p4runtime-file", names[4], *flags]) == 0
        heads = [Path(name).read_bytes()[:7] for name in names]
        assert heads[0] == b"# proto" and heads[1][:1] == b"{" and heads[2][:1] == b"\n" and heads[3].startswith(form)
        assert heads[4][:1] == (b"{" if flags else b"\n")
    with pytest.raises(SystemExit):
        main([*out, "--p4runtime-format", "xml"])
    assert "invalid choice" in capsys.readouterr().err


def test_json_to_standard_output(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(program), "-o", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["__meta__"]["version"] == [2, 23]


def test_a_program_preprocessed_before(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markers are read, macros and directives are not."""
    assert main([str(program), "-E"]) == 0
    ready = tmp_path / "ready.p4"
    ready.write_text(f'# 1 "{program}"\n#line 3 "x.p4"\n#pragma once\n{capsys.readouterr().out}')
    out = ["-o", str(tmp_path / "o.json"), "--nocpp", "-D", "bit=nothing"]
    assert main([str(ready), *out]) == 0
    assert main([str(program), *out]) == 1
    assert "#include in a program that is said to be preprocessed (--nocpp)" in capsys.readouterr().err


def test_annotations_that_are_not_to_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.p4"
    path.write_text(source("t.apply();", locals='@name("other") table t { actions = { NoAction; } }'))
    found = []
    for flags in ([], ["--disable-annotations=hidden,name"], ["--disable-annotations"]):
        assert main([str(path), "-o", str(tmp_path / "o.json"), *flags]) == 0
        pipelines = json.loads((tmp_path / "o.json").read_text())["pipelines"]
        found.append([t["name"] for t in pipelines[0]["tables"]][-1])
    assert found == ["Ig.other", "Ig.t", "Ig.other"]


def test_a_forgotten_semicolon_is_one_error(tmp_path: Path) -> None:
    """What stands behind it is read as if it were there, so that other mistakes are found and none is made up."""
    path = tmp_path / "s.p4"
    parser = "state start { pkt.extract(hdr.h); transition select(hdr.h.a) { 1: accept; default: reject } }"
    path.write_text(source("hdr.h.a = 1\n hdr.h.zz = 2;\n if (hdr.h.a == 1) { hdr.h.b = 2 }\nQ q;\n hdr.h.c = 3;", parser=parser))
    found = compile_file(path).diagnostics
    assert [d.message for d in found] == ["expected ';', found '}'", "expected ';', found 'hdr'", "expected ';', found '}'",
                                          "type 'Q' is not declared"]
