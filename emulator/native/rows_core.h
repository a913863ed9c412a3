/* Inside the rows' sender and receiver. */
#ifndef FPISA_ROWS_CORE_H
#define FPISA_ROWS_CORE_H
#include "rows.h"
#include "worker_core.h"

#define ROWS_VERSION 1
#define ROWS_KIND 0
#define SURVIVORS_KIND 1
#define ACKNOWLEDGEMENT_KIND 2
#define AT_QUERY 42
#define AT_SEQUENCE (AT_QUERY + 6)
#define AT_VALID (AT_QUERY + 10)

static inline void rows_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void rows_put32(uint8_t *p, uint32_t v)
{
    rows_put16(p, v >> 16);
    rows_put16(p + 2, v);
}
static inline uint32_t rows_get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t rows_get32(const uint8_t *p) { return rows_get16(p) << 16 | rows_get16(p + 2); }
static inline uint64_t rows_get64(const uint8_t *p) { return (uint64_t)rows_get32(p) << 32 | rows_get32(p + 4); }

/* rows_frame.c */
/* Ethernet, IPv4 and UDP for a frame of `bytes` bytes. */
void rows_headers(uint8_t *frame, const struct fpr_link *link, const uint8_t *mac, uint32_t ip, uint32_t from, uint32_t to,
                  uint32_t bytes);
/* A frame of queries of this kind that is whole, for this UDP port. */
bool rows_match(const struct received *frame, uint32_t udp_port, uint32_t kind, uint32_t bytes);
/* The options that transports look at. */
struct fpw_options rows_options(const struct fpr_link *link);
int rows_check(const struct fpr_link *link, char *error);
struct transport *rows_transport(const struct fpr_link *link, const char *interface, const char *socket_path, char *error);
#endif
