"""The sweep whose champion is asked, and the stack that is broken."""

from tests.support.shared_sweep import corpus_dir, finished, guarded, plan_file, server, stack

__all__ = ["corpus_dir", "finished", "guarded", "plan_file", "server", "stack"]
