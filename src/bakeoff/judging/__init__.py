"""Is one training command better than another: pairs of runs, one budget of error for all proposals, a verdict.

`proposal.Proposal` says what is judged, `judge.judge` makes pairs of runs until it is settled, `ledger.Ledger` is the
budget, `worktrees` puts two commits side by side, and `selftest` judges a command against itself.
"""
