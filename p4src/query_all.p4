// All operators in one program, so that queries of different kinds share a switch. A query's entry says which operator
// its packets meet; each operator has cells of its own.
#include <core.p4>
#include <v1model.p4>
#define OPERATOR 0  // ANY_OPERATOR
#ifndef JOIN_CELLS
#define JOIN_CELLS 65536
#endif
#include "query_headers.p4"

#define Lane FilterLane
#define Operator FilterOperator
#include "query_filter.p4"
#undef Lane
#undef Operator

#define Lane TopnLane
#define Operator TopnOperator
#include "query_topn.p4"
#undef Lane
#undef Operator

#define Lane DistinctLane
#define Operator DistinctOperator
#include "query_distinct.p4"
#undef Lane
#undef Operator

#define Lane ExtremeLane
#define Operator ExtremeOperator
#include "query_group_extreme.p4"
#undef Lane
#undef Operator

#define Lane SumLane
#define Operator SumOperator
#include "query_group_sum.p4"
#undef Lane
#undef Operator

#define Lane HavingLane
#define Operator HavingOperator
#include "query_having.p4"
#undef Lane
#undef Operator

#undef CELLS
#define CELLS JOIN_CELLS
#define Lane JoinLane
#define Operator JoinOperator
#include "query_join.p4"
#undef Lane
#undef Operator

control Operator(in rows_h rows, in lanes_t valid, in bool second, in query_info_t info,
                 out lanes_t survivors, out lanes_t taken) {
    FilterOperator() filter;
    TopnOperator() topn;
    DistinctOperator() distinct;
    ExtremeOperator() group_extreme;
    SumOperator() group_sum;
    HavingOperator() having;
    JoinOperator() join;

    apply {
        if (info.code == 1) { filter.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 2) { topn.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 3) { distinct.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 4) { group_extreme.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 5) { group_sum.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 6) { having.apply(rows, valid, second, info, survivors, taken);
        } else if (info.code == 7) { join.apply(rows, valid, second, info, survivors, taken);
        } else {
            survivors = 0;
            taken = 0;
        }
    }
}

#include "query.p4"
