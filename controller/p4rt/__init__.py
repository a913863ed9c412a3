"""P4Runtime for people: messages, values, schema, entities, client. The server uses the lower half of it too.

Each layer knows only those before it: protos < values < status < schema < p4info < entities < arbitration < client < switch.
"""
