"""One page on one run, for someone to sign: what was asked, what was done, and what speaks for and against it."""
