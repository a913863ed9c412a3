/* Subtrees of the ternary tables: building one from its entries, best first. */
#include "tables_tree.h"
#include <stdlib.h>

static void give_node(struct tree *tree, uint32_t number)
{
    tree->nodes[number] = (struct node){.built = tree->free_node}; /* the next free one */
    tree->free_node = number;
}

void subtree_free(struct tree *tree, uint32_t ref)
{
    if (!is_node(ref)) {
        leaf_free(tree, ref);
        return;
    }
    struct node *node = node_of(tree, ref);
    for (uint32_t i = 0; i < 1u << node->bits; i++)
        if (node->cells[i].ref)
            subtree_free(tree, node->cells[i].ref);
    if (node->rest.ref)
        subtree_free(tree, node->rest.ref);
    free(node->cells);
    give_node(tree, ref & ~TO_NODE);
}

/* Room for a node; NO_SLOT when memory is short. */
static uint32_t new_node(struct tree *tree)
{
    uint32_t number = tree->free_node;
    if (number != NO_SLOT) {
        tree->free_node = tree->nodes[number].built;
        return number;
    }
    if (tree->n_nodes == tree->node_room) {
        uint32_t room = tree->node_room ? tree->node_room * 2 : 16;
        struct node *nodes = room >= TO_NODE ? NULL : table_memory(room * sizeof *nodes);
        if (!nodes)
            return NO_SLOT;
        if (tree->n_nodes)
            memcpy(nodes, tree->nodes, tree->n_nodes * sizeof *nodes);
        free(tree->nodes);
        tree->nodes = nodes;
        tree->node_room = room;
    }
    return tree->n_nodes++;
}

struct place place_of(const struct tree *tree, const struct node *node, uint32_t slot)
{
    struct place place = {.fixed = picked_bits(node, rule_value(tree, slot)),
                          .open = ~picked_bits(node, rule_care(tree, slot)) & ((1u << node->bits) - 1)};
    place.in_rest = __builtin_popcount(place.open) > node->spare;
    return place;
}

/* The check compares what all entries want alike. */
static void admit_besides(const struct tree *tree, const struct node *node, struct cell_of_node *cell, uint32_t slot)
{
    uint16_t value = check_bits(node, rule_value(tree, slot)), care = check_bits(node, rule_care(tree, slot));
    cell->care = (uint16_t)(cell->care & care & ~(cell->value ^ value));
    cell->value &= cell->care;
}

void admit(const struct tree *tree, const struct node *node, struct cell_of_node *cell, uint32_t slot)
{
    if (!cell->ref) {
        cell->value = check_bits(node, rule_value(tree, slot));
        cell->care = check_bits(node, rule_care(tree, slot));
    } else
        admit_besides(tree, node, cell, slot);
}

/* Entries of every cell side by side: those of cell i are lists[starts[i]] up to lists[starts[i + 1]]; the rest's come last. */
struct parts {
    uint32_t *starts, *lists;
};

static void count_copies(const struct tree *tree, const struct node *node, const uint32_t *slots, uint32_t n, uint32_t *counts)
{
    for (uint32_t i = 0; i < n; i++) {
        struct place place = place_of(tree, node, slots[i]);
        uint32_t cell = first_cell(place);
        if (place.in_rest)
            counts[1u << node->bits]++;
        else
            do
                counts[cell]++;
            while (next_cell(place, &cell));
    }
}

static bool divide(const struct tree *tree, const struct node *node, const uint32_t *slots, uint32_t n, struct parts *parts)
{
    uint32_t cells = 1u << node->bits, sum = 0;
    parts->starts = calloc(cells + 3, sizeof *parts->starts);
    if (!parts->starts)
        return false;
    uint32_t *ends = parts->starts + 1; /* moved up to become the next part's start */
    count_copies(tree, node, slots, n, ends);
    for (uint32_t i = 0; i <= cells; i++) {
        uint32_t count = ends[i];
        ends[i] = sum;
        sum += count;
    }
    parts->lists = malloc((sum + 1) * sizeof *parts->lists);
    if (!parts->lists)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        struct place place = place_of(tree, node, slots[i]);
        uint32_t cell = first_cell(place);
        if (place.in_rest)
            parts->lists[ends[cells]++] = slots[i];
        else
            do
                parts->lists[ends[cell]++] = slots[i];
            while (next_cell(place, &cell));
    }
    return true;
}

static bool fill_cell(struct tree *tree, uint32_t number, struct cell_of_node *cell, const uint32_t *slots, uint32_t n, int depth)
{
    if (!n)
        return true;
    admit(tree, &tree->nodes[number], cell, slots[0]);
    for (uint32_t i = 1; i < n; i++)
        admit_besides(tree, &tree->nodes[number], cell, slots[i]);
    uint32_t ref = 0;
    bool done = build(tree, slots, n, depth, &ref);
    cell->ref = ref;
    return done;
}

static bool build_node(struct tree *tree, const struct node *chosen, const uint32_t *slots, uint32_t n, int depth, uint32_t *ref)
{
    struct parts parts = {NULL, NULL};
    uint32_t number = new_node(tree), cells = 1u << chosen->bits;
    struct cell_of_node *memory = number == NO_SLOT ? NULL : table_memory(cells * sizeof *memory);
    if (!memory) {
        if (number != NO_SLOT)
            give_node(tree, number);
        return false;
    }
    tree->nodes[number] = *chosen;
    tree->nodes[number].cells = memory;
    tree->nodes[number].count = tree->nodes[number].built = n;
    *ref = TO_NODE | number;
    bool done = divide(tree, chosen, slots, n, &parts);
    for (uint32_t i = 0; i < cells && done; i++)
        done = fill_cell(tree, number, &memory[i], parts.lists + parts.starts[i], parts.starts[i + 1] - parts.starts[i],
                         depth + 1);
    if (done) {
        struct cell_of_node rest = {0};
        done = fill_cell(tree, number, &rest, parts.lists + parts.starts[cells], parts.starts[cells + 1] - parts.starts[cells],
                         depth + 1);
        tree->nodes[number].rest = rest; /* the nodes may have moved meanwhile */
    }
    free(parts.starts);
    free(parts.lists);
    return done;
}

bool build(struct tree *tree, const uint32_t *slots, uint32_t n, int depth, uint32_t *ref)
{
    struct node chosen;
    if (n > tree->few && n > 1 && depth < MOST_DEPTH && choose_bits(tree, slots, n, &chosen))
        return build_node(tree, &chosen, slots, n, depth, ref);
    if (!leaf_make(tree, slots, n, ref))
        return false;
    if (n > tree->few)
        block_head(tree, *ref)->retry = 2 * n;
    return true;
}
