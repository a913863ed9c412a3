/* The slot protocol of docs/PROTOCOL.md in plain C, for testing and timing the worker engine without a compiled program.
 * Values are added as int32 (big-endian on the wire) or as the host's float32: it is no model of the number format. */
#ifndef FPISA_SLOT_MODEL_H
#define FPISA_SLOT_MODEL_H
#include "pipeline.h"
#include <stdint.h>

struct fpn_slot_model;

/* Worker r sits on port first_port + r. format: 0 int32, 1 fp32. NULL when memory is short. */
struct fpn_slot_model *fpn_slot_model_new(int32_t job, int32_t workers, int32_t slots, int32_t elements, int32_t format,
                                          int32_t first_port);
void fpn_slot_model_free(struct fpn_slot_model *model);
int32_t fpn_slot_model_run(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out,
                           int32_t out_capacity, int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us);
/* How often each fate befell a packet: absorbed, completed, duplicate, resent, stale, early, refused. */
void fpn_slot_model_fates(const struct fpn_slot_model *model, uint64_t *fates);

/* A root with `leaves` children of `each` workers: worker r sits below child r / each, on port r. Of the packets between
 * child and root one in `loses` is lost, 0: none. NULL when memory is short. */
struct fpn_slot_tree;
struct fpn_slot_tree *fpn_slot_tree_new(int32_t job, int32_t leaves, int32_t each, int32_t slots, int32_t elements, int32_t format,
                                        uint32_t loses);
void fpn_slot_tree_free(struct fpn_slot_tree *tree);
int32_t fpn_slot_tree_run(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out, int32_t out_capacity,
                          int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us);
/* At the children: raised, raised again, answered, stale answers; then the root's fates, as above. */
void fpn_slot_tree_fates(const struct fpn_slot_tree *tree, uint64_t *fates);
#endif
