"""The primitives of actions: name -> kinds of their arguments (see model.Primitive).

These are what p4c writes for v1model. Older or hand-written JSON may hold others (`modify_field`, `add`);
the loader rewrites those into these, so an engine implements only CORE.
"""

from __future__ import annotations

CORE: dict[str, tuple[str, ...]] = {
    "assign": ("lvalue", "data"),
    "assign_VL": ("lvalue", "lvalue"),  # varbit to varbit: bits and width
    "assign_header": ("header", "header"),
    "assign_union": ("union", "union"),
    "assign_header_stack": ("stack", "stack"),
    "assign_union_stack": ("union_stack", "union_stack"),
    "add_header": ("header",),  # only when invalid: zero the fields, make valid
    "remove_header": ("header",),
    "push": ("stack", "int"),
    "pop": ("stack", "int"),
    "push_union_stack": ("union_stack", "int"),
    "pop_union_stack": ("union_stack", "int"),
    "_jump": ("int",),  # index of a primitive; len(body) is the end
    "_jump_if_zero": ("data", "int"),
    "exit": (),
    "assert": ("bool",),
    "assume": ("bool",),
    "log_msg": ("string", "vector"),
    "mark_to_drop": (),
    "generate_digest": ("data", "learn_list"),  # receiver is ignored
    "clone_ingress_pkt_to_egress": ("data", "field_list"),
    "clone_egress_pkt_to_egress": ("data", "field_list"),
    "resubmit": ("field_list",),
    "recirculate": ("field_list",),
    "modify_field_with_hash_based_offset": ("lvalue", "data", "calculation", "data"),  # base + hash % max
    "modify_field_rng_uniform": ("lvalue", "data", "data"),
    "execute_meter": ("meter", "data", "lvalue"),
    "count": ("counter", "data"),
    "register_read": ("lvalue", "register", "data"),
    "register_write": ("register", "data", "data"),
    "truncate": ("data",),
    "call_extern": ("instance", "name", "results", "arguments"),  # an extern in Python (externs.py)
    # arguments: lvalue, data, bool, str, vector; the first `results` of them are lvalues that take what it returns
}
"""What engines implement, after loading."""
