"""The function that the packet loop calls, whichever version of the compiled program is in use."""

from __future__ import annotations

NAME = "fp_entry"


def text() -> str:
    """It goes on to the present code.

    %state is a pointer to a pair (code, state); code is replaced by storing another pair's address."""
    kinds = "ptr, ptr, i32, ptr, i32, ptr, ptr, i64, i64"
    names = "%in, i32 %n, ptr %out, i32 %cap, ptr %n_out, ptr %arena, i64 %size, i64 %now"
    return f"""
define i32 @{NAME}(ptr %state, ptr {names}) {{
entry:
  %pair = load atomic ptr, ptr %state acquire, align 8
  %code = load ptr, ptr %pair, align 8
  %at = getelementptr i64, ptr %pair, i64 1
  %own = load ptr, ptr %at, align 8
  %done = tail call i32 ({kinds}) %code(ptr %own, ptr {names})
  ret i32 %done
}}
"""
