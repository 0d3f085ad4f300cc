"""What the launchers share: a job, how it is run in a process, and how the jobs of a sweep are gathered."""
