/* The one table of drop reasons: name for counters, sentence for people. */
#include "ports.h"
#include <stddef.h>

static const char *const REASONS[FPN_DROPS][2] = {
    [FPN_RX_RING_FULL] = {"rx_ring_full", "the receive ring was full: the switch is slower than the sender"},
    [FPN_RX_TRUNCATED] = {"rx_truncated", "longer than a ring frame and no memory to take it aside"},
    [FPN_RX_TOO_LONG] = {"rx_too_long", "longer than any packet a pipeline takes"},
    [FPN_RX_BAD_OFFLOAD] = {"rx_bad_offload", "its offload request points outside the packet"},
    [FPN_RX_BAD_DESCRIPTOR] = {"rx_bad_descriptor", "the shared-memory peer wrote an impossible descriptor"},
    [FPN_RX_IMPAIRED] = {"rx_impaired", "lost on purpose, inward"},
    [FPN_NO_PIPELINE] = {"no_pipeline", "no program is loaded yet"},
    [FPN_NO_ROOM] = {"no_room", "its copies exceed the output memory of a batch"},
    [FPN_NO_SUCH_PORT] = {"no_such_port", "sent to a port number that no port has"},
    [FPN_TX_IMPAIRED] = {"tx_impaired", "lost on purpose, outward"},
    [FPN_TX_QUEUE_FULL] = {"tx_queue_full", "the link is slower than its traffic and the queue is full"},
    [FPN_TX_LINK_DOWN] = {"tx_link_down", "the interface is down or gone"},
    [FPN_TX_TOO_LONG] = {"tx_too_long", "longer than the link takes"},
    [FPN_TX_REFUSED] = {"tx_refused", "the kernel refused it"},
    [FPN_TX_BAD_OFFLOAD] = {"tx_bad_offload", "a super-frame that is no longer TCP over IP cannot be cut"},
};

const char *fpn_drop_name(int32_t drop) { return drop >= 0 && drop < FPN_DROPS ? REASONS[drop][0] : NULL; }
const char *fpn_drop_sentence(int32_t drop) { return drop >= 0 && drop < FPN_DROPS ? REASONS[drop][1] : NULL; }
