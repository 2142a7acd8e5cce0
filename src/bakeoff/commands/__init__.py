"""Any training command: what it is as a value, what its result depends on, and how it is run once with a seed.

`command.Command` is the value, `Command.expand` fills in the texts of factors, `depends.Invocation.of` hashes what the
command depends on, which gives run ids, and `run.run_command` runs it once with a seed and keeps a `RunRecord`.
"""
