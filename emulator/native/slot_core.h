/* Inside the model of the slot protocol: one switch's slots, and the questions of the protocol's table. */
#ifndef FPISA_SLOT_CORE_H
#define FPISA_SLOT_CORE_H
#include "slot_model.h"
#include <stdbool.h>

#define HEADERS 58
#define AT_FPISA 42

enum fate { ABSORBED, COMPLETED, DUPLICATE, RESENT, STALE, EARLY, REFUSED, FATES };

struct set {
    uint32_t chunk, seen, missing;
    int8_t exponent;
    bool used, answered; /* answered: of a child, by its parent */
};

struct fpn_slot_model {
    int32_t job, workers, slots, elements, format, first_port, first_rank;
    struct set *sets; /* slot * 2 + set */
    uint32_t *values; /* elements each, host order */
    uint64_t fates[FATES];
};

static inline uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }

/* f: the FPISA header. */
bool slot_admitted(const struct fpn_slot_model *m, const struct fp_packet *p);
enum fate slot_judge(const struct fpn_slot_model *m, const uint8_t *f);
void slot_absorb(struct fpn_slot_model *m, const uint8_t *f);
/* The result for one rank, made from the packet that asked for it. */
void slot_reply(const struct fpn_slot_model *m, const struct fp_packet *p, int rank, bool again, struct fp_packet *out);
#endif
