/* The search of the ternary tree, included twice by tables_tree_find.c: FORM(name) names this form's functions, TAKE(word, mask)
 * moves the bits under a mask together, DIFFER(key, value, care) tells which of LANES words differ,
 * DIFFER_FEW(key, value, care, n) which of the first n <= LANES words,
 * PACK(tree, key, key_words, packed) packs a key of up to LANES words into as many, repeated. */

static inline uint32_t FORM(position)(const struct node *node, const uint64_t *key)
{
    return (uint32_t)(TAKE(key[node->word[0]], node->pick.mask[0]) |
                      TAKE(key[node->word[1]], node->pick.mask[1]) << node->shift);
}

/* Which of the block's entries agree with the packed key, which fills LANES words where it has no more than them. */
static inline uint32_t FORM(agreeing)(const struct tree *tree, uint32_t block, const uint64_t *key)
{
    const uint64_t *value = block_value(tree, block), *care = block_care(tree, block);
    if (tree->words <= LANES)
        return tree->agree[DIFFER(key, value, care)];
    uint64_t difference = 0;
    for (int32_t i = 0; i < tree->words; i++)
        difference |= (key[i] & care[i]) ^ value[i];
    return difference == 0;
}

static inline void FORM(scan)(const struct fpt_table *t, uint32_t block, const struct wanted_key *key, struct best *best)
{
    const struct tree *tree = t->tree;
    for (; block; block = block_head(tree, block)->next)
        for (uint32_t agree = FORM(agreeing)(tree, block, key->packed); agree; agree &= agree - 1) {
            int at = __builtin_ctz(agree);
            if (block_rank(tree, block)[at] >= best->rank)
                return;
            if (t->has_range && !slot_matches(t, block_slot(tree, block)[at], key->words))
                continue;
            *best = (struct best){block_rank(tree, block)[at], block_slot(tree, block)[at]};
            return;
        }
}

/* The best of few entries side by side, without a branch that depends on whether one agrees. */
static inline void FORM(scan_small)(const struct fpt_table *t, uint32_t ref, const struct wanted_key *key, struct best *best)
{
    const struct tree *tree = t->tree;
    const uint32_t n = small_count(ref), lanes = n * (uint32_t)tree->words;
    uint64_t *few = small_of(tree, ref);
    uint32_t agree = tree->agree[DIFFER_FEW(key->packed, few, few + lanes, lanes)] & ((1u << n) - 1);
    while (t->has_range && agree && !slot_matches(t, small_slots(tree, few, n)[__builtin_ctz(agree)], key->words))
        agree &= agree - 1;
    int at = __builtin_ctz(agree | 1u << (n - 1));
    uint64_t rank = few[2 * lanes + (uint32_t)at] | -(uint64_t)(agree == 0), old = best->rank;
    uint32_t slot = small_slots(tree, few, n)[at], old_slot = best->slot;
    best->rank = rank < old ? rank : old;
    best->slot = rank < old ? slot : old_slot;
}

static inline void FORM(scan_leaf)(const struct fpt_table *t, uint32_t ref, const struct wanted_key *key, struct best *best)
{
    if (small_count(ref))
        FORM(scan_small)(t, ref, key, best);
    else
        FORM(scan)(t, ref, key, best);
}

static inline bool FORM(passes)(const struct cell_of_node *cell, uint32_t check)
{
    return (cell->ref != 0) & (((cell->value ^ check) & cell->care) == 0);
}

static void FORM(search)(const struct fpt_table *t, uint32_t ref, const struct wanted_key *key, struct best *best)
{
    while (is_node(ref)) {
        const struct node *node = node_of(t->tree, ref);
        uint32_t check = check_bits(node, key->packed);
        const struct cell_of_node *cell = &node->cells[FORM(position)(node, key->packed)];
        if (FORM(passes)(&node->rest, check))
            FORM(search)(t, node->rest.ref, key, best);
        if (!FORM(passes)(cell, check))
            return;
        ref = cell->ref;
    }
    FORM(scan_leaf)(t, ref, key, best);
}

static uint32_t FORM(find)(const struct fpt_table *t, const uint64_t *key)
{
    uint64_t few[LANES];
    struct wanted_key wanted = {t->key_words <= LANES ? few : t->scratch, key};
    struct best best = {UINT64_MAX, NO_SLOT};
    if (t->key_words <= LANES)
        PACK(t->tree, key, t->key_words, wanted.packed);
    else
        pack_plain(t->tree, key, t->key_words, wanted.packed);
    FORM(search)(t, t->tree->root, &wanted, &best);
    return best.slot;
}

/* All keys along the way from the root over every rest, which nearly all of them take. */
static void FORM(visit_spine)(const struct fpt_table *t, const struct batch *batch, struct best *best, struct work *work)
{
    uint32_t ref = t->tree->root;
    for (; is_node(ref); ref = node_of(t->tree, ref)->rest.ref) {
        const struct node *node = node_of(t->tree, ref);
        if (work->n_found + 2 * FPT_CHUNK > MOST_FOUND) {
            for (int i = 0; i < batch->n; i++)
                FORM(search)(t, ref, &batch->keys[i], &best[i]);
            return;
        }
        work->n_found += FORM(visit)(node, batch, work->found + work->n_found);
    }
}

/* One step down for every node. */
static void FORM(step)(const struct fpt_table *t, const struct batch *batch, struct best *best, struct work *work)
{
    for (uint32_t i = 0; i < work->n_nodes; i++) {
        uint32_t ref = (uint32_t)work->nodes[i], number = (uint32_t)(work->nodes[i] >> 32);
        const struct node *node = node_of(t->tree, ref);
        const uint64_t *packed = batch->keys[number].packed;
        if (work->n_found + 2 > MOST_FOUND) {
            FORM(search)(t, ref, &batch->keys[number], &best[number]);
            continue;
        }
        struct cell_of_node cells[2] = {node->cells[FORM(position)(node, packed)], node->rest};
        for (int k = 0; k < 2; k++) {
            work->found[work->n_found] = (uint64_t)number << 32 | cells[k].ref;
            work->n_found += FORM(passes)(&cells[k], check_bits(node, packed));
        }
    }
}

/* Compares what was found with its keys; the nodes among it are kept for a step further. */
static void FORM(scan_found)(const struct fpt_table *restrict t, const struct batch *restrict batch, struct best *restrict best,
                             struct work *restrict work)
{
    work->n_nodes = 0;
    for (uint32_t i = 0; i < work->n_found; i++) {
        uint32_t ref = (uint32_t)work->found[i], number = (uint32_t)(work->found[i] >> 32);
        if (is_node(ref))
            work->nodes[work->n_nodes++] = work->found[i];
        else
            FORM(scan_leaf)(t, ref, &batch->keys[number], &best[number]);
    }
    work->n_found = 0;
}

static void FORM(search_many)(const struct fpt_table *t, const struct batch *batch, struct best *best)
{
    struct work work;
    work.n_found = 0;
    FORM(visit_spine)(t, batch, best, &work);
    while (work.n_found) {
        ask_for_found(t->tree, &work);
        FORM(scan_found)(t, batch, best, &work);
        FORM(step)(t, batch, best, &work);
    }
}

static void FORM(find_many)(const struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots)
{
    uint64_t packed[FPT_CHUNK][LANES];
    struct batch batch; /* not cleared: most of it is not used */
    struct best best[FPT_CHUNK];
    batch.n = n;
    batch.n_words = t->tree->words;
    for (int i = 0; i < n; i++) {
        batch.keys[i] = (struct wanted_key){packed[i], keys + i * stride};
        best[i] = (struct best){UINT64_MAX, NO_SLOT};
        PACK(t->tree, keys + i * stride, t->key_words, packed[i]);
    }
    for (int word = 0; word < batch.n_words; word++)
        for (int i = 0; i < n; i++)
            batch.columns[word][i] = packed[i][word];
    if (is_node(t->tree->root))
        FORM(search_many)(t, &batch, best);
    else
        for (int i = 0; i < n; i++)
            FORM(scan_leaf)(t, t->tree->root, &batch.keys[i], &best[i]);
    for (int i = 0; i < n; i++)
        slots[i] = best[i].slot;
}
