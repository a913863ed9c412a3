/* The regions of a shared-memory port's peer: mapped, read from, and written to where an answer is awaited. What a network
 * card's memory access does for registered memory is done here by the switch's processor. */
#define _GNU_SOURCE
#include "memory_region.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096u
#define PLACES 65536u
#define MOST_BYTES ((uint64_t)1 << 36)
#define LEAST_FRAME 64u /* of an answer: the compared bytes are loaded in whole words */

static bool sound(const struct regions *r, const struct fpm_offer *o)
{
    bool rule = !o->same_bytes || (o->same_bytes <= FPM_MAX_SAME && o->index_in + 2 <= o->same_bytes &&
                                   o->same_at <= LEAST_FRAME - FPM_MAX_SAME);
    bool alike = !r->count || (o->same_at == r->rule.same_at && o->same_bytes == r->rule.same_bytes &&
                               o->index_in == r->rule.index_in);
    return r->count < FPM_MAX_REGIONS && rule && alike && o->bytes && o->bytes % PAGE == 0 && o->bytes <= MOST_BYTES;
}

/* Only memory files have seals. One that can shrink would be a fault on access, whenever its owner likes. */
static bool lasting(const struct fpm_offer *o, int file)
{
    int seals = fcntl(file, F_GET_SEALS);
    struct stat status;
    return seals >= 0 && seals & F_SEAL_SHRINK && !fstat(file, &status) && (uint64_t)status.st_size >= o->bytes;
}

int regions_accept(struct regions *r, const struct fpm_offer *offer, int file)
{
    if (!sound(r, offer) || !lasting(offer, file))
        return -1;
    if (offer->same_bytes && !r->postings && !(r->postings = calloc(PLACES, sizeof *r->postings)))
        return -1;
    void *map = mmap(NULL, offer->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return -1;
    madvise(map, offer->bytes, MADV_HUGEPAGE);
    r->list[r->count].map = map;
    r->list[r->count++].bytes = offer->bytes;
    r->rule = *offer;
    memset(r->mask, 0, sizeof r->mask);
    memset(r->mask, 0xff, offer->same_bytes);
    return 0;
}

static uint8_t *place(const struct regions *r, uint8_t region, uint64_t offset, uint16_t bytes)
{
    if (region >= r->count || offset > r->list[region].bytes || bytes > r->list[region].bytes - offset)
        return NULL;
    return r->list[region].map + offset;
}

const uint8_t *regions_payload(const struct regions *r, const struct fpm_descriptor *part)
{
    return place(r, part->region, part->payload_offset, part->payload_length);
}

static struct posting *posting_of(const struct regions *r, const uint8_t *frame, uint64_t *same)
{
    const uint8_t *index = frame + r->rule.same_at + r->rule.index_in;
    memcpy(same, frame + r->rule.same_at, FPM_MAX_SAME);
    same[0] &= r->mask[0];
    same[1] &= r->mask[1];
    return &r->postings[(uint32_t)index[0] << 8 | index[1]];
}

static bool equal(const uint64_t *a, const uint64_t *b) { return a[0] == b[0] && a[1] == b[1]; }

void regions_post(struct regions *r, const uint8_t *frame, const struct fpm_descriptor *part)
{
    uint64_t same[FPM_MAX_SAME / 8];
    if (!r->postings || part->length < r->rule.same_at + r->rule.same_bytes ||
        (uint32_t)part->length + part->payload_length < LEAST_FRAME)
        return;
    struct posting *posting = posting_of(r, frame, same);
    if (posting->headers && equal(posting->same, same))
        return; /* sent again: it awaits its answer still, or has had it */
    *posting = (struct posting){{same[0], same[1]}, part->payload_offset, part->length, part->payload_length,
                                part->region, true, (part->flags & FPM_KEEP) != 0};
}

uint8_t *regions_place(struct regions *r, const uint8_t *frame, uint32_t length, struct fpm_descriptor *placed, bool *keep)
{
    uint64_t same[FPM_MAX_SAME / 8];
    if (!r->postings || length < LEAST_FRAME)
        return NULL;
    struct posting *posting = posting_of(r, frame, same);
    if (!posting->awaited || !equal(posting->same, same) || length != (uint32_t)posting->headers + posting->payload)
        return NULL;
    uint8_t *to = place(r, posting->region, posting->offset, posting->payload);
    if (!to)
        return NULL;
    posting->awaited = false;
    *keep = posting->keep;
    *placed = (struct fpm_descriptor){posting->headers, posting->payload, posting->region, FPM_PLACED, 0, posting->offset};
    return to;
}

void regions_free(struct regions *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        munmap(r->list[i].map, r->list[i].bytes);
    free(r->postings);
    *r = (struct regions){0};
}
