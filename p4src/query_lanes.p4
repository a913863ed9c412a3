// An operator whose lanes know nothing of each other: sixteen instances of the control Lane.
// A template: query_all.p4 includes it once for each operator, with Lane and Operator defined as other names.
#include "query_headers.p4"

#define LANE_INSTANCE(i, n) Lane() lane##i;
#define LANE_CALL(i, n) \
    lane##i.apply(rows.key##i, rows.value##i, valid[n:n] == 1, second, info, survives, absorbed); \
    survivors = survivors | ((lanes_t)survives << n); \
    taken = taken | ((lanes_t)absorbed << n);

control Operator(in rows_h rows, in lanes_t valid, in bool second, in query_info_t info,
                 out lanes_t survivors, out lanes_t taken) {
    FOR_EACH_LANE(LANE_INSTANCE)

    apply {
        bit<1> survives;
        bit<1> absorbed;
        survivors = 0;
        taken = 0;
        FOR_EACH_LANE(LANE_CALL)
    }
}
#undef LANE_INSTANCE
#undef LANE_CALL
