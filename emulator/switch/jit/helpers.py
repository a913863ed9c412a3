"""Small functions that compiled programs call, in LLVM IR; linked in only when used."""

from __future__ import annotations

HELPERS = {
    "fp_bytes_differ": """
define internal i32 @fp_bytes_differ(ptr %a, ptr %b, i64 %n) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %same ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %equal
body:
  %p = getelementptr i8, ptr %a, i64 %i
  %q = getelementptr i8, ptr %b, i64 %i
  %x = load i8, ptr %p, align 1
  %y = load i8, ptr %q, align 1
  %j = add i64 %i, 1
  %eq = icmp eq i8 %x, %y
  br i1 %eq, label %same, label %differ
same:
  br label %loop
equal:
  ret i32 0
differ:
  ret i32 1
}
""",
    "fp_bits_in": """
define internal void @fp_bits_in(ptr %to, ptr %from, i16 %shift, i64 %n) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %p = getelementptr i8, ptr %from, i64 %i
  %j = add i64 %i, 1
  %r = getelementptr i8, ptr %from, i64 %j
  %c = load i8, ptr %p, align 1
  %d = load i8, ptr %r, align 1
  %e = zext i8 %c to i16
  %f = zext i8 %d to i16
  %g = shl i16 %e, 8
  %w = or i16 %f, %g
  %x = shl i16 %w, %shift
  %h = lshr i16 %x, 8
  %b = trunc i16 %h to i8
  %q = getelementptr i8, ptr %to, i64 %i
  store i8 %b, ptr %q, align 1
  br label %loop
done:
  ret void
}
""",
    "fp_bits_out": """
define internal i8 @fp_bits_out(ptr %to, ptr %from, i16 %shift, i64 %n) #0 {
entry:
  %first = load i8, ptr %to, align 1
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %carry = phi i8 [ %first, %entry ], [ %low, %body ]
  %q = getelementptr i8, ptr %to, i64 %i
  %more = icmp ult i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %p = getelementptr i8, ptr %from, i64 %i
  %b = load i8, ptr %p, align 1
  %w = zext i8 %b to i16
  %wide = shl i16 %w, 8
  %x = lshr i16 %wide, %shift
  %low = trunc i16 %x to i8
  %y = lshr i16 %x, 8
  %high = trunc i16 %y to i8
  %all = or i8 %carry, %high
  store i8 %all, ptr %q, align 1
  %j = add i64 %i, 1
  br label %loop
done:
  store i8 %carry, ptr %q, align 1
  ret i8 %carry
}
""",
    "fp_word_sum": """
define internal i64 @fp_word_sum(ptr %data, i64 %n) #0 {
entry:
  %whole = and i64 %n, -2
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %sum = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %whole
  br i1 %more, label %body, label %tail
body:
  %p = getelementptr i8, ptr %data, i64 %i
  %w = load i16, ptr %p, align 1
  %s = call i16 @llvm.bswap.i16(i16 %w)
  %z = zext i16 %s to i64
  %next = add i64 %sum, %z
  %j = add i64 %i, 2
  br label %loop
tail:
  %odd = icmp ne i64 %whole, %n
  br i1 %odd, label %last, label %done
last:
  %q = getelementptr i8, ptr %data, i64 %whole
  %b = load i8, ptr %q, align 1
  %y = zext i8 %b to i64
  %h = shl i64 %y, 8
  %t = add i64 %sum, %h
  br label %done
done:
  %r = phi i64 [ %sum, %tail ], [ %t, %last ]
  ret i64 %r
}
declare i16 @llvm.bswap.i16(i16)
""",
    "fp_in_set": """
define internal i32 @fp_in_set(ptr %set, ptr %key, i64 %words) #0 {
entry:
  %count = load i64, ptr %set, align 8
  %first = getelementptr i8, ptr %set, i64 8
  %double = shl i64 %words, 1
  br label %rows
rows:
  %r = phi i64 [ 0, %entry ], [ %r2, %next ]
  %some = icmp ult i64 %r, %count
  br i1 %some, label %row, label %no
row:
  %at = mul i64 %r, %double
  %values = getelementptr i64, ptr %first, i64 %at
  %masks = getelementptr i64, ptr %values, i64 %words
  %keys = getelementptr i64, ptr %key, i64 %words
  br label %loop
loop:
  %i = phi i64 [ 0, %row ], [ %j, %body ]
  %left = icmp ult i64 %i, %words
  br i1 %left, label %body, label %yes
body:
  %p = getelementptr i64, ptr %values, i64 %i
  %q = getelementptr i64, ptr %key, i64 %i
  %m = getelementptr i64, ptr %masks, i64 %i
  %k = getelementptr i64, ptr %keys, i64 %i
  %a = load i64, ptr %p, align 8
  %b = load i64, ptr %q, align 8
  %c = load i64, ptr %m, align 8
  %d = load i64, ptr %k, align 8
  %x = xor i64 %a, %b
  %y = and i64 %x, %c
  %z = and i64 %y, %d
  %j = add i64 %i, 1
  %same = icmp eq i64 %z, 0
  br i1 %same, label %loop, label %next
next:
  %r2 = add i64 %r, 1
  br label %rows
yes:
  ret i32 1
no:
  ret i32 0
}
""",
}
