/* Which bits a node picks. What is made small is the number of binary decisions still needed, as if all that follow were
 * perfect: an entry in a cell of n needs log2 n, in several cells their mean, in a rest of n log2 n and REST more for the
 * second search. Bits are added one by one, the best first, measured on a sample. */
#include "tables_tree.h"
#include <math.h>
#include <stdlib.h>

#define SAMPLE 2048u
#define MOST_PAIRS (2 * SAMPLE)
#define CANDIDATES 48
#define REST 2.0
#define COPY 0.25      /* per copy: an entry in two cells costs memory and writes */
#define LEAST_GAIN 0.06 /* decisions saved per entry, or the bit is not worth its cells */
#define MOST_WORDS 256
#define WHOLE 8u /* halved with every open bit */

struct candidate {
    uint16_t bit;
    double cost;
};

_Static_assert(WHOLE * MOST_PAIRS < 1 << 16, "counts have two halves");

/* An entry's copy in a cell of the bits picked so far. */
struct pair {
    uint16_t entry;
    uint16_t cell;
};

struct choice {
    const struct tree *tree;
    uint32_t n, n_pairs, n_rest;
    uint32_t slots[SAMPLE];
    uint8_t open[SAMPLE]; /* picked bits that the entry does not compare */
    struct pair pairs[MOST_PAIRS];
    uint32_t counts[2u << MOST_BITS]; /* pairs in a cell; from bit 16 on their weight, WHOLE for an entry in one cell only */
    double logs[MOST_PAIRS + 1];      /* log2 n */
    struct candidate candidates[CANDIDATES];
    int n_candidates, n_picked, spare;
    uint16_t picked[MOST_BITS];
};

static inline int state(const struct choice *c, uint32_t entry, uint32_t bit) /* 0, 1, or 2: not compared */
{
    uint64_t one = (uint64_t)1 << (bit & 63);
    if (!(rule_care(c->tree, c->slots[entry])[bit >> 6] & one))
        return 2;
    return (rule_value(c->tree, c->slots[entry])[bit >> 6] & one) != 0;
}

static void draw_sample(struct choice *c, const uint32_t *slots, uint32_t n)
{
    c->n = n < SAMPLE ? n : SAMPLE;
    for (uint32_t i = 0; i < c->n; i++) {
        c->slots[i] = slots[(uint64_t)i * n / c->n];
        c->open[i] = 0;
        c->pairs[i] = (struct pair){(uint16_t)i, 0};
    }
    c->n_pairs = c->n;
    c->n_rest = 0;
}

/* How many entries of the sample want 1 and 0 in each bit of a word. */
struct wants {
    uint32_t ones[64], zeros[64];
};

static void count_wants(const struct choice *c, int32_t word, struct wants *wants)
{
    *wants = (struct wants){{0}, {0}};
    for (uint32_t i = 0; i < c->n; i++) {
        uint64_t value = rule_value(c->tree, c->slots[i])[word];
        for (uint64_t care = rule_care(c->tree, c->slots[i])[word]; care; care &= care - 1) {
            int bit = __builtin_ctzll(care);
            uint32_t one = value >> bit & 1;
            wants->ones[bit] += one;
            wants->zeros[bit] += 1 - one;
        }
    }
}

/* Into the list of the best, cheapest first, if it is among them. */
static void offer(struct choice *c, struct candidate candidate)
{
    if (c->n_candidates == CANDIDATES && candidate.cost >= c->candidates[CANDIDATES - 1].cost)
        return;
    int at = c->n_candidates < CANDIDATES ? c->n_candidates++ : CANDIDATES - 1;
    for (; at > 0 && c->candidates[at - 1].cost > candidate.cost; at--)
        c->candidates[at] = c->candidates[at - 1];
    c->candidates[at] = candidate;
}

/* The bits that by themselves tell the entries apart best. */
static void find_candidates(struct choice *c)
{
    int32_t words = c->tree->words < MOST_WORDS ? c->tree->words : MOST_WORDS;
    struct wants wants;
    c->n_candidates = 0;
    for (int32_t word = 0; word < words; word++) {
        count_wants(c, word, &wants);
        for (int bit = 0; bit < 64; bit++) {
            uint32_t ones = wants.ones[bit], zeros = wants.zeros[bit], open = c->n - ones - zeros;
            double cost = ones * c->logs[ones] + zeros * c->logs[zeros] + open * (c->logs[open] + REST);
            if (ones && zeros)
                offer(c, (struct candidate){(uint16_t)(64 * word + bit), cost});
        }
    }
}

static double cost_with(struct choice *c, uint32_t bit)
{
    uint32_t cells = 2u << c->n_picked, rest = c->n_rest * WHOLE, copies = 0;
    memset(c->counts, 0, cells * sizeof *c->counts);
    for (uint32_t i = 0; i < c->n_pairs; i++) {
        struct pair pair = c->pairs[i];
        int at = state(c, pair.entry, bit);
        uint32_t one = WHOLE >> c->open[pair.entry];
        if (at < 2)
            c->counts[2 * pair.cell + at] += one << 16 | 1;
        else if (c->open[pair.entry] < c->spare) {
            c->counts[2 * pair.cell] += one << 15 | 1;
            c->counts[2 * pair.cell + 1] += one << 15 | 1;
            copies++;
        } else
            rest += one;
    }
    rest /= WHOLE;
    double cost = 0;
    for (uint32_t i = 0; i < cells; i++)
        cost += (c->counts[i] >> 16) * c->logs[c->counts[i] & 0xffff];
    return cost / WHOLE + rest * (c->logs[rest] + REST) + COPY * copies;
}

/* false when the copies become too many; the choice is not changed then. */
static bool pick(struct choice *c, uint32_t bit)
{
    uint32_t kept = 0, n = c->n_pairs, copies = 0;
    for (uint32_t i = 0; i < n; i++)
        copies += state(c, c->pairs[i].entry, bit) == 2 && c->open[c->pairs[i].entry] < c->spare;
    if (n + copies > MOST_PAIRS)
        return false;
    uint32_t end = n;
    for (uint32_t i = 0; i < n; i++) {
        struct pair pair = c->pairs[i];
        int at = state(c, pair.entry, bit);
        pair.cell = (uint16_t)(2 * pair.cell);
        if (at == 2 && c->open[pair.entry] >= c->spare)
            continue;
        if (at == 2)
            c->pairs[end++] = (struct pair){pair.entry, (uint16_t)(pair.cell + 1)};
        pair.cell = (uint16_t)(pair.cell + (at == 1));
        c->pairs[kept++] = pair;
    }
    memmove(c->pairs + kept, c->pairs + n, (end - n) * sizeof *c->pairs);
    c->n_pairs = kept + end - n;
    c->n_rest = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        c->open[i] += state(c, i, bit) == 2;
        c->n_rest += c->open[i] > c->spare;
    }
    c->picked[c->n_picked++] = (uint16_t)bit;
    return true;
}

static bool fits_words(const uint16_t *bits, int n, uint32_t bit)
{
    uint32_t first = bit >> 6, second = bit >> 6; /* the words in use, besides the bit's own */
    for (int i = 0; i < n; i++) {
        uint32_t word = bits[i] >> 6;
        if (word == first || word == second)
            continue;
        if (first != second)
            return false;
        second = word;
    }
    return true;
}

static bool may_pick(const struct choice *c, uint32_t bit)
{
    for (int i = 0; i < c->n_picked; i++)
        if (c->picked[i] == bit)
            return false;
    return fits_words(c->picked, c->n_picked, bit);
}

/* Returns the decisions that remain. */
static double pick_best(struct choice *c, uint32_t n)
{
    double cost = c->n * c->logs[c->n];
    while (c->n_picked < MOST_BITS && 1u << c->n_picked < 2 * n && c->n_pairs > 1) {
        int best = -1;
        double least = cost - LEAST_GAIN * c->n_pairs;
        for (int k = 0; k < c->n_candidates; k++) {
            double found = may_pick(c, c->candidates[k].bit) ? cost_with(c, c->candidates[k].bit) : cost;
            if (found < least) {
                least = found;
                best = k;
            }
        }
        if (best < 0 || !pick(c, c->candidates[best].bit))
            break;
        cost = least;
    }
    return cost;
}

static void set_picked(struct node *node, const uint16_t *bits, int n)
{
    node->word[0] = node->word[1] = n ? (uint8_t)(bits[0] >> 6) : 0;
    for (int i = 0; i < n; i++) {
        uint8_t at = (uint8_t)(bits[i] >> 6);
        if (at != node->word[0])
            node->word[1] = at;
        node->pick.mask[at != node->word[0]] |= (uint64_t)1 << (bits[i] & 63);
    }
    node->shift = (uint8_t)__builtin_popcountll(node->pick.mask[0]);
}

/* The sixteen bits in a row that save the most decisions of their own, picked ones aside: by them a cell tells that it has
 * nothing for a key. */
static void choose_check(const struct choice *c, struct node *node)
{
    double most = 0, all = c->n * c->logs[c->n];
    for (int k = 0; k < c->n_candidates; k++) { /* a row begins with a good bit */
        uint32_t first = c->candidates[k].bit;
        double saved = 0;
        for (int i = 0; i < c->n_candidates; i++) {
            uint32_t bit = c->candidates[i].bit;
            bool picked = (bit >> 6 == node->word[0] && node->pick.mask[0] >> (bit & 63) & 1) ||
                          (bit >> 6 == node->word[1] && node->pick.mask[1] >> (bit & 63) & 1);
            if (!picked && bit >= first && bit < first + 16 && bit >> 6 == first >> 6)
                saved += all - c->candidates[i].cost > 0 ? all - c->candidates[i].cost : 0;
        }
        if (saved > most) {
            most = saved;
            node->check_word = (uint8_t)(first >> 6);
            node->check_at = (uint8_t)(first & 63);
        }
    }
}

struct choice *choice_new(void)
{
    struct choice *c = malloc(sizeof *c);
    for (uint32_t i = 0; c && i <= MOST_PAIRS; i++)
        c->logs[i] = i ? log2(i) : 0;
    return c;
}

/* The choice for entries that may leave `spare` picked bits open. Returns the decisions that remain; where nothing helps, no
 * bit is picked. */
static double choose_with(struct choice *c, const uint32_t *slots, uint32_t n, int spare)
{
    draw_sample(c, slots, n);
    c->n_picked = 0;
    c->spare = spare;
    return pick_best(c, n);
}

static void set_node(const struct choice *c, struct node *node)
{
    *node = (struct node){.bits = (uint8_t)c->n_picked, .spare = (uint8_t)c->spare};
    set_picked(node, c->picked, c->n_picked);
    choose_check(c, node);
}

bool choose_bits(const struct tree *tree, const uint32_t *slots, uint32_t n, struct node *node)
{
    struct choice *c = tree->choice;
    c->tree = tree;
    *node = (struct node){.bits = 0};
    draw_sample(c, slots, n);
    find_candidates(c);
    int most = n <= 24 ? 3 : n <= 200 ? 2 : n <= 1500 ? 1 : 0; /* open bits: 2^most copies of few entries, one of many */
    double cost = choose_with(c, slots, n, most);
    if (c->n_picked)
        set_node(c, node);
    if (most) {
        double without = choose_with(c, slots, n, 0);
        if (c->n_picked && (!node->bits || without < cost))
            set_node(c, node);
    }
    return node->bits > 0;
}
