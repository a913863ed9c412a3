/* A tree of two levels of the model's switches (docs/PROTOCOL.md, "A tree of switches"), its inner links within the process and
 * lossy. Sums go up as results' values would: it is no model of how they are packed. */
#include "slot_core.h"
#include <stdlib.h>
#include <string.h>

enum { RAISED, RAISED_AGAIN, ANSWERED, STALE_ANSWER, TREE_FATES };

struct fpn_slot_tree {
    struct fpn_slot_model *root;
    struct fpn_slot_model **leaves;
    int32_t n_leaves, each;
    uint32_t loses;
    uint64_t random, fates[TREE_FATES];
    uint8_t *raised; /* the packet on its way up */
};

struct fpn_slot_tree *fpn_slot_tree_new(int32_t job, int32_t leaves, int32_t each, int32_t slots, int32_t elements, int32_t format,
                                        uint32_t loses)
{
    struct fpn_slot_tree *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    *t = (struct fpn_slot_tree){.n_leaves = leaves, .each = each, .loses = loses, .random = 1};
    t->root = fpn_slot_model_new(job, leaves, slots, elements, format, 0);
    t->leaves = calloc((size_t)leaves, sizeof(struct fpn_slot_model *));
    t->raised = malloc(HEADERS + 4 * (size_t)elements);
    bool whole = t->root && t->leaves && t->raised;
    for (int32_t i = 0; whole && i < leaves; i++) {
        t->leaves[i] = fpn_slot_model_new(job, each, slots, elements, format, 0);
        whole = t->leaves[i];
        if (whole)
            t->leaves[i]->first_rank = i * each;
    }
    if (whole)
        return t;
    fpn_slot_tree_free(t);
    return NULL;
}

void fpn_slot_tree_free(struct fpn_slot_tree *t)
{
    if (!t)
        return;
    for (int32_t i = 0; t->leaves && i < t->n_leaves; i++)
        fpn_slot_model_free(t->leaves[i]);
    fpn_slot_model_free(t->root);
    free(t->leaves);
    free(t->raised);
    free(t);
}

void fpn_slot_tree_fates(const struct fpn_slot_tree *t, uint64_t *fates)
{
    memcpy(fates, t->fates, sizeof t->fates);
    fpn_slot_model_fates(t->root, fates + TREE_FATES);
}

/* Knuth, The Art of Computer Programming, volume 2, 3.3.4, as in MMIX. */
static bool lost(struct fpn_slot_tree *t)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return t->loses && (t->random >> 33) % t->loses == 0;
}

struct output {
    struct fp_packet *packets;
    int32_t n;
    uint8_t *at;
    int64_t size;
};

static void send(struct output *o, const struct fpn_slot_model *leaf, const struct fp_packet *asked, int rank, bool again)
{
    struct fp_packet *packet = &o->packets[o->n++];
    packet->data = o->at;
    o->at += o->size;
    slot_reply(leaf, asked, rank, again, packet);
}

/* The root's result reaches a child, which passes it on to all below. */
static void answer(struct fpn_slot_tree *t, int32_t child, const struct fp_packet *asked, struct output *o)
{
    struct fpn_slot_model *leaf = t->leaves[child];
    const uint8_t *f = asked->data + AT_FPISA;
    uint32_t index = get16(f + 6);
    struct set *set = &leaf->sets[index];
    size_t bytes = 4 * (size_t)leaf->elements, at = (size_t)index * (size_t)leaf->elements;
    if (lost(t))
        return;
    if (!set->used || set->chunk != get32(f + 8) || set->missing || set->answered) {
        t->fates[STALE_ANSWER]++;
        return;
    }
    t->fates[ANSWERED]++;
    set->answered = true;
    memcpy(leaf->values + at, t->root->values + at, bytes);
    for (int32_t rank = leaf->first_rank; rank < leaf->first_rank + leaf->workers; rank++)
        send(o, leaf, asked, rank, false);
}

/* A child's complete sum goes to the root, as a contribution of the rank that the child has there. */
static void raise_sum(struct fpn_slot_tree *t, int32_t child, const struct fp_packet *asked, struct output *o)
{
    const struct fpn_slot_model *leaf = t->leaves[child];
    uint32_t index = get16(asked->data + AT_FPISA + 6);
    struct fp_packet up = *asked;
    memcpy(t->raised, asked->data, HEADERS);
    up.data = t->raised;
    uint8_t *f = up.data + AT_FPISA;
    f[4] = (uint8_t)child;
    f[13] = (uint8_t)leaf->sets[index].exponent;
    for (int32_t i = 0; i < leaf->elements; i++) {
        uint32_t value = leaf->values[(size_t)index * (size_t)leaf->elements + (size_t)i];
        value = leaf->format == 0 ? __builtin_bswap32(value) : value;
        memcpy(f + 16 + 4 * i, &value, 4);
    }
    if (lost(t))
        return;
    enum fate fate = slot_judge(t->root, f);
    t->root->fates[fate]++;
    if (fate == ABSORBED || fate == COMPLETED)
        slot_absorb(t->root, f);
    for (int32_t i = 0; i < t->n_leaves; i++)
        if (fate == COMPLETED || (fate == RESENT && i == child))
            answer(t, i, asked, o);
}

static void take(struct fpn_slot_tree *t, const struct fp_packet *packet, struct output *o)
{
    const uint8_t *f = packet->data + AT_FPISA;
    int32_t child = packet->length > HEADERS && f[4] / t->each < t->n_leaves ? f[4] / t->each : 0;
    struct fpn_slot_model *leaf = t->leaves[child];
    enum fate fate = slot_admitted(leaf, packet) ? slot_judge(leaf, f) : REFUSED;
    leaf->fates[fate]++;
    if (fate == ABSORBED || fate == COMPLETED)
        slot_absorb(leaf, f);
    if (fate != COMPLETED && fate != RESENT)
        return;
    if (leaf->sets[get16(f + 6)].answered) {
        send(o, leaf, packet, f[4], true);
        return;
    }
    t->fates[fate == COMPLETED ? RAISED : RAISED_AGAIN]++;
    raise_sum(t, child, packet, o);
}

int32_t fpn_slot_tree_run(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out, int32_t out_capacity,
                          int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us)
{
    struct fpn_slot_tree *t = state;
    int32_t workers = t->n_leaves * t->each, done = 0;
    struct output o = {out, 0, arena, (HEADERS + 4 * t->root->elements + 63) & ~63};
    (void)now_us;
    while (done < n_in && o.n + workers <= out_capacity && o.at - arena + o.size * workers <= arena_size)
        take(t, &in[done++], &o);
    *n_out = o.n;
    return done;
}
