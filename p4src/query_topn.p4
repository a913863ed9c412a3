// ORDER BY value DESC LIMIT N (ASC with info.flip). Two ways to know that a row cannot matter, either or both:
// - ladder: N = info.a rows at or above one of eight thresholds have gone to the master; rows below it are dropped.
//   Certain. Thresholds of 0 turn it off.
// - matrix (info.b bit 1): a row falls, by its hash, on one of a lane's rows of four largest values, and is dropped below
//   the least of them. The master looks at the matrix afterwards and asks again if that could have cost an answer.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 2
#endif
#include "fp_order.p4"

// One column of the matrix: keeps the larger, hands on the smaller.
control Column(in index_t index, in bool active, inout order_t moving, out order_t before) {
    register<order_t>(CELLS) largest;

    apply {
        largest.read(before, index);
        largest.write(index, active && moving > before ? moving : before);
        moving = moving > before ? before : moving;
    }
}

control Lane(in bit<32> row, in order_t order, in bool active, in query_info_t info, out bit<1> survives) {
    Column() one;
    Column() two;
    Column() three;
    Column() four;

    apply {
        bit<32> hash = row * 0x9e3779b1;
        index_t index = info.first + ((index_t)hash[31:16] & info.mask);
        bool matrix = info.b[1:1] == 1;
        bool takes = active && matrix;
        order_t moving = order;
        order_t least;
        one.apply(index, takes, moving, least);
        two.apply(index, takes, moving, least);
        three.apply(index, takes, moving, least);
        four.apply(index, takes, moving, least);
        survives = active && !(matrix && order < least) ? 1w1 : 0;
    }
}

#define RUNGS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define RUNG_REGISTER(j) register<bit<32>>(MAX_QUERIES) passed_##j;
#define RUNG_READ(j) passed_##j.read(count_##j, (bit<32>)info.slot); \
    floor = count_##j >= info.a && t_##j > floor ? t_##j : floor;
#define RUNG_LOCAL(j) bit<32> count_##j; order_t t_##j;
#define RUNG_WRITE(j) passed_##j.write((bit<32>)info.slot, count_##j);
#define LANE_INSTANCE(i, n) Lane() lane##i; FpOrder() to_order##i;
#define LANE_CALL(i, n) to_order##i.apply(rows.value##i, info.flip, order); \
    lane##i.apply(rows.row##i, order, valid[n:n] == 1 && order >= floor, info, survives); \
    survivors = survivors | ((lanes_t)survives << n); \
    RUNGS(RUNG_COUNT)
#define RUNG_COUNT(j) count_##j = count_##j + (survives == 1 && order >= t_##j ? 32w1 : 0);

control Operator(in rows_h rows, in lanes_t valid, in bool second, in query_info_t info,
                 out lanes_t survivors, out lanes_t taken) {
    RUNGS(RUNG_REGISTER)
    RUNGS(RUNG_LOCAL)
    FOR_EACH_LANE(LANE_INSTANCE)

    // Thresholds, from the columns' statistics. Counts stop mattering long before they could wrap.
    action thresholds(order_t v0, order_t v1, order_t v2, order_t v3, order_t v4, order_t v5, order_t v6, order_t v7) {
        t_0 = v0; t_1 = v1; t_2 = v2; t_3 = v3; t_4 = v4; t_5 = v5; t_6 = v6; t_7 = v7;
    }
    table ladder {
        key = { info.slot : exact @name("slot"); }
        actions = { thresholds; }
        const default_action = thresholds(0, 0, 0, 0, 0, 0, 0, 0);
        size = MAX_QUERIES;
    }

    apply {
        order_t order;
        bit<1> survives;
        order_t floor = 0;
        survivors = 0;
        taken = 0;
        ladder.apply();
        RUNGS(RUNG_READ)
        FOR_EACH_LANE(LANE_CALL)
        RUNGS(RUNG_WRITE)
    }
}

#undef LANE_INSTANCE
#undef LANE_CALL
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
