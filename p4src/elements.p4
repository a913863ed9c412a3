// FOR_EACH_ELEMENT(X) is X(_00) X(_01) ... up to ELEMENTS, numbered by two hexadecimal digits: full rows of
// sixteen, then the rest. The underscore makes a number part of a name. It is how N fields, N instances and
// N calls are written once.
#ifndef ELEMENTS_P4
#define ELEMENTS_P4
#include "config.p4"

#define ROW_0(X, r)
#define ROW_1(X, r) ROW_0(X, r) X(r##0)
#define ROW_2(X, r) ROW_1(X, r) X(r##1)
#define ROW_3(X, r) ROW_2(X, r) X(r##2)
#define ROW_4(X, r) ROW_3(X, r) X(r##3)
#define ROW_5(X, r) ROW_4(X, r) X(r##4)
#define ROW_6(X, r) ROW_5(X, r) X(r##5)
#define ROW_7(X, r) ROW_6(X, r) X(r##6)
#define ROW_8(X, r) ROW_7(X, r) X(r##7)
#define ROW_9(X, r) ROW_8(X, r) X(r##8)
#define ROW_10(X, r) ROW_9(X, r) X(r##9)
#define ROW_11(X, r) ROW_10(X, r) X(r##a)
#define ROW_12(X, r) ROW_11(X, r) X(r##b)
#define ROW_13(X, r) ROW_12(X, r) X(r##c)
#define ROW_14(X, r) ROW_13(X, r) X(r##d)
#define ROW_15(X, r) ROW_14(X, r) X(r##e)
#define ROW_16(X, r) ROW_15(X, r) X(r##f)

#define ROWS_1(X) ROW_16(X, _0)
#define ROWS_2(X) ROWS_1(X) ROW_16(X, _1)
#define ROWS_3(X) ROWS_2(X) ROW_16(X, _2)
#define ROWS_4(X) ROWS_3(X) ROW_16(X, _3)
#define ROWS_5(X) ROWS_4(X) ROW_16(X, _4)
#define ROWS_6(X) ROWS_5(X) ROW_16(X, _5)
#define ROWS_7(X) ROWS_6(X) ROW_16(X, _6)
#define ROWS_8(X) ROWS_7(X) ROW_16(X, _7)
#define ROWS_9(X) ROWS_8(X) ROW_16(X, _8)
#define ROWS_10(X) ROWS_9(X) ROW_16(X, _9)
#define ROWS_11(X) ROWS_10(X) ROW_16(X, _a)
#define ROWS_12(X) ROWS_11(X) ROW_16(X, _b)
#define ROWS_13(X) ROWS_12(X) ROW_16(X, _c)
#define ROWS_14(X) ROWS_13(X) ROW_16(X, _d)
#define ROWS_15(X) ROWS_14(X) ROW_16(X, _e)
#define ROWS_16(X) ROWS_15(X) ROW_16(X, _f)

#if ELEMENTS / 16 == 2
#define FULL_ROWS(X) ROWS_2(X)
#define LAST_ROW(ROW, X) ROW(X, _2)
#elif ELEMENTS / 16 == 3
#define FULL_ROWS(X) ROWS_3(X)
#define LAST_ROW(ROW, X) ROW(X, _3)
#elif ELEMENTS / 16 == 4
#define FULL_ROWS(X) ROWS_4(X)
#define LAST_ROW(ROW, X) ROW(X, _4)
#elif ELEMENTS / 16 == 5
#define FULL_ROWS(X) ROWS_5(X)
#define LAST_ROW(ROW, X) ROW(X, _5)
#elif ELEMENTS / 16 == 6
#define FULL_ROWS(X) ROWS_6(X)
#define LAST_ROW(ROW, X) ROW(X, _6)
#elif ELEMENTS / 16 == 7
#define FULL_ROWS(X) ROWS_7(X)
#define LAST_ROW(ROW, X) ROW(X, _7)
#elif ELEMENTS / 16 == 8
#define FULL_ROWS(X) ROWS_8(X)
#define LAST_ROW(ROW, X) ROW(X, _8)
#elif ELEMENTS / 16 == 9
#define FULL_ROWS(X) ROWS_9(X)
#define LAST_ROW(ROW, X) ROW(X, _9)
#elif ELEMENTS / 16 == 10
#define FULL_ROWS(X) ROWS_10(X)
#define LAST_ROW(ROW, X) ROW(X, _a)
#elif ELEMENTS / 16 == 11
#define FULL_ROWS(X) ROWS_11(X)
#define LAST_ROW(ROW, X) ROW(X, _b)
#elif ELEMENTS / 16 == 12
#define FULL_ROWS(X) ROWS_12(X)
#define LAST_ROW(ROW, X) ROW(X, _c)
#elif ELEMENTS / 16 == 13
#define FULL_ROWS(X) ROWS_13(X)
#define LAST_ROW(ROW, X) ROW(X, _d)
#elif ELEMENTS / 16 == 14
#define FULL_ROWS(X) ROWS_14(X)
#define LAST_ROW(ROW, X) ROW(X, _e)
#elif ELEMENTS / 16 == 15
#define FULL_ROWS(X) ROWS_15(X)
#define LAST_ROW(ROW, X) ROW(X, _f)
#elif ELEMENTS / 16 == 16
#define FULL_ROWS(X) ROWS_16(X)
#define LAST_ROW(ROW, X) ROW(X, _0)
#endif

#if ELEMENTS % 16 == 0
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_0, X)
#elif ELEMENTS % 16 == 1
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_1, X)
#elif ELEMENTS % 16 == 2
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_2, X)
#elif ELEMENTS % 16 == 3
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_3, X)
#elif ELEMENTS % 16 == 4
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_4, X)
#elif ELEMENTS % 16 == 5
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_5, X)
#elif ELEMENTS % 16 == 6
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_6, X)
#elif ELEMENTS % 16 == 7
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_7, X)
#elif ELEMENTS % 16 == 8
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_8, X)
#elif ELEMENTS % 16 == 9
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_9, X)
#elif ELEMENTS % 16 == 10
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_10, X)
#elif ELEMENTS % 16 == 11
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_11, X)
#elif ELEMENTS % 16 == 12
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_12, X)
#elif ELEMENTS % 16 == 13
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_13, X)
#elif ELEMENTS % 16 == 14
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_14, X)
#elif ELEMENTS % 16 == 15
#define FOR_EACH_ELEMENT(X) FULL_ROWS(X) LAST_ROW(ROW_15, X)
#endif

#endif
