/* The search of the ternary tree, included twice by tables_tree_find.c: FORM(name) names this form's functions, TAKE(word, mask)
 * moves the bits under a mask together, DIFFER(key, value, care) tells which of LANES words differ,
 * PACK(tree, key, key_words, packed) packs a key of up to LANES words into as many, repeated. */

static inline uint32_t FORM(position)(const struct node *node, const uint64_t *key, bool one_word)
{
    uint32_t low = (uint32_t)TAKE(key[node->word[0]], node->pick.mask[0]);
    return one_word ? low : low | (uint32_t)TAKE(key[node->word[1]], node->pick.mask[1]) << node->shift;
}

static inline uint32_t FORM(checked)(const struct node *node, const uint64_t *key, bool one_word)
{
    uint32_t low = (uint32_t)TAKE(key[node->check_word[0]], node->check.mask[0]);
    return one_word ? low : low | (uint32_t)TAKE(key[node->check_word[1]], node->check.mask[1]) << node->check_shift;
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

static inline bool FORM(passes)(const struct cell_of_node *cell, uint32_t check)
{
    return (cell->ref != 0) & (((cell->value ^ check) & cell->care) == 0);
}

static void FORM(search)(const struct fpt_table *t, uint32_t ref, const struct wanted_key *key, struct best *best)
{
    while (ref & TO_NODE) {
        const struct node *node = &t->tree->nodes[ref & ~TO_NODE];
        uint32_t check = FORM(checked)(node, key->packed, false);
        const struct cell_of_node *cell = &node->cells[FORM(position)(node, key->packed, false)];
        if (FORM(passes)(&node->rest, check))
            FORM(search)(t, node->rest.ref, key, best);
        if (!FORM(passes)(cell, check))
            return;
        ref = cell->ref;
    }
    FORM(scan)(t, ref, key, best);
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

/* Notes what a cell leads to, without a branch that depends on the key: nodes and chains apart. */
static inline __attribute__((always_inline)) void FORM(note)(const struct cell_of_node *cell, uint32_t check, uint32_t key,
                                                             struct noted *noted)
{
    uint64_t item = (uint64_t)key << 32 | cell->ref;
    uint32_t passed = FORM(passes)(cell, check), deeper = cell->ref >> 31;
    noted->items[noted->n] = noted->chains[noted->n_chains] = item;
    noted->n += passed & deeper;
    noted->n_chains += passed & ~deeper;
}

/* One node for all keys. */
static inline __attribute__((always_inline)) void FORM(visit)(const struct node *node, const struct wanted_key *keys, int n,
                                                              bool one_pick, bool one_check, struct work *work)
{
    const struct node own = *node;
    struct noted noted = noted_so_far(work);
    for (int i = 0; i < n; i++) {
        const uint64_t *packed = keys[i].packed;
        FORM(note)(&own.cells[FORM(position)(&own, packed, one_pick)], FORM(checked)(&own, packed, one_check), (uint32_t)i,
                   &noted);
    }
    if (own.rest.ref && !(own.rest.ref & TO_NODE))
        for (int i = 0; i < n; i++)
            FORM(note)(&own.rest, FORM(checked)(&own, keys[i].packed, one_check), (uint32_t)i, &noted);
    work->n = noted.n;
    work->n_chains = noted.n_chains;
}

/* All keys along the way from the root over every rest, which nearly all of them take. */
static void FORM(visit_spine)(const struct fpt_table *t, const struct wanted_key *keys, int n, struct best *best, struct work *work)
{
    for (uint32_t ref = t->tree->root; ref & TO_NODE; ref = t->tree->nodes[ref & ~TO_NODE].rest.ref) {
        const struct node *node = &t->tree->nodes[ref & ~TO_NODE];
        bool one_pick = !node->pick.mask[1], one_check = !node->check.mask[1];
        if (!has_room(work, 2 * n)) {
            for (int i = 0; i < n; i++)
                FORM(search)(t, ref, &keys[i], &best[i]);
            return;
        }
        if (one_pick && one_check)
            FORM(visit)(node, keys, n, true, true, work);
        else if (one_pick)
            FORM(visit)(node, keys, n, true, false, work);
        else
            FORM(visit)(node, keys, n, false, false, work);
    }
}

/* One step down for every node noted. */
static void FORM(step)(const struct fpt_table *t, const struct wanted_key *keys, struct best *best, struct work *work)
{
    const uint64_t *items = work->items[work->turn];
    uint32_t n = work->n;
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(&t->tree->nodes[(uint32_t)items[i] & ~TO_NODE]);
    work->turn ^= 1;
    work->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = &t->tree->nodes[(uint32_t)items[i] & ~TO_NODE];
        uint32_t key = (uint32_t)(items[i] >> 32), check = FORM(checked)(node, keys[key].packed, false);
        struct noted noted = noted_so_far(work);
        if (!has_room(work, 2)) {
            FORM(search)(t, (uint32_t)items[i], &keys[key], &best[key]);
            continue;
        }
        FORM(note)(&node->cells[FORM(position)(node, keys[key].packed, false)], check, key, &noted);
        FORM(note)(&node->rest, check, key, &noted);
        work->n = noted.n;
        work->n_chains = noted.n_chains;
    }
}

/* A chain of one block without branches that depend on whether something matches. */
static inline void FORM(scan_block)(const struct fpt_table *t, uint64_t item, const struct wanted_key *keys, struct best *best)
{
    const struct tree *tree = t->tree;
    uint32_t block = (uint32_t)item, key = (uint32_t)(item >> 32);
    if (t->has_range || block_head(tree, block)->next) {
        FORM(scan)(t, block, &keys[key], &best[key]);
        return;
    }
    uint32_t agree = FORM(agreeing)(tree, block, keys[key].packed), at = agree ? (uint32_t)__builtin_ctz(agree) : 0;
    struct best *own = &best[key];
    uint64_t rank = agree ? block_rank(tree, block)[at] : UINT64_MAX;
    uint32_t slot = block_slot(tree, block)[at];
    own->slot = rank < own->rank ? slot : own->slot;
    own->rank = rank < own->rank ? rank : own->rank;
}

static void FORM(search_many)(const struct fpt_table *t, const struct wanted_key *keys, int n, struct best *best)
{
    struct work work;
    work.n = work.n_chains = work.turn = 0;
    uint32_t root = t->tree->root;
    FORM(visit_spine)(t, keys, n, best, &work);
    while (work.n)
        FORM(step)(t, keys, best, &work);
    for (uint32_t i = 0; i < work.n_chains; i++)
        ask_for_block(t->tree, (uint32_t)work.chains[i]);
    for (uint32_t i = 0; i < work.n_chains; i++)
        FORM(scan_block)(t, work.chains[i], keys, best);
    for (int i = 0; i < n && root && !(root & TO_NODE); i++)
        FORM(scan)(t, root, &keys[i], &best[i]);
}

static void FORM(find_many)(const struct fpt_table *t, const uint64_t *keys, int n, uint32_t *slots)
{
    uint64_t packed[FPT_CHUNK][LANES];
    struct wanted_key wanted[FPT_CHUNK];
    struct best best[FPT_CHUNK];
    for (int i = 0; i < n; i++) {
        wanted[i] = (struct wanted_key){packed[i], keys + i * t->key_words};
        best[i] = (struct best){UINT64_MAX, NO_SLOT};
        PACK(t->tree, wanted[i].words, t->key_words, packed[i]);
    }
    if (n > 0)
        FORM(search_many)(t, wanted, n, best);
    for (int i = 0; i < n; i++)
        slots[i] = best[i].slot;
}
