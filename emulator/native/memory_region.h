/* Inside a shared-memory port of the switch: the peer's regions, and where answers are awaited in them (rings.h). */
#ifndef FPISA_MEMORY_REGION_H
#define FPISA_MEMORY_REGION_H
#include "rings.h"
#include <stdbool.h>

struct posting { /* of a contribution; its answer is placed once */
    uint64_t same[FPM_MAX_SAME / 8];
    uint64_t offset;
    uint16_t headers, payload;
    uint8_t region;
    bool awaited, keep; /* keep: FPM_KEEP */
};

struct regions {
    struct {
        uint8_t *map;
        uint64_t bytes;
    } list[FPM_MAX_REGIONS];
    uint32_t count;
    struct fpm_offer rule;                 /* the first offer's */
    uint64_t mask[FPM_MAX_SAME / 8];       /* of the bytes that are the same */
    struct posting *postings;              /* 65,536 of them, or NULL */
};

/* Maps the offered file. -1: refused. The descriptor stays the caller's. */
int regions_accept(struct regions *regions, const struct fpm_offer *offer, int file);
/* NULL where the payload does not lie within a region. */
const uint8_t *regions_payload(const struct regions *regions, const struct fpm_descriptor *part);
/* A contribution has come whose answer may overwrite its payload. `frame` is whole, and out of the peer's reach. */
void regions_post(struct regions *regions, const uint8_t *frame, const struct fpm_descriptor *part);
/* Where the payload of an answer is awaited, and the answer's description; NULL: nowhere. It is no longer awaited then. keep: what
 * stands there is to be kept. */
uint8_t *regions_place(struct regions *regions, const uint8_t *frame, uint32_t length, struct fpm_descriptor *placed, bool *keep);
void regions_free(struct regions *regions);
#endif
