"""Policy in Cedar: reading bundles, typing questions, deciding, explaining, checking.

`sources` reads files, `shapes` and `schema` turn contracts into Cedar types, `conversion` turns
arguments into Cedar values, `bundle` puts a validated whole together, `evaluation` decides,
`nearest` explains a default deny, `lint` and `tables` are for `policy check` and `policy test`.
The entity model is described in docs/reference/policy.md.
"""
