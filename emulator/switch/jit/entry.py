"""The function that the packet loop calls, whichever version of the compiled program is in use."""

from __future__ import annotations

NAME = "fp_entry"


def text() -> str:
    """It asks for memory that the batch will need, then goes on to the present code.

    %state is a pointer to (pair, prefetch function, its guesses, their number), pair to (code, state); code is
    replaced by storing another pair's address. Without a prefetch function (0) nothing is asked for."""
    kinds = "ptr, ptr, i32, ptr, i32, ptr, ptr, i64, i64"
    names = "%in, i32 %n, ptr %out, i32 %cap, ptr %n_out, ptr %arena, i64 %size, i64 %now"
    return f"""
define i32 @{NAME}(ptr %state, ptr {names}) {{
entry:
  %ask_at = getelementptr i64, ptr %state, i64 1
  %ask = load ptr, ptr %ask_at, align 8
  %wanted = icmp ne ptr %ask, null
  br i1 %wanted, label %asking, label %go
asking:
  %list_at = getelementptr i64, ptr %state, i64 2
  %list = load ptr, ptr %list_at, align 8
  %number_at = getelementptr i64, ptr %state, i64 3
  %number = load i32, ptr %number_at, align 8
  call void %ask(ptr %list, i32 %number, ptr %in, i32 %n)
  br label %go
go:
  %pair = load atomic ptr, ptr %state acquire, align 8
  %code = load ptr, ptr %pair, align 8
  %at = getelementptr i64, ptr %pair, i64 1
  %own = load ptr, ptr %at, align 8
  %done = tail call i32 ({kinds}) %code(ptr %own, ptr {names})
  ret i32 %done
}}
"""
