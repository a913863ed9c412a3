"""Builds fpisa.native._accumulate with cffi, at install or by `python fpisa/native/build.py`.

C through cffi, because the compiler's own vectoriser makes one loop into AVX-512, AVX2 and SSE code picked at
load time, nothing is compiled at run time, and the package already builds its packet rings this way.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

ADD = """uint32_t {name}_add(uint8_t *exponents, int32_t *mantissas, uint8_t *specials,
    const {word} *words, int64_t n, int guard, int headroom, int shape);
uint32_t {name}_read(const uint8_t *exponents, const int32_t *mantissas, const uint8_t *specials,
    {word} *words, int64_t n, int guard, int nearest);
"""
WORDS = {"fp32": "uint32_t", "fp16": "uint16_t", "bf16": "uint16_t"}

ffibuilder = FFI()
ffibuilder.cdef("".join(ADD.format(name=name, word=word) for name, word in WORDS.items()))
ffibuilder.set_source(
    "fpisa.native._accumulate",
    (HERE / "accumulate.c").read_text(),
    include_dirs=[str(HERE)],
    depends=[str(path) for path in sorted(HERE.glob("accumulate*"))],
    extra_compile_args=["-O3", "-std=gnu11"],
)

if __name__ == "__main__":
    # The name an install gives it, so that one replaces the other.
    ffibuilder.compile(tmpdir=str(HERE.parent.parent), target="_accumulate.abi3.so", verbose=False)
